// Sends a fixed number of messages over one connection, and nothing else, so that whoever counts
// the instructions of it counts the same each time. Under callgrind only the measured messages are
// counted, and of them only what the program and the library spend, not what the peer does. Without
// callgrind it checks the replies.
//
// usage: bench_instructions replies|echo|deep [--depth N] [--messages N]
//        bench_instructions about

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

constexpr std::size_t request_bytes = 64;
constexpr std::string_view reply =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
constexpr std::size_t echo_bytes = 1024;
constexpr std::size_t deep_bytes = 100;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "bench_instructions: %s\n", why.c_str());
  std::exit(1);
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

// --- The simple programs whose instructions are counted.

class Workload : public sluice::Protocol {
 public:
  explicit Workload(sluice::Future<void> done) : done_(std::move(done)) {}
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
  }
  void connection_lost(std::error_code /*error*/) override {
    transport_.reset();
    done_.set_result();
  }

 protected:
  [[nodiscard]] sluice::Transport& transport() const noexcept { return *transport_; }

 private:
  sluice::Future<void> done_;
  std::shared_ptr<sluice::Transport> transport_;
};

// What write() costs is what this costs: also what of it the compiler makes part of the caller.
[[gnu::noinline]] void write_message(sluice::Transport& transport, sluice::Bytes message) {
  transport.write(message);
}

// Answers every whole request by one write().
class Replies final : public Workload {
 public:
  using Workload::Workload;
  void data_received(sluice::Bytes data) override {
    unanswered_ += data.size();
    for (; unanswered_ >= request_bytes; unanswered_ -= request_bytes) {
      write_message(transport(), reply_);
    }
  }

 private:
  sluice::Bytes reply_ = sluice::as_bytes(reply);
  std::size_t unanswered_ = 0;
};

class Echo final : public Workload {
 public:
  using Workload::Workload;
  void data_received(sluice::Bytes data) override { write_message(transport(), data); }
};

// Answers each byte by as many writes as the queue is to be deep, more than a kernel takes.
class Deep final : public Workload {
 public:
  Deep(sluice::Future<void> done, std::size_t depth) : Workload(std::move(done)), depth_(depth) {}
  void data_received(sluice::Bytes data) override {
    for (std::size_t i = 0; i < data.size() * depth_; ++i) {
      write_message(transport(), sluice::as_bytes(message_));
    }
  }

 private:
  std::size_t depth_;
  std::string message_ = std::string(deep_bytes, 'm');
};

// --- The other end of the connection.

struct Script {
  std::string request;  // sent at once
  std::string answer;   // to one request
  std::size_t warm_up;  // requests that are not counted
  std::size_t counted;
};

// Takes its turn whenever the loop is about to wait: all in one thread, one thing after the other,
// so nothing depends on time.
class Peer {
 public:
  Peer(sluice::Fd socket, Script script) : socket_(std::move(socket)), script_(std::move(script)) {}

  void take_turn(bool loop_would_sleep) {
    const std::size_t before = received_;
    receive();
    if (received_ == script_.answer.size()) {
      next();
    } else if (loop_would_sleep && received_ == before) {
      give_up("the loop waits, but has not answered yet");
    }
  }

 private:
  void receive() {
    while (received_ < script_.answer.size()) {
      const ssize_t got = recv(socket_.get(), memory_.data(), memory_.size(), MSG_DONTWAIT);
      if (got <= 0) {
        return;
      }
      const std::string_view bytes(memory_.data(), static_cast<std::size_t>(got));
      if (!std::string_view(script_.answer).substr(received_).starts_with(bytes)) {
        give_up("the answer is wrong");
      }
      received_ += bytes.size();
    }
  }
  void next() {
    // A dump writes what was counted since the one before.
    if (requests_ == script_.warm_up) {
      CALLGRIND_DUMP_STATS_AT("warm-up");
    } else if (requests_ == script_.warm_up + script_.counted) {
      CALLGRIND_DUMP_STATS_AT("counted");
      shutdown(socket_.get(), SHUT_WR);
    }
    if (++requests_ > script_.warm_up + script_.counted) {
      return;
    }
    received_ = 0;
    const auto size = static_cast<ssize_t>(script_.request.size());
    if (send(socket_.get(), script_.request.data(), script_.request.size(), MSG_NOSIGNAL) != size) {
      give_up("the socket does not take a whole request");
    }
  }

