#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "sluice/detail/unique_function.hpp"
#include "sluice/protocol.hpp"

namespace sluice::detail {

/// A protocol's factory without its type: it makes the protocol, the transport finds out its kind.
using ProtocolFactory = UniqueFunction<std::shared_ptr<BaseProtocol>()>;

/// What a factory makes: P, of a std::shared_ptr<P>.
template <class Factory>
using ProtocolOf = typename std::invoke_result_t<std::decay_t<Factory>&>::element_type;

/// What a connecting call gives back before the types are put on again.
template <class TransportKind>
struct Established {
  std::shared_ptr<TransportKind> transport;
  std::shared_ptr<BaseProtocol> protocol;
};

template <class P, class... Kinds>
inline constexpr bool derives_from_one_of = (std::is_base_of_v<Kinds, P> || ...);

template <class Factory>
ProtocolFactory erase_factory(Factory&& factory) {
  return [factory = std::forward<Factory>(factory)]() mutable -> std::shared_ptr<BaseProtocol> {
    return factory();
  };
}

}  // namespace sluice::detail
