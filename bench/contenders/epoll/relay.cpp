// Splices from socket to pipe to socket, both ways.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>

#include "common/listening_socket.hpp"
#include "common/require.hpp"
#include "server.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

constexpr int pipe_bytes = 256 * 1024;

// One way of a relay: what was read from one socket waits in the pipe for the other.
class OneWay {
 public:
  OneWay(int from, int to) : from_(from), to_(to) {
    std::array<int, 2> ends{};
    require(pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC), "pipe2");
    out_ = Descriptor(ends[0]);
    in_ = Descriptor(ends[1]);
    room_ = static_cast<std::size_t>(
        require(fcntl(in_.get(), F_SETPIPE_SZ, pipe_bytes), "fcntl F_SETPIPE_SZ"));
  }

  void expect_input() noexcept { readable_ = true; }
  void expect_room() noexcept { writable_ = true; }

  /// Moves what can be moved now. False: one of the sockets is broken.
  [[nodiscard]] bool move() {
    for (bool moved = true; moved && !ended_;) {
      moved = fill();
      moved = drain() || moved;
      if (broken_) {
        return false;
      }
      if (at_end_ && held_ == 0) {
        ended_ = true;
        shutdown(to_, SHUT_WR);
      }
    }
    return true;
  }
  [[nodiscard]] bool ended() const noexcept { return ended_; }

 private:
  ssize_t splice_some(int from, int to, std::size_t most) noexcept {
    const ssize_t count =
        splice(from, nullptr, to, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    broken_ = broken_ || (count < 0 && errno != EAGAIN);
    return count;
  }
  bool fill() noexcept {
    if (!readable_ || at_end_ || held_ == room_) {
      return false;
    }
    const ssize_t count = splice_some(from_, in_.get(), room_ - held_);
    if (count > 0) {
      held_ += static_cast<std::size_t>(count);
      return true;
    }
    at_end_ = count == 0;
    // With bytes in the pipe, it may be the pipe that is full: its pages need not be.
    readable_ = held_ > 0;
    return false;
  }
  bool drain() noexcept {
    if (!writable_ || held_ == 0) {
      return false;
    }
    const ssize_t count = splice_some(out_.get(), to_, held_);
    writable_ = count > 0;
    held_ -= static_cast<std::size_t>(count > 0 ? count : 0);
    return writable_;
  }

  int from_;
  int to_;
  Descriptor out_;
  Descriptor in_;
  std::size_t room_ = 0;
  std::size_t held_ = 0;
  bool readable_ = true;
  bool writable_ = true;
  bool at_end_ = false;
  bool ended_ = false;
  bool broken_ = false;
};

// Both ways between two sockets.
class Relay {
 public:
  Relay(int client, int target)
      : client_(client), target_(target), forth_(client, target), back_(target, client) {}

  /// What epoll tells of the client or of the target. False: it is over, or both ways have ended,
  /// and the sockets are not touched any more.
  [[nodiscard]] bool ready(int fd, std::uint32_t events) {
    if (over_) {
      return false;
    }
    OneWay& from_it = fd == client_ ? forth_ : back_;
    OneWay& to_it = fd == client_ ? back_ : forth_;
    if ((events & (EPOLLIN | hang_up)) != 0) {
      from_it.expect_input();
    }
    if ((events & (EPOLLOUT | EPOLLERR)) != 0) {
      to_it.expect_room();
    }
    over_ = !from_it.move() || !to_it.move() || (forth_.ended() && back_.ended());
    if (over_) {
      // Wakes the end that is not being handled now, so that it goes too.
      shutdown(client_, SHUT_RDWR);
      shutdown(target_, SHUT_RDWR);
    }
    return !over_;
  }

 private:
  int client_;
  int target_;
  OneWay forth_;
  OneWay back_;
  bool over_ = false;
};

class RelayEnd final : public Watched {
 public:
  explicit RelayEnd(Descriptor socket) noexcept : Watched(std::move(socket)) {}

  void join(std::shared_ptr<Relay> relay) noexcept { relay_ = std::move(relay); }
  bool ready(std::uint32_t events) override { return relay_->ready(fd(), events); }

 private:
  std::shared_ptr<Relay> relay_;
};

// The connection may come about later: until then nothing moves.
Descriptor start_connecting(std::uint16_t port) {
  Descriptor target(
      require(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
  send_without_delay(target.get());
  const sockaddr_in address = loopback_address(port);
  if (connect(target.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 &&
      errno != EINPROGRESS) {
    require(-1, "connect");
  }
  return target;
}

std::unique_ptr<Watched> relay_to(std::uint16_t port, Descriptor socket, Reactor& reactor) {
  auto client = std::make_unique<RelayEnd>(std::move(socket));
  auto target = std::make_unique<RelayEnd>(start_connecting(port));
  const auto relay = std::make_shared<Relay>(client->fd(), target->fd());
  client->join(relay);
  target->join(relay);
  reactor.watch(std::move(target), edges);
  return client;
}

}  // namespace

void serve_relay(CommandLine& options) {
  const std::size_t port = options.number("to", 0);
  options.reject_the_rest();
  if (port == 0 || port > UINT16_MAX) {
    throw std::invalid_argument("relay needs --to PORT");
  }
  Reactor reactor;
  serve_tcp(
      reactor,
      [&](Descriptor socket) {
        return relay_to(static_cast<std::uint16_t>(port), std::move(socket), reactor);
      },
      edges);
}

}  // namespace bench
