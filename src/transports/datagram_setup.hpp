#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loop/loop_core.hpp"
#include "sluice/datagram.hpp"
#include "sluice/detail/protocol_binding.hpp"
#include "sluice/future.hpp"
#include "sys/constants.hpp"
#include "transports/datagram_endpoint.hpp"

namespace sluice::transports {

/// Where a socket is bound to and where it is connected to.
struct AddressPair {
  std::optional<SocketAddress> local;
  std::optional<SocketAddress> remote;
};

/// Of each family in which both ends have an address (or are not asked for), the first of each, in
/// the order of the local ones.
[[nodiscard]] std::vector<AddressPair> pair_addresses(
    const std::optional<std::vector<SocketAddress>>& local,
    const std::optional<std::vector<SocketAddress>>& remote);

/// One create_datagram_endpoint: resolves both ends, and keeps the first socket that can be bound
/// and connected.
class DatagramSetup final : public std::enable_shared_from_this<DatagramSetup> {
 public:
  using Result = Future<detail::Established<DatagramTransport>>;

  DatagramSetup(loop::LoopCore& loop, detail::ProtocolFactory factory, DatagramOptions options,
                Result result);

  /// Begins; whatever goes wrong reaches the future.
  void start();

 private:
  using Addresses = std::optional<std::vector<SocketAddress>>;

  [[nodiscard]] bool has_hosts() const noexcept {
    return options_.local_addr || options_.remote_addr;
  }
  [[nodiscard]] bool has_paths() const noexcept {
    return !options_.local_path.empty() || !options_.remote_path.empty();
  }
  void check_addresses() const;
  void adopt();
  void resolve(const HostAndPort& name, bool passive, Addresses& answer);
  void resolved(const std::string& host, const sys::Resolved& found, Addresses& answer);
  void open_first(const std::vector<AddressPair>& pairs);
  [[nodiscard]] DatagramBirth open(const AddressPair& pair) const;
  void set(int fd, sys::SocketOption option, const char* name) const;
  void bind(int fd, const SocketAddress& address, DatagramBirth& birth) const;
  void probe(int fd, DatagramBirth& birth) const;
  void establish(DatagramBirth birth);
  void make_transport(DatagramBirth birth, const std::shared_ptr<BaseProtocol>& protocol);
  void fail();

  loop::LoopCore* loop_;
  detail::ProtocolFactory factory_;
  DatagramOptions options_;
  Result result_;
  Addresses local_;
  Addresses remote_;
  std::size_t waiting_for_ = 0;
};

}  // namespace sluice::transports
