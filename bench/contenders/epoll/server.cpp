#include "server.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "common/listening_socket.hpp"
#include "common/require.hpp"

namespace bench {
namespace {

class Acceptor final : public Watched {
 public:
  Acceptor(Descriptor listener, Reactor& reactor, MakeConnection make, std::uint32_t events)
      : Watched(std::move(listener)), reactor_(reactor), make_(std::move(make)), events_(events) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    require(getsockname(fd(), reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    is_tcp_ = address.ss_family == AF_INET;
  }

  bool ready(std::uint32_t /*events*/) override {
    for (;;) {
      Descriptor socket(accept4(fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (socket.get() < 0) {
        if (errno == EAGAIN) {
          return true;
        }
        if (errno != ECONNABORTED && errno != EINTR) {
          require(-1, "accept4");
        }
        continue;
      }
      if (is_tcp_) {
        send_without_delay(socket.get());
      }
      reactor_.watch(make_(std::move(socket)), events_);
    }
  }

 private:
  Reactor& reactor_;
  MakeConnection make_;
  std::uint32_t events_;
  bool is_tcp_ = false;
};

// Every thread watches for the end, which is there for all of them once it has come.
class EndOfInput final : public Watched {
 public:
  explicit EndOfInput(Reactor& reactor)
      : Watched(Descriptor(require(dup(STDIN_FILENO), "dup"))), reactor_(reactor) {}

  bool ready(std::uint32_t /*events*/) override {
    std::array<char, 256> ignored{};
    if (read(fd(), ignored.data(), ignored.size()) <= 0) {
      reactor_.stop();
    }
    return true;
  }

 private:
  Reactor& reactor_;
};

void accept_and_run(Reactor& reactor, Descriptor listener, MakeConnection make,
                    std::uint32_t events) {
  reactor.watch(std::make_unique<Acceptor>(std::move(listener), reactor, std::move(make), events),
                EPOLLIN);
  run_until_end_of_input(reactor);
}

void accept_and_run(Descriptor listener, const PrepareThread& prepare, std::uint32_t events) {
  Reactor reactor;
  accept_and_run(reactor, std::move(listener), prepare(), events);
}

}  // namespace

void serve_tcp(const PrepareThread& prepare, std::size_t threads, std::uint32_t events) {
  std::vector<Descriptor> listeners;
  listeners.push_back(listen_on_loopback(0, threads > 1));
  const std::uint16_t port = port_of(listeners.front().get());
  while (listeners.size() < threads) {
    listeners.push_back(listen_on_loopback(port, true));
  }
  announce(port);

  std::vector<std::jthread> others;
  while (listeners.size() > 1) {
    others.emplace_back([&, listener = std::move(listeners.back())]() mutable {
      accept_and_run(std::move(listener), prepare, events);
    });
    listeners.pop_back();
  }
  accept_and_run(std::move(listeners.front()), prepare, events);
}

void serve_tcp(Reactor& reactor, MakeConnection make, std::uint32_t events) {
  Descriptor listener = listen_on_loopback();
  announce(port_of(listener.get()));
  accept_and_run(reactor, std::move(listener), std::move(make), events);
}

void serve_unix(const std::string& path, const PrepareThread& prepare, std::uint32_t events) {
  Descriptor listener = listen_on_path(path);
  announce(0);
  accept_and_run(std::move(listener), prepare, events);
  unlink(path.c_str());
}

void run_until_end_of_input(Reactor& reactor) {
  reactor.watch(std::make_unique<EndOfInput>(reactor), EPOLLIN);
  reactor.run();
}

}  // namespace bench
