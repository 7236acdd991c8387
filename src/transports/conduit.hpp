#pragma once

#include <memory>

#include "core/read_side.hpp"
#include "loop/loop_core.hpp"
#include "sluice/transport.hpp"
#include "transports/descriptor_range.hpp"
#include "transports/protocol_slot.hpp"

namespace sluice::transports {

/// What the transports of this library can do besides what their users see: for sendfile and
/// relays, which find it by dynamic_cast. A Transport itself, so that it costs none a pointer more.
class Conduit : public Transport {
 public:
  Conduit() = default;
  Conduit(const Conduit&) = delete;
  Conduit& operator=(const Conduit&) = delete;

  /// Not to be used once the transport is closed: the loop may be gone.
  [[nodiscard]] virtual loop::LoopCore& loop() noexcept = 0;
  /// Whether what is read and written are the descriptor's own bytes, so that the system may move
  /// them from one descriptor to another. Not so for encrypted ones.
  [[nodiscard]] virtual bool plain() const noexcept = 0;
  /// Which protocols it takes.
  [[nodiscard]] virtual ServedProtocols serves() const noexcept = 0;
  /// Queues `range` behind what was written. The transport must not be closing. Throws
  /// std::logic_error after write_eof(), std::bad_alloc with nothing queued; `call` is the name for
  /// the message.
  virtual void write_range(std::shared_ptr<DescriptorRange> range, const char* call) = 0;
  /// Takes `range` out of the queue, if none of its bytes have been sent; false if it stays.
  virtual bool remove_range(const DescriptorRange& range) = 0;
  /// Whether write_eof() was called.
  [[nodiscard]] virtual bool has_written_eof() const noexcept = 0;
  /// Whether whoever writes was told to pause last.
  [[nodiscard]] virtual bool writing_paused() const noexcept = 0;
  /// The protocol, which last heard a pause if `told_paused`, hears what has happened since.
  virtual void catch_up(bool told_paused) = 0;
  /// Reads from `source` from now on; null: from the descriptor as before. Throws std::bad_alloc
  /// with nothing changed, but not for null.
  virtual void redirect_reading(std::unique_ptr<core::Source> source) = 0;
};

}  // namespace sluice::transports
