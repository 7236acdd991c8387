#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "common/descriptor.hpp"

namespace bench {

/// Something with a descriptor that a Reactor watches.
class Watched {
 public:
  explicit Watched(Descriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  virtual ~Watched() = default;

  /// Handles what epoll tells. False: it is through, and is destroyed.
  [[nodiscard]] virtual bool ready(std::uint32_t events) = 0;

  [[nodiscard]] int fd() const noexcept { return descriptor_.get(); }

 private:
  Descriptor descriptor_;
};

/// One epoll loop.
class Reactor {
 public:
  Reactor();
  /// `events` as of epoll_ctl.
  void watch(std::unique_ptr<Watched> watched, std::uint32_t events);
  /// Runs until stop().
  void run();
  void stop() noexcept { stopping_ = true; }

 private:
  Descriptor epoll_;
  /// By descriptor.
  std::vector<std::unique_ptr<Watched>> watched_;
  bool stopping_ = false;
};

/// Edge-triggered, so that epoll need not look again at what was handled; with EPOLLOUT from the
/// start, for on a TCP socket that edge comes only after the kernel refused some bytes.
extern const std::uint32_t edges;
/// The events after which a read is not the last one, though it filled only a part of the memory.
extern const std::uint32_t hang_up;

}  // namespace bench
