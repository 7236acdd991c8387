// Sends a fixed number of messages over its connections, and nothing else, so that whoever counts
// the instructions of it counts the same each time. Under callgrind only the measured messages are
// counted, and of them only what the program and the library spend, not what the peers do. Without
// callgrind it checks the replies.
//
// usage: bench_instructions replies|echo|echo-coroutines|deep [--depth N] [--connections N]
//        [--messages N]
//        bench_instructions about

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <sluice/sluice.hpp>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

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
[[gnu::noinline]] void write_message(sluice::WriteTransport& transport, sluice::Bytes message) {
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

sluice::Task<> echo(sluice::StreamReader reader, sluice::StreamWriter writer) {
  for (;;) {
    const std::string data = co_await reader.read(sluice::default_stream_limit);
    if (data.empty()) {
      break;
    }
    write_message(*writer.transport(), sluice::as_bytes(data));
    co_await writer.drain();
  }
  writer.close();
  co_await writer.wait_closed();
}

// --- The other ends of the connections.

struct Script {
  std::string request;  // sent at once
  std::string answer;   // to one request
  std::size_t warm_up;  // requests of each connection that are not counted
  std::size_t counted;
};

class Peer {
 public:
  Peer(sluice::Fd socket, const Script& script)
      : socket_(std::move(socket)), script_(script), received_(script.answer.size()) {}

  [[nodiscard]] bool has_all() const noexcept { return received_ == script_.answer.size(); }
  // False: nothing was there.
  bool receive(std::span<char> memory) {
    const std::size_t before = received_;
    while (!has_all()) {
      const ssize_t got = recv(socket_.get(), memory.data(), memory.size(), MSG_DONTWAIT);
      if (got <= 0) {
        break;
      }
      const std::string_view bytes(memory.data(), static_cast<std::size_t>(got));
      if (!std::string_view(script_.answer).substr(received_).starts_with(bytes)) {
        give_up("the answer is wrong");
      }
      received_ += bytes.size();
    }
    return received_ != before;
  }
  void request() {
    received_ = 0;
    const auto size = static_cast<ssize_t>(script_.request.size());
    if (send(socket_.get(), script_.request.data(), script_.request.size(), MSG_NOSIGNAL) != size) {
      give_up("the socket does not take a whole request");
    }
  }
  void end() { shutdown(socket_.get(), SHUT_WR); }

 private:
  sluice::Fd socket_;
  const Script& script_;
  std::size_t received_;
};

// Take their turn whenever the loop is about to wait: all in one thread, one thing after the other,
// so nothing depends on time. All send their next request when all have their answer.
class Peers {
 public:
  explicit Peers(Script script) : script_(std::move(script)) {}
  void add(sluice::Fd socket) { all_.emplace_back(std::move(socket), script_); }

  void take_turn(bool loop_would_sleep) {
    bool received = false;
    for (Peer& peer : all_) {
      received |= peer.receive(memory_);
    }
    if (std::all_of(all_.begin(), all_.end(), std::mem_fn(&Peer::has_all))) {
      next();
    } else if (loop_would_sleep && !received) {
      give_up("the loop waits, but has not answered yet");
    }
  }

 private:
  void next() {
    // A dump writes what was counted since the one before.
    if (requests_ == script_.warm_up) {
      CALLGRIND_DUMP_STATS_AT("warm-up");
    } else if (requests_ == script_.warm_up + script_.counted) {
      CALLGRIND_DUMP_STATS_AT("counted");
      std::for_each(all_.begin(), all_.end(), std::mem_fn(&Peer::end));
    }
    if (++requests_ <= script_.warm_up + script_.counted) {
      std::for_each(all_.begin(), all_.end(), std::mem_fn(&Peer::request));
    }
  }

  Script script_;
  std::vector<Peer> all_;
  std::array<char, std::size_t{64} * 1024> memory_{};
  std::size_t requests_ = 0;
};

Peers* peers = nullptr;

// --- One run.

struct Parameters {
  std::string_view workload;
  std::size_t depth = 16;
  std::size_t connections = 1;
  std::size_t messages = 4096;

  [[nodiscard]] std::size_t at_once() const noexcept { return depth * connections; }
};

Script script_for(const Parameters& parameters) {
  constexpr std::size_t warm_up = 64;
  const std::size_t requests = parameters.messages / parameters.at_once();
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

// One end for each connection; the others are those of `crowd`.
std::vector<sluice::Fd> connected(Peers& crowd, std::size_t connections) {
  std::vector<sluice::Fd> ours;
  for (std::size_t i = 0; i < connections; ++i) {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) {
      give_up("no socketpair");
    }
    ours.emplace_back(ends[0]);
    crowd.add(sluice::Fd(ends[1]));
  }
  return ours;
}

// `serve` makes what serves a connection, and returns what is done when that has ended.
template <class Serve>
void run(const Parameters& parameters, Serve serve) {
  sluice::EventLoop loop;
  Peers crowd(script_for(parameters));
  std::vector<sluice::Future<void>> ends;
  for (sluice::Fd& socket : connected(crowd, parameters.connections)) {
    ends.push_back(serve(loop, std::move(socket)));
  }
  peers = &crowd;
  for (const sluice::Future<void>& end : ends) {
    loop.run_until_complete(end);
  }
  peers = nullptr;
}

template <class Protocol, class... Arguments>
void run_protocol(const Parameters& parameters, Arguments... arguments) {
  run(parameters, [&](sluice::EventLoop& loop, sluice::Fd socket) {
    const auto done = loop.create_future<void>();
    loop.run_until_complete(loop.connect_accepted_socket(
        [&] { return std::make_shared<Protocol>(done, arguments...); }, std::move(socket)));
    return done;
  });
}

sluice::Fd connected_to(const std::string& path) {
  sluice::Fd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    give_up("no connection to " + path);
  }
  return socket;
}

