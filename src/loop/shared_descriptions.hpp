#pragma once

#include <system_error>
#include <vector>

#include "sys/system_calls.hpp"

namespace sluice::loop {

/// Makes borrowed open files non-blocking and blocking again. O_NONBLOCK belongs to the open file,
/// which a shell's terminal shares between stdin, stdout and other programs; so it is set for as
/// long as one of ours needs it and restored by the last.
class SharedDescriptions {
 public:
  explicit SharedDescriptions(sys::SystemCalls& sys) noexcept : sys_(&sys) {}

  /// Sets O_NONBLOCK on the open file of `fd`. Failure: what fcntl(2) says.
  [[nodiscard]] std::error_code borrow(int fd);
  /// `fd` is about to be closed: clears O_NONBLOCK if we set it and no other `fd` needs it.
  void give_back(int fd) noexcept;

 private:
  struct Entry {
    int fd;
    bool must_restore;
  };
  [[nodiscard]] bool same_file(int left, int right) const noexcept;

  sys::SystemCalls* sys_;
  std::vector<Entry> entries_;
};

}  // namespace sluice::loop
