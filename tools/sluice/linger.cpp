#include "linger.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <chrono>
#include <utility>

namespace sluice::cli {

namespace {

constexpr std::chrono::seconds longest_silence{1};
constexpr std::chrono::seconds longest_talk{20};

std::uint64_t untaken_bytes(int fd) {
  int count = 0;
  return ioctl(fd, SIOCOUTQ, &count) == 0 && count > 0 ? static_cast<std::uint64_t>(count) : 0;
}

}  // namespace

void Linger::start(int fd, std::function<void()> on_over) {
  fd_ = fd;
  on_over_ = std::move(on_over);
  untaken_ = untaken_bytes(fd);
  last_taken_ = loop_.time();
  look_again();
}

void Linger::look_again() {
  heard_ = false;
  next_look_ = loop_.call_later(longest_silence, [this] { look(); });
}

void Linger::look() {
  const std::uint64_t before = std::exchange(untaken_, untaken_bytes(fd_));
  if (untaken_ < before) {
    last_taken_ = loop_.time();
  }
  if (untaken_ < before || (heard_ && loop_.time() - last_taken_ < longest_talk)) {
    look_again();
  } else {
    std::exchange(on_over_, nullptr)();
  }
}

}  // namespace sluice::cli
