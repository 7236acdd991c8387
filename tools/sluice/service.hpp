#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>

#include "sink.hpp"
#include "sluice/event_loop.hpp"
#include "sluice/protocol.hpp"

namespace sluice::cli {

enum class ServiceKind : std::uint8_t { echo, discard, chargen, proxy };

/// What all clients of a service have done so far.
struct ServiceTotals {
  std::uint64_t clients = 0;          ///< accepted
  std::uint64_t clients_lost = 0;     ///< whose connection broke, or who did not get every byte
  std::uint64_t bytes_in = 0;         ///< received, until the service ended
  std::uint64_t bytes_out = 0;        ///< taken by the kernel
  std::uint64_t bytes_discarded = 0;  ///< written, then lost with the connection
  std::uint64_t pauses = 0;           ///< times a buffer passed its high mark
  std::uint64_t syscalls = 0;         ///< that tried to send
  std::size_t peak_buffer = 0;        ///< the largest of any client
  // Of a proxy: the other side of it.
  std::uint64_t bytes_forwarded = 0;      ///< taken by the kernel for a target
  std::uint64_t targets_unreachable = 0;  ///< clients turned away because of that
  std::uint64_t targets_lost = 0;         ///< whose connection broke
};

/// What is done with the clients of a server. Must outlive the running of the loop.
class Service {
 public:
  Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  virtual ~Service() = default;

  /// The protocol of one more client.
  [[nodiscard]] virtual std::shared_ptr<Protocol> make_client() = 0;
  /// The server has ended: brings the clients to their ends in order, those to come too.
  virtual void finish() = 0;
  /// Cuts off what it has connected to by itself; the clients are the server's.
  virtual void abort() {}
  /// Whether there is still something to be sent when all clients are gone.
  [[nodiscard]] virtual bool is_busy() const { return false; }
  [[nodiscard]] virtual const ServiceTotals& totals() const = 0;
};

class Client;

/// echo, discard and chargen.
class SmallService final : public Service {
 public:
  SmallService(ServiceKind kind, EventLoop& loop, BufferMarks marks) noexcept
      : kind_(kind), loop_(loop), marks_(marks) {}

  [[nodiscard]] std::shared_ptr<Protocol> make_client() override;
  /// Ends the connection of every client in order, of those to come too: what is buffered is sent,
  /// for as long as that takes, then the end, and what still comes is thrown away until the client
  /// ends as well, or a second has passed.
  void finish() override;
  [[nodiscard]] const ServiceTotals& totals() const override { return totals_; }

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
