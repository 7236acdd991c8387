#pragma once

#include <memory>

#include "sluice/protocol.hpp"
#include "transports/protocol_slot.hpp"
#include "transports/relay_direction.hpp"

namespace sluice::transports {

/// The protocol of a transport that is the reading end of one relay, the writing end of another, or
/// both; of the kind that the transport serves. Either may be null.
[[nodiscard]] std::shared_ptr<BaseProtocol> make_relay_end(ServedProtocols kind,
                                                           std::shared_ptr<RelayDirection> reading,
                                                           std::shared_ptr<RelayDirection> writing);

/// Whether `protocol` is one of those: a relay uses the transport that has it.
[[nodiscard]] bool is_relay_end(const BaseProtocol* protocol) noexcept;

}  // namespace sluice::transports
