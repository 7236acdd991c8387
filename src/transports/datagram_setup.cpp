#include "transports/datagram_setup.hpp"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "sluice/error.hpp"
#include "sluice/event_loop.hpp"
#include "sys/constants.hpp"
#include "sys/error_table.hpp"
#include "transports/birth.hpp"

namespace sluice::transports {
namespace {

// Unix sockets take longer datagrams than IP; asyncio receives as much at once.
constexpr std::size_t max_unix_datagram = 256 * 1024;

[[noreturn]] void throw_error(int error, const std::string& what) {
  throw std::system_error(sys::to_error_code(error), what);
}

bool is_ip(AddressFamily family) noexcept {
  return family == AddressFamily::ipv4 || family == AddressFamily::ipv6;
}

SocketAddress path_address(const std::string& path) {
  try {
    return SocketAddress::from_unix_path(path);
  } catch (const std::invalid_argument& error) {
    throw std::system_error(std::make_error_code(std::errc::filename_too_long), error.what());
  }
}

const SocketAddress* of_family(const std::vector<SocketAddress>& addresses, AddressFamily family) {
  const auto found = std::ranges::find_if(
      addresses, [&](const SocketAddress& each) { return each.family() == family; });
  return found == addresses.end() ? nullptr : &*found;
}

}  // namespace

std::vector<AddressPair> pair_addresses(const std::optional<std::vector<SocketAddress>>& local,
                                        const std::optional<std::vector<SocketAddress>>& remote) {
  std::vector<AddressPair> pairs;
  for (const SocketAddress& first : local ? *local : *remote) {
    const AddressFamily family = first.family();
    const bool seen = std::ranges::any_of(pairs, [&](const AddressPair& pair) {
      return (pair.local ? pair.local : pair.remote)->family() == family;
    });
    if (seen) {
      continue;
    }
    if (!local) {
      pairs.push_back({std::nullopt, first});
    } else if (!remote) {
      pairs.push_back({first, std::nullopt});
    } else if (const SocketAddress* other = of_family(*remote, family)) {
      pairs.push_back({first, *other});
    }
  }
  return pairs;
}

DatagramSetup::DatagramSetup(loop::LoopCore& loop, detail::ProtocolFactory factory,
                             DatagramOptions options, Result result)
    : loop_(&loop),
      factory_(std::move(factory)),
      options_(std::move(options)),
      result_(std::move(result)) {}

void DatagramSetup::start() {
  try {
    if (options_.sock) {
      adopt();
      return;
    }
    check_addresses();
    if (!options_.local_path.empty() || !options_.remote_path.empty()) {
      const auto address = [](const std::string& path) {
        return path.empty() ? std::nullopt : std::optional(path_address(path));
      };
      open_first({{address(options_.local_path), address(options_.remote_path)}});
    } else if (!options_.local_addr && !options_.remote_addr) {
      open_first({{}});
    } else {
      // Both are counted before either is answered.
      waiting_for_ = (options_.local_addr ? 1U : 0U) + (options_.remote_addr ? 1U : 0U);
      if (options_.local_addr) {
        resolve(*options_.local_addr, true, local_);
      }
      if (options_.remote_addr) {
        resolve(*options_.remote_addr, false, remote_);
      }
    }
  } catch (...) {
    fail();
  }
}

void DatagramSetup::check_addresses() const {
  if (has_hosts() && has_paths()) {
    throw std::invalid_argument("a datagram socket has hosts or paths, not both");
  }
  if (!has_hosts() && !has_paths() && options_.family == AddressFamily::unspecified) {
    throw std::invalid_argument(
        "unexpected address family: give an address, a path, a family or a socket");
  }
}

void DatagramSetup::adopt() {
  OwnedFd fd(*loop_, options_.sock.release());
  const std::string number = std::to_string(fd.get());
  const std::string name = "file descriptor " + number;
  // One transport per descriptor (W-93). It is that transport's, and so not closed here.
  if (loop_->reactor().claimed(fd.get()) || loop_->reactor().watches(fd.get())) {
    static_cast<void>(fd.release().release());
    throw std::logic_error("File descriptor " + number + " is used by another transport");
  }
  if (has_hosts() || has_paths() || options_.family != AddressFamily::unspecified ||
      options_.reuse_port || options_.allow_broadcast) {
    throw std::invalid_argument("socket modifier options can not be used when sock is specified");
  }
  const sys::Result<int> type =
      loop_->sys().getsockopt(fd.get(), sys::socket_type.level, sys::socket_type.name);
  if (!type.ok() || type.value != sys::datagram_type) {
    throw std::system_error(type.ok() ? std::make_error_code(std::errc::wrong_protocol_type)
                                      : sys::to_error_code(type.error),
                            "A datagram socket was expected, got " + name);
  }
  // Before anything is done to the socket: a factory may throw, or cancel (W-185).
  const std::shared_ptr<BaseProtocol> protocol = factory_();
  if (result_.done()) {
    return;
  }
  if (const std::error_code error = loop_->shared_descriptions().borrow(fd.get())) {
    throw std::system_error(error, "making " + name + " non-blocking");
  }
  DatagramBirth birth;
  birth.loan = {loop_->shared_descriptions(), fd.get()};
  const sys::Result<SocketAddress> peer = loop_->sys().getpeername(fd.get());
  birth.connected = peer.ok();
  if (peer.ok()) {
    birth.remote = peer.value;
  }
  probe(fd.get(), birth);
  birth.fd = fd.release();
  make_transport(std::move(birth), protocol);
}

void DatagramSetup::resolve(const HostAndPort& name, bool passive, Addresses& answer) {
  if (const auto numeric = SocketAddress::from_numeric(name.host, name.port)) {
    sys::Resolved found;
    found.addresses.push_back(*numeric);
    resolved(name.host, found, answer);
    return;
  }
  loop_->resolver().resolve(
      {name.host, name.port, options_.family, passive},
      [self = shared_from_this(), host = name.host, &answer](const sys::Resolved& found) {
        self->resolved(host, found, answer);
      });
}

void DatagramSetup::resolved(const std::string& host, const sys::Resolved& found,
                             Addresses& answer) {
  if (result_.done()) {
    return;
  }
  try {
    if (found.error != 0) {
      throw std::system_error(found.system_error != 0
                                  ? sys::to_error_code(found.system_error)
                                  : std::error_code(found.error, resolver_category()),
                              "resolve host name '" + host + "'");
    }
    answer = found.addresses;
    // Numeric hosts have not been through the resolver.
    if (options_.family != AddressFamily::unspecified) {
      std::erase_if(*answer, [&](const auto& each) { return each.family() != options_.family; });
    }
    if (--waiting_for_ == 0) {
      open_first(pair_addresses(local_, remote_));
    }
  } catch (...) {
    fail();
  }
}

// The first failure is the one that is told, as in asyncio.
void DatagramSetup::open_first(const std::vector<AddressPair>& pairs) {
  if (pairs.empty()) {
    throw std::system_error(Errc::no_address,
                            "can not get address information: no family has all addresses");
  }
  std::exception_ptr first_failure;
  std::optional<DatagramBirth> birth;
  for (const AddressPair& pair : pairs) {
    try {
      birth = open(pair);
      break;
    } catch (const std::system_error&) {
      if (!first_failure) {
        first_failure = std::current_exception();
      }
    }
  }
  if (!birth) {
    std::rethrow_exception(first_failure);
  }
  establish(std::move(*birth));
}

DatagramBirth DatagramSetup::open(const AddressPair& pair) const {
  const SocketAddress* any = pair.local ? &*pair.local : pair.remote ? &*pair.remote : nullptr;
  const AddressFamily family = any != nullptr ? any->family() : options_.family;
  sys::SystemCalls& sys = loop_->sys();
  const sys::Result<int> made = sys.socket(sys::socket_domain(family), sys::datagram_type);
  if (!made.ok()) {
    static_cast<void>(sys::judge(sys::Call::socket, made.error));
    throw_error(made.error, "datagram socket" + (any ? " for " + any->to_string() : ""));
  }
  OwnedFd fd(*loop_, made.value);
  if (options_.reuse_port) {
    set(fd.get(), sys::reuse_port, "SO_REUSEPORT");
  }
  if (options_.allow_broadcast) {
    set(fd.get(), sys::broadcast, "SO_BROADCAST");
  }
  DatagramBirth birth;
  if (pair.local) {
    bind(fd.get(), *pair.local, birth);
  }
  birth.remote = pair.remote;
  // A broadcast is answered from other addresses than it was sent to; a connected socket would not
  // hear them.
  if (pair.remote && !options_.allow_broadcast) {
    const sys::Status connected = sys.connect(fd.get(), *pair.remote);
    if (!connected.ok()) {
      birth.path.remove(sys);
      static_cast<void>(sys::judge(sys::Call::connect, connected.error));
      throw_error(connected.error, "connect to " + pair.remote->to_string());
    }
    birth.connected = true;
  }
  probe(fd.get(), birth);
  birth.fd = fd.release();
  return birth;
}

void DatagramSetup::set(int fd, sys::SocketOption option, const char* name) const {
  const sys::Status status = loop_->sys().setsockopt(fd, option.level, option.name, 1);
  if (!status.ok()) {
    throw_error(status.error, std::string("setting ") + name + " of a datagram socket");
  }
}

void DatagramSetup::bind(int fd, const SocketAddress& address, DatagramBirth& birth) const {
  const bool file = address.family() == AddressFamily::unix_path;
  if (file) {
    remove_stale_socket(loop_->sys(), address.path());
  }
  const sys::Status status = loop_->sys().bind(fd, address);
  if (!status.ok()) {
    static_cast<void>(sys::judge(sys::Call::bind, status.error));
    throw_error(status.error, "error while attempting to bind on address " + address.to_string());
  }
  if (file && options_.cleanup_socket) {
    birth.path.own(loop_->sys(), address.path());
  }
}

void DatagramSetup::probe(int fd, DatagramBirth& birth) const {
  sys::SystemCalls& sys = loop_->sys();
  if (const auto name = sys.getsockname(fd); name.ok()) {
    birth.sockname = name.value;
  }
  const AddressFamily family =
      birth.sockname ? birth.sockname->family() : AddressFamily::unspecified;
  if (!is_ip(family)) {
    birth.slot_bytes = max_unix_datagram;
  } else if (sys.getsockopt(fd, sys::udp_segment.level, sys::udp_segment.name).ok()) {
    birth.trains = DatagramSink::Trains::allowed;
  }
}

// A socket of our own: whoever has a path keeps it only with a transport.
void DatagramSetup::establish(DatagramBirth birth) {
  OwnedFd fd(*loop_, birth.fd.release());
  std::shared_ptr<BaseProtocol> protocol;
  try {
    protocol = factory_();
  } catch (...) {
    birth.path.remove(loop_->sys());
    throw;
  }
  if (result_.done()) {
    birth.path.remove(loop_->sys());
    return;
  }
  birth.fd = fd.release();
  make_transport(std::move(birth), protocol);
}

// Completes the future once the transport has begun; cancelling the future closes it (W-87).
void DatagramSetup::make_transport(DatagramBirth birth,
                                   const std::shared_ptr<BaseProtocol>& protocol) {
  const auto made = std::make_shared<std::weak_ptr<DatagramEndpoint>>();
  result_.set_on_cancel([made] {
    if (const auto alive = made->lock()) {
      alive->close();
    }
  });
  *made = DatagramEndpoint::create(
      *loop_, std::move(birth), protocol, [result = result_, made, protocol] {
        if (!result.done()) {
          result.set_result(detail::Established<DatagramTransport>{made->lock(), protocol});
        }
      });
}

void DatagramSetup::fail() {
  if (!result_.done()) {
    result_.set_exception(std::current_exception());
  }
}

}  // namespace sluice::transports

namespace sluice {

Future<detail::Established<DatagramTransport>> EventLoop::open_datagram(
    detail::ProtocolFactory factory, DatagramOptions options) {
  core_->check_usable();
  auto result = transports::make_future<detail::Established<DatagramTransport>>(*core_);
  std::make_shared<transports::DatagramSetup>(*core_, std::move(factory), std::move(options),
                                              result)
      ->start();
  return result;
}

}  // namespace sluice
