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

/// The read half of every transport: pausing, the end of file, one read per event, and the memory
/// that edge-triggered readiness demands.
///
/// It keeps nothing but its state, for every connection has one; its transport, the Host, hands
/// itself over with each call. What a ReadSide needs of it, where asking for memory and delivering
/// may come back into the ReadSide, close the transport, or change what is read from:
///
///     const Lifecycle& life() const;
///     std::uint64_t polls() const;            // how often the loop has polled for readiness
///     std::span<std::byte> read_memory();     // for the next read; empty when there is none
///                                             // because the transport was lost over it
///     SourceResult read(std::span<std::byte> memory);  // of the Source of this moment
///     bool short_read_empties() const;                 // likewise
///     void deliver(std::span<std::byte> memory, std::size_t count);  // at the front of it
///     void deliver_end();
///     void read_failed(std::error_code error);
///     void request_read();                    // call on_ready(data) in the next turn
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

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] bool is_reading(const Lifecycle& life) const noexcept {
    return state_ == State::reading && life.open();
  }
  void pause(const Lifecycle& life) noexcept {
    if (is_reading(life)) {
      state_ = State::paused;
    }
  }
  template <class Host>
  void resume(Host& host) noexcept;
  /// One read, if data is wanted. What is known of the readiness of one source holds for the one
  /// that takes its place.
  template <class Host>
  void on_ready(Host& host, Readiness readiness);

 private:
  /// What edge-triggered readiness has told and no read has refuted yet.
  enum class Unread : std::uint8_t {
    none,         ///< The last read emptied the source; an edge announces more.
    maybe,        ///< There may be more.
    until_ended,  ///< The other end hung up: no edge will come any more.
  };

  void note(Readiness readiness) noexcept {
    if (readiness == Readiness::hangup) {
      unread_ = Unread::until_ended;
    } else if (unread_ == Unread::none) {
      unread_ = Unread::maybe;
    }
  }
  template <class Host>
  void take(Host& host, std::span<std::byte> memory, const SourceResult& result);

  // Of the count of polls. That it wraps around does no harm: at worst a read waits for one more
  // turn.
  std::uint32_t resumed_after_poll_ = 0;
  State state_ = State::reading;
  Unread unread_ = Unread::none;
};

template <class Host>
void ReadSide::resume(Host& host) noexcept {
  if (!host.life().open() || state_ != State::paused) {
    return;
  }
  state_ = State::reading;
  resumed_after_poll_ = static_cast<std::uint32_t>(host.polls());
  if (unread_ != Unread::none) {
    host.request_read();
  }
}

template <class Host>
void ReadSide::on_ready(Host& host, Readiness readiness) {
  note(readiness);
  if (!is_reading(host.life())) {
    return;
  }
  // Readiness that is older than resume() is for the next turn (W-153).
  if (resumed_after_poll_ == static_cast<std::uint32_t>(host.polls())) {
    host.request_read();
    return;
  }
  const std::span<std::byte> memory = host.read_memory();
  // Asking the protocol for memory ran its code: it may have paused or closed.
  if (!memory.empty() && is_reading(host.life())) {
    take(host, memory, host.read(memory));
  }
}

template <class Host>
void ReadSide::take(Host& host, std::span<std::byte> memory, const SourceResult& result) {
  switch (result.kind) {
    case SourceResult::Kind::received:
      if (unread_ == Unread::maybe && result.count < memory.size() && host.short_read_empties()) {
        unread_ = Unread::none;
      } else {
        host.request_read();
      }
      host.deliver(memory, result.count);
      return;
    case SourceResult::Kind::would_block:
      unread_ = Unread::none;
      return;
    case SourceResult::Kind::end:
      state_ = State::ended;
      host.deliver_end();
      return;
    case SourceResult::Kind::failed:
      state_ = State::ended;
      host.read_failed(result.error);
      return;
  }
}

}  // namespace sluice::core
