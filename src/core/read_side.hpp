#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>

#include "core/lifecycle.hpp"

namespace sluice::core {

/// What became of a read.
struct SourceResult {
  enum class Kind : std::uint8_t {
    received,     ///< `count` bytes, at least one, are there.
    would_block,  ///< Nothing there yet.
    end,          ///< The other end will send no more.
    failed,       ///< Nothing more can be received, for the reason `error`.
  };
  Kind kind;
  std::size_t count = 0;
  std::error_code error{};
};

/// What differs between kinds of descriptor when reading.
class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  /// One attempt to read into `memory`, which is not empty.
  virtual SourceResult read(std::span<std::byte> memory) noexcept = 0;
  /// Whether reading less than was asked for proves that nothing is left, so that the next edge may
  /// be awaited without another attempt.
  [[nodiscard]] virtual bool short_read_empties() const noexcept = 0;
};

/// What a ReadSide needs of its transport. The delivering calls may come back into the ReadSide,
/// and may close the transport.
class ReadSideHost {
 public:
  ReadSideHost() = default;
  ReadSideHost(const ReadSideHost&) = delete;
  ReadSideHost& operator=(const ReadSideHost&) = delete;

  /// The memory for the next read; empty when there is none because the transport was lost over it.
  virtual std::span<std::byte> read_memory() = 0;
  /// `count` bytes are at the front of that memory.
  virtual void deliver(std::span<std::byte> memory, std::size_t count) = 0;
  virtual void deliver_end() = 0;
  virtual void read_failed(std::error_code error) = 0;
  /// Call on_ready(data) in the next turn.
  virtual void request_read() noexcept = 0;

 protected:
  ~ReadSideHost() = default;
};

/// The read half of every transport: pausing, the end of file, one read per event, and the memory
/// that edge-triggered readiness demands.
class ReadSide {
 public:
  enum class State : std::uint8_t {
    reading,  ///< Data is awaited.
    paused,   ///< The protocol wants none; readiness is remembered.
    ended,    ///< The end of file was seen; nothing will come (Q-25).
  };
  enum class Readiness : std::uint8_t {
    data,    ///< Something to read.
    hangup,  ///< The other end is done or broken: reading goes on until it says so.
  };

  /// `polls` counts how often the loop has polled for readiness; null if readiness is never
  /// reported late.
  ReadSide(Source& source, ReadSideHost& host, const Lifecycle& life,
           const std::uint64_t* polls = nullptr) noexcept
      : source_(&source), host_(&host), life_(&life), polls_(polls) {}

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] bool is_reading() const noexcept {
    return state_ == State::reading && life_->open();
  }
  /// Reads from `source` from now on; what was known of the old one's readiness holds for it.
  void set_source(Source& source) noexcept { source_ = &source; }
  void pause() noexcept;
  void resume() noexcept;
  /// One read, if data is wanted.
  void on_ready(Readiness readiness);

 private:
  /// What edge-triggered readiness has told and no read has refuted yet.
  enum class Unread : std::uint8_t {
    none,         ///< The last read emptied the source; an edge announces more.
    maybe,        ///< There may be more.
    until_ended,  ///< The other end hung up: no edge will come any more.
  };

  Source* source_;
  ReadSideHost* host_;
  const Lifecycle* life_;
  const std::uint64_t* polls_;
  std::uint64_t resumed_after_poll_ = 0;
  State state_ = State::reading;
  Unread unread_ = Unread::none;
};

}  // namespace sluice::core