  sluice::Fd socket_;
  Script script_;
  std::array<char, std::size_t{64} * 1024> memory_{};
  std::size_t requests_ = 0;
  std::size_t received_ = script_.answer.size();
};

Peer* peer = nullptr;

// --- One run.

struct Parameters {
  std::string_view workload;
  std::size_t depth = 16;
  std::size_t messages = 4096;
};

Script script_for(const Parameters& parameters) {
  constexpr std::size_t warm_up = 64;
  const std::size_t requests = parameters.messages / parameters.depth;
  if (parameters.workload == "replies") {
    return {std::string(request_bytes * parameters.depth, '?'), repeated(reply, parameters.depth),
            warm_up, requests};
  }
  if (parameters.workload == "deep") {
    return {"?", std::string(deep_bytes * parameters.depth, 'm'), 1, requests};
  }
  const std::string message = repeated(reply, echo_bytes / reply.size() * parameters.depth);
  return {message, message, warm_up, requests};
}

template <class Make>
void run(const Parameters& parameters, Make make) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) {
    give_up("no socketpair");
  }
  sluice::EventLoop loop;
  const auto done = loop.create_future<void>();
  Peer other_end(sluice::Fd(ends[1]), script_for(parameters));
  const auto connection = loop.run_until_complete(
      loop.connect_accepted_socket([&] { return make(done); }, sluice::Fd(ends[0])));
  peer = &other_end;
  loop.run_until_complete(done);
  peer = nullptr;
}

// What decides on the counts besides the source.
void tell_about() {
  utsname system{};
  uname(&system);
  std::printf(R"({"architecture": "%s", "compiler": "%s", "flags": "%s", "c_library": "glibc %s"})"
              "\n",
              system.machine, BENCH_COMPILER, BENCH_FLAGS, gnu_get_libc_version());
}

Parameters parse(int argc, char** argv) {
  Parameters parameters;
  parameters.workload = argc > 1 ? argv[1] : "";
  bool understood = argc % 2 == 0;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::size_t value = std::strtoul(argv[i + 1], nullptr, 10);
    understood = understood && value > 0 && (name == "--depth" || name == "--messages");
    (name == "--depth" ? parameters.depth : parameters.messages) = value;
  }
  if (!understood || parameters.messages % parameters.depth != 0) {
    give_up("usage: replies|echo|deep [--depth N] [--messages N, whole times the depth], or about");
  }
  return parameters;
}

}  // namespace

// The library's own call finds this one before that of the C library, which it hands the call to.
extern "C" int epoll_wait(int epoll, epoll_event* events, int max_events, int timeout) {
  static const auto wait = reinterpret_cast<decltype(&epoll_wait)>(dlsym(RTLD_NEXT, "epoll_wait"));
  if (peer != nullptr) {
    CALLGRIND_TOGGLE_COLLECT;
    peer->take_turn(timeout != 0);
    CALLGRIND_TOGGLE_COLLECT;
  }
  return wait(epoll, events, max_events, timeout);
}

int main(int argc, char** argv) {
  const Parameters parameters = parse(argc, argv);
  if (parameters.workload == "replies") {
    run(parameters, [](auto done) { return std::make_shared<Replies>(done); });
  } else if (parameters.workload == "echo") {
    run(parameters, [](auto done) { return std::make_shared<Echo>(done); });
  } else if (parameters.workload == "deep") {
    run(parameters, [&](auto done) { return std::make_shared<Deep>(done, parameters.depth); });
  } else if (parameters.workload == "about") {
    tell_about();
  } else {
    give_up("no such workload");
  }
}
