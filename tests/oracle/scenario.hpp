#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::oracle {

/// Which transports are compared.
enum class TransportKind : std::uint8_t { socket, pipe };

/// What a step can do. The order is that of the names in scenario.cpp.
enum class Verb : std::uint8_t {
  // To the kernel.
  room,            ///< (bytes) it takes that many more
  fail,            ///< (errno) all later sends fail
  hangup,          ///< the reader of the pipe is gone
  receive,         ///< (bytes) arrive from the peer
  end,             ///< the peer sends no more
  reset,           ///< the peer resets the connection
  shutdown_fails,  ///< a later half-close gives ENOTCONN
  // To the transport.
  write,       ///< (bytes)
  writelines,  ///< (bytes of each piece...)
  eof,
  close,
  abort,
  limits,  ///< (high, low), either of them '-'
  sizes,
  pause_reading,
  resume_reading,
  // To the loop and the protocol; {} is what happens then.
  soon,
  on_made,
  on_pause,
  on_resume,
  on_data,
  on_end,
  on_lost,
  throws,     ///< an exception leaves the callback
  keep_open,  ///< eof_received will return true
};

/// One thing that is done.
struct Operation {
  Verb verb{};
  std::vector<std::optional<std::size_t>> numbers{};
  std::vector<Operation> body{};

  /// Name and numbers without the body, as the traces have it.
  [[nodiscard]] std::string head() const;
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Operation&, const Operation&) = default;
};

[[nodiscard]] bool is_for_kernel(Verb verb) noexcept;
[[nodiscard]] bool has_body(Verb verb) noexcept;

/// What is done in one callback, or by the kernel while the loop sleeps.
using Step = std::vector<Operation>;

/// A life of one transport. Both sides take the next step when they have nothing left to do; the
/// first step is taken before the transport exists.
struct Scenario {
  TransportKind kind = TransportKind::socket;
  std::vector<Step> steps;

  /// One line, understood by parse().
  [[nodiscard]] std::string text() const;
  /// Whether it can be run: the first step only prepares, and all arguments are there.
  [[nodiscard]] bool valid() const;
  /// Throws std::invalid_argument that says what is wrong.
  [[nodiscard]] static Scenario parse(std::string_view text);
  friend bool operator==(const Scenario&, const Scenario&) = default;
};

}  // namespace sluice::oracle
