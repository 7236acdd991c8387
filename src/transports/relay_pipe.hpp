#pragma once

#include <functional>
#include <memory>
#include <span>

#include "core/read_side.hpp"
#include "transports/descriptor_range.hpp"

namespace sluice::transports {

/// A pipe inside the kernel through which a relay moves bytes without a copy. What is in it is a
/// range in the queue of the writing end; it is filled only when it is empty, so that a splice that
/// would block tells that there is nothing to read.
class RelayPipe final : public DescriptorRange {
 public:
  /// As large as the largest read, if the system allows.
  static constexpr std::size_t wanted_size = 256 * 1024;

  /// Null when the system has no descriptors left.
  [[nodiscard]] static std::shared_ptr<RelayPipe> create(
      const std::shared_ptr<sys::SystemCalls>& system);
  /// Has no ends yet.
  explicit RelayPipe(std::shared_ptr<sys::SystemCalls> system) noexcept;
  ~RelayPipe() override;

  /// Fills the pipe, which is empty, with at most `memory.size()` bytes of `fd`. Where the system
  /// refuses that, reads into `memory` instead.
  core::SourceResult fill(int fd, std::span<std::byte> memory) noexcept;
  /// Whether the last fill() brought its bytes into the pipe, and not into memory.
  [[nodiscard]] bool filled() const noexcept { return filling_ == Filling::splice; }
  /// Whoever wants to know that what was queued has left the queue, sent.
  void on_drained(std::function<void()> drained) { drained_ = std::move(drained); }
  /// The `count` bytes of the last fill() are to be queued.
  void begin(std::size_t count) noexcept { renew(count); }

  core::ExternalResult to_socket(int fd, std::size_t most) noexcept override;
  core::ExternalResult to_pipe(int fd, std::size_t most) noexcept override;
  core::ExternalResult read(std::span<std::byte> memory) noexcept override;
  [[nodiscard]] std::uint64_t held() const noexcept override { return remaining(); }
  void left(core::ExternalEnd end, std::error_code error) noexcept override;

 private:
  /// How bytes are read.
  enum class Filling : std::uint8_t {
    splice,  ///< Into the pipe.
    memory,  ///< The system refused that once: into memory from then on.
  };

  std::shared_ptr<sys::SystemCalls> system_;
  int reading_ = -1;
  int writing_ = -1;
  Filling filling_ = Filling::splice;
  std::function<void()> drained_;
};

/// Reads a descriptor into a RelayPipe: what the ReadSide hands on is a count of bytes only.
class RelaySource final : public core::Source {
 public:
  RelaySource(std::shared_ptr<RelayPipe> pipe, int fd) noexcept : pipe_(std::move(pipe)), fd_(fd) {}

  core::SourceResult read(std::span<std::byte> memory) noexcept override {
    return pipe_->fill(fd_, memory);
  }
  [[nodiscard]] bool short_read_empties() const noexcept override { return false; }

 private:
  std::shared_ptr<RelayPipe> pipe_;
  int fd_;
};

}  // namespace sluice::transports
