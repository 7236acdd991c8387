#include "transports/server.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "sys/constants.hpp"
#include "sys/error_table.hpp"
#include "transports/birth.hpp"
#include "transports/secure.hpp"

namespace sluice::transports {
namespace {

// How long nothing is accepted when the system has no descriptors or memory left, or does not let
// us accept (W-190).
constexpr std::chrono::seconds failed_accept_delay{1};

// So many attempts in a row without a connection are no bad luck of single ones any more.
constexpr int most_unlucky_accepts = 100;

}  // namespace

class StreamServer::Listener final : public loop::Watcher {
 public:
  Listener(StreamServer& server, const BoundSocket& socket) : server_(&server), socket_(socket) {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() {
    pause_.cancel();
    server_->loop_->reactor().remove(socket_.fd);
    static_cast<void>(server_->loop_->sys().close(socket_.fd));
  }

  // While it pauses, connections wait in the kernel's queue; the end of the pause looks there.
  void on_io(loop::IoEvents /*events*/) override {
    if (!pausing_) {
      server_->accept_from(*this);
    }
  }
  [[nodiscard]] const BoundSocket& socket() const noexcept { return socket_; }
  void pause() {
    pausing_ = true;
    pause_ = server_->loop_->later(failed_accept_delay, [this] {
      pausing_ = false;
      server_->accept_from(*this);
    });
  }

  int unlucky_accepts = 0;  // in a row

 private:
  StreamServer* server_;
  BoundSocket socket_;
  TimerHandle pause_;
  bool pausing_ = false;
};

StreamServer::StreamServer(loop::LoopCore& loop, detail::ProtocolFactory factory,
                           ServerOptions options, const std::vector<BoundSocket>& sockets)
    : loop_(&loop),
      scheduler_(loop.scheduler()),
      factory_(std::move(factory)),
      options_(std::move(options)) {
  options_.backlog = std::max(options_.backlog, 0);
  loop.add_resident(*this);
  for (const BoundSocket& socket : sockets) {
    listeners_.push_back(std::make_unique<Listener>(*this, socket));
  }
}

StreamServer::~StreamServer() {
  // Nobody kept a server that never listened; its sockets are still there. A closed one may
  // have outlived its loop.
  if (state_ != State::closed) {
    close_sockets();
  }
}

void StreamServer::own_path(const std::string& path) {
  path_.own(loop_->sys(), path);
}

void StreamServer::start_serving() {
  check_thread();
  if (state_ == State::serving) {
    return;
  }
  if (state_ == State::closed) {
    throw std::logic_error("Server is closed");
  }
  for (const auto& listener : listeners_) {
    const BoundSocket& socket = listener->socket();
    const sys::Status listening = loop_->sys().listen(socket.fd, options_.backlog);
    if (!listening.ok()) {
      static_cast<void>(sys::judge(sys::Call::listen, listening.error));
      throw std::system_error(sys::to_error_code(listening.error),
                              "listen on " + socket.address.to_string());
    }
  }
  // Only once all of them listen: a listener that is watched before would use up its events for
  // nothing.
  for (const auto& listener : listeners_) {
    const BoundSocket& socket = listener->socket();
    if (const std::error_code error = loop_->reactor().add(socket.fd, *listener)) {
      for (const auto& watched : listeners_) {
        loop_->reactor().remove(watched->socket().fd);
      }
      throw std::system_error(error, "watch " + socket.address.to_string());
    }
  }
  state_ = State::serving;
  self_ = shared_from_this();
}

void StreamServer::check_thread() const {
  // A server that has ended may have outlived its loop.
  if (state_ != State::closed || self_) {
    loop_->check_thread();
  }
}

std::vector<SocketAddress> StreamServer::sockets() const {
  std::vector<SocketAddress> addresses;
  for (const auto& listener : listeners_) {
    addresses.push_back(listener->socket().address);
  }
  return addresses;
}

// One more than the backlog, as asyncio (W-189); what is left is served in the next turn.
void StreamServer::accept_from(Listener& listener) {
  for (int i = 0; i <= options_.backlog; ++i) {
    if (!accept_one(listener)) {
      return;
    }
    // Setting up a connection runs the user's factory, which may close the server.
    if (state_ != State::serving) {
      return;
    }
  }
  loop_->request_service(listener, {.readable = true});
}

// True when there may be another one.
bool StreamServer::accept_one(Listener& listener) {
  const sys::Result<sys::Accepted> accepted = loop_->sys().accept(listener.socket().fd);
  if (accepted.ok()) {
    listener.unlucky_accepts = 0;
    set_up(accepted.value);
    return true;
  }
  const sys::Verdict verdict = sys::judge(sys::Call::accept, accepted.error);
  if (verdict == sys::Verdict::would_block) {
    listener.unlucky_accepts = 0;
    return false;
  }
  if (verdict == sys::Verdict::retry && ++listener.unlucky_accepts < most_unlucky_accepts) {
    return true;
  }
  listener.unlucky_accepts = 0;
  pause_accepting(listener, accepted.error);
  return false;
}

void StreamServer::pause_accepting(Listener& listener, int error) {
  const bool out_of_resources =
      sys::classify(sys::Call::accept, error) == sys::Verdict::out_of_resources;
  loop_->call_exception_handler(
      {out_of_resources ? "socket.accept() out of system resource" : "socket.accept() failed",
       std::make_exception_ptr(std::system_error(
           sys::to_error_code(error), "accept on " + listener.socket().address.to_string()))});
  // The handler may have closed the server.
  if (state_ == State::serving) {
    listener.pause();
  }
}

void StreamServer::set_up(const sys::Accepted& accepted) {
  OwnedFd fd(*loop_, accepted.fd);
  loop_->guarded("Error on transport creation for incoming connection", nullptr, nullptr, [&] {
    std::shared_ptr<BaseProtocol> protocol = factory_();
    if (state_ != State::serving) {
      return;  // The factory has closed the server: what wait_closed() says must stay true.
    }
    if (options_.keep_alive) {
      static_cast<void>(
          loop_->sys().setsockopt(fd.get(), sys::keep_alive.level, sys::keep_alive.name, 1));
    }
    const std::optional<SocketAddress> peer =
        accepted.peer.native().empty() ? std::nullopt : std::optional(accepted.peer);
    Birth birth = stream_birth(*loop_, fd, SocketOrigin::accepted, peer);
    birth.group = this;
    secure(*loop_, birth, settings_of(options_), peer ? peer->to_string() : "a client");
    FdTransport::create(
        *loop_, std::move(birth), std::move(protocol), [] {},
        [log = loop_->log()](const std::exception_ptr& failure) {
          log->write(LogLevel::info, ExceptionContext{{}, failure}.what());
        });
  });
}

void StreamServer::close() {
  check_thread();
  if (state_ == State::closed) {
    return;
  }
  state_ = State::closed;
  close_sockets();
  settle();
}

void StreamServer::close_sockets() noexcept {
  listeners_.clear();
  path_.remove(loop_->sys());
}

// Closed and without connections: nobody needs to keep it any more.
void StreamServer::settle() {
  if (state_ != State::closed || connection_count_ > 0) {
    return;
  }
  for (const Future<void>& waiting : std::exchange(waiting_, {})) {
    if (!waiting.done()) {
      waiting.set_result();
    }
  }
  loop::Resident::unlink();
  if (self_) {
    loop_->bury(std::exchange(self_, nullptr));
  }
}

template <class Act>
void StreamServer::for_each_connection(Act act) {
  core::IntrusiveList<loop::Resident, loop::ResidentTag> all;
  all.steal(connections_);
  try {
    while (!all.empty()) {
      loop::Resident& connection = all.pop_front();
      connections_.push_back(connection);
      act(FdTransport::of(connection));
    }
  } catch (...) {
    // The loop knows them by this list alone.
    connections_.steal(all);
    throw;
  }
}

void StreamServer::close_clients() {
  check_thread();
  for_each_connection([](FdTransport& transport) { transport.close(); });
}

void StreamServer::abort_clients() {
  check_thread();
  for_each_connection([](FdTransport& transport) { transport.abort(); });
}

Future<void> StreamServer::wait_closed() {
  check_thread();
  Future<void> future(std::make_shared<detail::FutureState<void>>(scheduler_));
  if (state_ == State::closed && connection_count_ == 0) {
    future.set_result();
  } else {
    waiting_.push_back(future);
  }
  return future;
}

void StreamServer::attached(FdTransport& transport) noexcept {
  transport.resident().unlink();
  connections_.push_back(transport.resident());
  ++connection_count_;
}

void StreamServer::detached(FdTransport& transport) noexcept {
  transport.resident().unlink();
  --connection_count_;
  settle();
}

void StreamServer::drop() noexcept {
  state_ = State::closed;
  close_sockets();
  // They do not report back.
  connection_count_ = 0;
  while (!connections_.empty()) {
    connections_.pop_front().drop();
  }
  waiting_.clear();
  loop_->bury(std::exchange(self_, nullptr));
}

}  // namespace sluice::transports
