#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "sluice/protocol.hpp"

namespace sluice::transports {

/// Which protocols a transport can serve.
enum class ServedProtocols : std::uint8_t {
  duplex,  ///< Protocol, BufferedProtocol
  write,   ///< WriteProtocol, or a BaseProtocol that needs no connection_made
  read,    ///< ReadProtocol
};

/// A protocol with its kind found out once, so that each callback costs one virtual call.
class ProtocolSlot {
 public:
  explicit ProtocolSlot(ServedProtocols served) noexcept : served_(served) {}

  /// Throws std::invalid_argument, with the old protocol kept, when `protocol` is null or of a kind
  /// that is not served. Gives back the old protocol, which may be on the stack.
  std::shared_ptr<BaseProtocol> set(std::shared_ptr<BaseProtocol> protocol);
  /// Empties the slot and gives back what was in it.
  std::shared_ptr<BaseProtocol> take() noexcept;

  [[nodiscard]] const std::shared_ptr<BaseProtocol>& get() const noexcept { return protocol_; }
  [[nodiscard]] BaseProtocol* operator->() const noexcept { return protocol_.get(); }
  /// Whether reads go into the protocol's own memory.
  [[nodiscard]] bool buffered() const noexcept { return kind_ == Kind::buffered; }

  // The callbacks that depend on the kind.
  void connection_made(const std::shared_ptr<Transport>& transport) const;
  [[nodiscard]] std::span<std::byte> get_buffer() const;
  void received(std::span<std::byte> memory, std::size_t count) const;
  [[nodiscard]] bool eof_received() const;

 private:
  enum class Kind : std::uint8_t { none, base, stream, buffered, write, read };

  [[nodiscard]] Kind kind_of(BaseProtocol& protocol, std::int32_t& typed_at) const noexcept;
  template <class P>
  [[nodiscard]] P& as() const noexcept {
    return *reinterpret_cast<P*>(reinterpret_cast<std::byte*>(protocol_.get()) + typed_at_);
  }

  std::shared_ptr<BaseProtocol> protocol_;
  // Where in the protocol, counted from its BaseProtocol, the class of its kind is: an object is
  // never so large as to need a pointer.
  std::int32_t typed_at_ = 0;
  Kind kind_ = Kind::none;
  ServedProtocols served_;
};

}  // namespace sluice::transports
