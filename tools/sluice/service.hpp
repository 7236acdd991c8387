#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>

#include "sink.hpp"
#include "sluice/event_loop.hpp"
#include "sluice/protocol.hpp"

namespace sluice::cli {

enum class ServiceKind : std::uint8_t { echo, discard, chargen };

/// What all clients of a service have done so far.
struct ServiceTotals {
  std::uint64_t clients = 0;          ///< accepted
  std::uint64_t clients_lost = 0;     ///< whose connection broke
  std::uint64_t bytes_in = 0;         ///< received, until the service ended
  std::uint64_t bytes_out = 0;        ///< taken by the kernel
  std::uint64_t bytes_discarded = 0;  ///< written, then lost with the connection
  std::uint64_t pauses = 0;           ///< times a buffer passed its high mark
  std::uint64_t syscalls = 0;         ///< that tried to send
  std::size_t peak_buffer = 0;        ///< the largest of any client
};

class Client;

/// A service and its clients. Must outlive the running of the loop.
class Service {
 public:
  Service(ServiceKind kind, EventLoop& loop, BufferMarks marks) noexcept
      : kind_(kind), loop_(loop), marks_(marks) {}

  /// The protocol of one more client.
  [[nodiscard]] std::shared_ptr<Protocol> make_client();
  /// Ends the connection of every client in order, of those to come too: what is buffered is sent,
  /// then the end, and what still comes is thrown away until the client ends as well, or a second
  /// has passed.
  void finish();
  [[nodiscard]] const ServiceTotals& totals() const { return totals_; }

 private:
  friend class Client;
  enum class State : std::uint8_t {
    open,      ///< clients are served
    finishing  ///< finish() was called
  };

  ServiceKind kind_;
  EventLoop& loop_;
  BufferMarks marks_;
  ServiceTotals totals_;
  std::set<Client*> clients_;  ///< those with a connection
  State state_ = State::open;
};

}  // namespace sluice::cli
