#pragma once

#include <system_error>
#include <utility>
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

/// A borrow() that is given back unless somebody keeps it; empty at first.
class NonBlockingLoan {
 public:
  NonBlockingLoan() noexcept = default;
  /// What was borrowed for `fd`, which must be open as long as this lives.
  NonBlockingLoan(SharedDescriptions& lender, int fd) noexcept : lender_(&lender), fd_(fd) {}
  NonBlockingLoan(NonBlockingLoan&& other) noexcept
      : lender_(std::exchange(other.lender_, nullptr)), fd_(other.fd_) {}
  NonBlockingLoan& operator=(NonBlockingLoan&& other) noexcept {
    std::swap(lender_, other.lender_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~NonBlockingLoan() {
    if (lender_ != nullptr) {
      lender_->give_back(fd_);
    }
  }
  /// From now on the caller gives back. Whether there is anything to give back.
  [[nodiscard]] bool keep() noexcept { return std::exchange(lender_, nullptr) != nullptr; }

 private:
  SharedDescriptions* lender_ = nullptr;
  int fd_ = -1;
};

}  // namespace sluice::loop
