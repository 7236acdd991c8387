#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "sink.hpp"
#include "sluice/event_loop.hpp"
#include "sluice/protocol.hpp"

namespace sluice::cli {

enum class ServiceKind : std::uint8_t { echo, discard, chargen };

/// What all clients of a service have done so far.
struct ServiceTotals {
  std::uint64_t clients = 0;          ///< accepted
  std::uint64_t clients_lost = 0;     ///< whose connection broke
  std::uint64_t bytes_in = 0;         ///< received
  std::uint64_t bytes_out = 0;        ///< taken by the kernel
  std::uint64_t bytes_discarded = 0;  ///< written, then lost with the connection
  std::uint64_t pauses = 0;           ///< times a buffer passed its high mark
  std::uint64_t syscalls = 0;         ///< that tried to send
  std::size_t peak_buffer = 0;        ///< the largest of any client
};

/// Makes the protocol of one client. `loop` and `totals` must outlive it.
[[nodiscard]] std::shared_ptr<Protocol> make_service(ServiceKind kind, EventLoop& loop,
                                                     BufferMarks marks, ServiceTotals& totals);

}  // namespace sluice::cli
