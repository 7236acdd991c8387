#include "loop/shared_descriptions.hpp"

#include <algorithm>

#include "sys/constants.hpp"
#include "sys/error_table.hpp"

namespace sluice::loop {

std::error_code SharedDescriptions::borrow(int fd) {
  const sys::Result<int> flags = sys_->get_status_flags(fd);
  if (!flags.ok()) {
    return sys::to_error_code(flags.error);
  }
  const bool blocking = (flags.value & sys::nonblocking_flag) == 0;
  entries_.push_back({fd, blocking});
  if (blocking) {
    const sys::Status set = sys_->set_status_flags(fd, flags.value | sys::nonblocking_flag);
    if (!set.ok()) {
      entries_.pop_back();
      return sys::to_error_code(set.error);
    }
  }
  return {};
}

void SharedDescriptions::give_back(int fd) noexcept {
  const auto entry = std::ranges::find(entries_, fd, &Entry::fd);
  if (entry == entries_.end()) {
    return;
  }
  const bool must_restore = entry->must_restore;
  entries_.erase(entry);
  if (!must_restore) {
    return;
  }
  const auto sharer =
      std::ranges::find_if(entries_, [&](const Entry& other) { return same_file(other.fd, fd); });
  if (sharer != entries_.end()) {
    sharer->must_restore = true;
    return;
  }
  const sys::Result<int> flags = sys_->get_status_flags(fd);
  if (flags.ok()) {
    static_cast<void>(sys_->set_status_flags(fd, flags.value & ~sys::nonblocking_flag));
  }
}

bool SharedDescriptions::same_file(int left, int right) const noexcept {
  const sys::Result<bool> same = sys_->same_open_file(left, right);
  if (same.ok()) {
    return same.value;
  }
  // kcmp(2) may be forbidden or not built in. Two open files of one inode are then taken for one.
  const sys::Result<sys::FileStatus> a = sys_->fstat(left);
  const sys::Result<sys::FileStatus> b = sys_->fstat(right);
  return a.ok() && b.ok() && a.value.device == b.value.device && a.value.inode == b.value.inode;
}

}  // namespace sluice::loop