void run_coroutine(const Parameters& parameters) {
  std::string folder = "/tmp/bench_instructions.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    give_up("no folder " + folder);
  }
  const std::string path = folder + "/socket";
  sluice::EventLoop loop;
  Peers crowd(script_for(parameters));
  const auto all_begun = loop.create_future<void>();
  const auto all_ended = loop.create_future<void>();
  std::size_t begun = 0;
  std::size_t ended = 0;
  const auto serve = [&](sluice::StreamReader reader,
                         sluice::StreamWriter writer) -> sluice::Task<> {
    if (++begun == parameters.connections) {
      all_begun.set_result();
    }
    co_await echo(std::move(reader), std::move(writer));
    if (++ended == parameters.connections) {
      all_ended.set_result();
    }
  };
  const auto server = loop.run_until_complete(sluice::start_unix_server(
      serve, path, {.server = {.backlog = static_cast<int>(parameters.connections)}}));
  for (std::size_t i = 0; i < parameters.connections; ++i) {
    crowd.add(connected_to(path));
  }
  loop.run_until_complete(all_begun);
  peers = &crowd;
  loop.run_until_complete(all_ended);
  peers = nullptr;
  unlink(path.c_str());
  rmdir(folder.c_str());
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
    std::size_t& parameter = name == "--depth"         ? parameters.depth
                             : name == "--connections" ? parameters.connections
                                                       : parameters.messages;
    understood =
        understood && value > 0 && (&parameter != &parameters.messages || name == "--messages");
    parameter = value;
  }
  if (!understood || parameters.messages % parameters.at_once() != 0) {
    give_up(
        "usage: replies|echo|echo-coroutines|deep [--depth N] [--connections N] [--messages N, "
        "whole "
        "times both], or about");
  }
  return parameters;
}

}  // namespace

// The library's own call finds this one before that of the C library, which it hands the call to.
extern "C" int epoll_wait(int epoll, epoll_event* events, int max_events, int timeout) {
  static const auto wait = reinterpret_cast<decltype(&epoll_wait)>(dlsym(RTLD_NEXT, "epoll_wait"));
  if (peers != nullptr) {
    CALLGRIND_TOGGLE_COLLECT;
    peers->take_turn(timeout != 0);
    CALLGRIND_TOGGLE_COLLECT;
  }
  return wait(epoll, events, max_events, timeout);
}

int main(int argc, char** argv) {
  const Parameters parameters = parse(argc, argv);
  if (parameters.workload == "replies") {
    run_protocol<Replies>(parameters);
  } else if (parameters.workload == "echo") {
    run_protocol<Echo>(parameters);
  } else if (parameters.workload == "echo-coroutines") {
    run_coroutine(parameters);
  } else if (parameters.workload == "deep") {
    run_protocol<Deep>(parameters, parameters.depth);
  } else if (parameters.workload == "about") {
    tell_about();
  } else {
    give_up("no such workload");
  }
}
