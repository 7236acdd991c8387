// One message to all connections for each byte that arrives on any of them.

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/row.hpp"
#include "reactor.hpp"
#include "server.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

class Member;

struct Audience {
  Row message;
  std::vector<Member*> members{};
};

class Member final : public Watched {
 public:
  Member(Descriptor socket, Audience& audience) : Watched(std::move(socket)), audience_(audience) {
    audience_.members.push_back(this);
  }
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  ~Member() override { std::erase(audience_.members, this); }

  bool ready(std::uint32_t events) override {
    send_owed();
    for (;;) {
      std::array<char, 4096> bytes;
      const ssize_t got = recv(fd(), bytes.data(), bytes.size(), 0);
      if (got <= 0) {
        return got < 0 && errno == EAGAIN;
      }
      for (ssize_t i = 0; i < got; ++i) {
        tell_all();
      }
      if (static_cast<std::size_t>(got) < bytes.size() && (events & hang_up) == 0) {
        return true;
      }
    }
  }

 private:
  void tell_all() {
    for (Member* const member : audience_.members) {
      const bool was_through = member->owed_ == 0;
      member->owed_ += audience_.message.size();
      if (was_through) {
        member->send_owed();
      }
    }
  }
  // What is owed is the end of a sequence of messages that are all the same. A peer that is gone is
  // told to its own ready().
  void send_owed() {
    const Row& message = audience_.message;
    while (owed_ > 0) {
      const std::size_t rest = (owed_ - 1) % message.size() + 1;
      const ssize_t sent = send(fd(), message.data() + message.size() - rest, rest, MSG_NOSIGNAL);
      owed_ -= static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
      if (sent < static_cast<ssize_t>(rest)) {
        return;
      }
    }
  }

  Audience& audience_;
  std::size_t owed_ = 0;
};

}  // namespace

void serve_fanout(CommandLine& options) {
  Audience audience{row_pattern(options.number("size", 16384))};
  options.reject_the_rest();
  if (audience.message.empty()) {
    throw std::invalid_argument("--size must be positive");
  }
  serve_tcp(
      [&audience] {
        return [&audience](Descriptor socket) {
          return std::make_unique<Member>(std::move(socket), audience);
        };
      },
      1, edges);
}

}  // namespace bench
