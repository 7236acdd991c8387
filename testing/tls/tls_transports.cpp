#include "testing/tls/tls_transports.hpp"

#include <sys/socket.h>

#include <memory>
#include <optional>
#include <utility>

#include "sluice/tls.hpp"
#include "testing/tls/certificates.hpp"
#include "testing/tls/tls_peer.hpp"

namespace sluice::testing {
namespace {

// Room for some records, and far less than the tests call big.
constexpr int send_buffer = 32 * 1024;

class TlsMaker : public TransportMaker {
 public:
  Peer& peer() override { return *peer_; }

 protected:
  template <class Connecting>
  MadeTransport made(EventLoop& loop, const std::shared_ptr<Recording>& record, Start start,
                     Connecting connecting) {
    record->at_birth = [this, start](WriteTransport& transport) {
      static_cast<void>(::setsockopt(transport.fileno(), SOL_SOCKET, SO_SNDBUF, &send_buffer,
                                     sizeof(send_buffer)));
      if (start == Start::clogged) {
        peer_->clog(transport.fileno());
      }
    };
    MadeTransport result = loop.create_future<std::shared_ptr<WriteTransport>>();
    connecting.add_done_callback([result](const Connecting& done) {
      if (std::exception_ptr failure = done.exception()) {
        result.set_exception(std::move(failure));
      } else {
        result.set_result(std::shared_ptr<WriteTransport>(done.get().transport));
      }
    });
    return result;
  }

  // The peer's part of the handshake, between those of the transport.
  void greet(EventLoop& loop, const std::weak_ptr<Recording>& record) {
    loop.call_soon([this, &loop, record] {
      if (!peer_) {
        open_peer();
        peer_->closes_when = [record] {
          const auto alive = record.lock();
          if (!alive || !alive->shared_transport()) {
            return false;
          }
          const WriteTransport& transport = alive->transport();
          return transport.is_closing() && transport.fileno() >= 0 &&
                 transport.get_write_buffer_size() == 0;
        };
      }
      if (!peer_->step() && peer_->failure().empty()) {
        greet(loop, record);
      }
    });
  }
  virtual void open_peer() = 0;
  void set_peer(Fd fd, const TlsPeerOptions& options) { peer_.emplace(std::move(fd), options); }

 private:
  std::optional<TlsPeer> peer_;
};

class TlsClientMaker : public TlsMaker {
 public:
  explicit TlsClientMaker(int version) : version_(version) {}

  MadeTransport make(EventLoop& loop, std::shared_ptr<Recording> record, Start start) override {
    static const std::shared_ptr<TlsContext> context =
        TlsContext::client({.ca_file = certificates().authority()});
    auto connecting =
        loop.create_connection([record] { return std::make_shared<RecordingProtocol>(record); },
                               "127.0.0.1", listener_.port(), {.ssl = context});
    greet(loop, record);
    return made(loop, record, start, std::move(connecting));
  }

 private:
  void open_peer() override { set_peer(listener_.accept(), {.server = true, .version = version_}); }

  RawListener listener_;
  int version_;
};

class TlsServerMaker : public TlsMaker {
 public:
  explicit TlsServerMaker(int version) : version_(version), pair_(make_socket_pair()) {}

  MadeTransport make(EventLoop& loop, std::shared_ptr<Recording> record, Start start) override {
    static const std::shared_ptr<TlsContext> context =
        TlsContext::server({.certificate_file = certificates().server()});
    auto connecting = loop.connect_accepted_socket(
        [record] { return std::make_shared<RecordingProtocol>(record); },
        std::move(pair_.transport), {.ssl = context});
    greet(loop, record);
    return made(loop, record, start, std::move(connecting));
  }

 private:
  void open_peer() override { set_peer(std::move(pair_.peer), {.version = version_}); }

  int version_;
  FdPair pair_;
};

}  // namespace

std::vector<TransportKind> tls_transports() {
  TransportTraits tls;
  tls.reads = true;
  tls.farewell = true;
  TransportTraits tls12 = tls;
  tls12.breaks_at_once = true;
  TransportTraits tls13 = tls;
  tls13.half_close = true;
  return {{"tls12", tls12, [] { return std::make_unique<TlsServerMaker>(TLS1_2_VERSION); }},
          {"tls13", tls13, [] { return std::make_unique<TlsClientMaker>(TLS1_3_VERSION); }}};
}

}  // namespace sluice::testing
