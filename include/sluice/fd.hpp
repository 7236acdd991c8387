#pragma once

#include <utility>

namespace sluice {

/// The move-only owner of one file descriptor; closes it when destroyed. Any thread, one at a time.
class Fd {
 public:
  /// Owns nothing.
  Fd() noexcept = default;
  /// Owns `fd` from now on; a negative number means none.
  explicit Fd(int fd) noexcept : fd_(fd < 0 ? -1 : fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset(std::exchange(other.fd_, -1));
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  /// The descriptor, or -1; ownership stays here.
  [[nodiscard]] int get() const noexcept { return fd_; }
  /// Whether a descriptor is owned.
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  /// Gives the descriptor up without closing it.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  /// Closes what is owned (an error of close(2) is ignored: the descriptor is gone either way) and
  /// owns `fd` instead.
  void reset(int fd = -1) noexcept;

  /// A second descriptor for the same open file, close-on-exec. Throws std::system_error when there
  /// is none to be had (EMFILE).
  [[nodiscard]] Fd duplicate() const;

 private:
  int fd_ = -1;
};

}  // namespace sluice
