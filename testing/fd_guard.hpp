#pragma once

#include <dirent.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <map>
#include <string>

namespace sluice::testing {

/// Every open descriptor of this process and what it refers to, such as "socket:[4711]".
inline std::map<int, std::string> open_fds() {
  std::map<int, std::string> fds;
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) {
    return fds;
  }
  while (const dirent* entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] == '.' || fd == ::dirfd(folder)) {
      continue;
    }
    std::array<char, 256> target{};
    const std::string link = std::string("/proc/self/fd/") + entry->d_name;
    const ssize_t length = ::readlink(link.c_str(), target.data(), target.size());
    fds[fd] = length < 0 ? std::string("?")
                         : std::string(target.data(), static_cast<std::size_t>(length));
  }
  ::closedir(folder);
  return fds;
}

/// Fails every test that ends with other descriptors open than it began with.
class FdGuard : public ::testing::EmptyTestEventListener {
 public:
  void OnTestStart(const ::testing::TestInfo& /*test*/) override { before_ = open_fds(); }

  void OnTestEnd(const ::testing::TestInfo& /*test*/) override {
    const std::map<int, std::string> after = open_fds();
    for (const auto& [fd, target] : after) {
      if (!before_.contains(fd)) {
        ADD_FAILURE() << "the test left file descriptor " << fd << " open: " << target;
      }
    }
    for (const auto& [fd, target] : before_) {
      if (!after.contains(fd)) {
        ADD_FAILURE() << "the test closed file descriptor " << fd << ", not its own: " << target;
      }
    }
  }

 private:
  std::map<int, std::string> before_;
};

}  // namespace sluice::testing
