// Pipelined replies: every request of 64 bytes is answered by one write() of 64 bytes. Measures the
// CPU time of the server's thread per message, for Sluice and for a hand-written epoll server that
// collects the replies of one read and sends them with one send(): the least that can be spent.
//
// Goal: the ratio of the two, in one run. Not a goal: absolute times, which belong to the machine.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t message_bytes = 64;

struct Parameters {
  std::size_t depth = 64;
  std::size_t connections = 20;
  std::size_t rounds = 5;
  std::chrono::milliseconds warm_up{200};
  std::chrono::milliseconds window{1000};
};

template <class T>
T require(T result, const char* what) {
  if (result < 0) {
    throw std::system_error(errno, std::system_category(), what);
  }
  return result;
}

// A server on its own thread: `start` runs in it, tells the port, and returns when asked to stop.
class ServerThread {
 public:
  using Serve =
      std::function<void(std::promise<std::uint16_t>&, std::promise<std::function<void()>>&)>;

  explicit ServerThread(const Serve& serve) {
    std::promise<std::uint16_t> port;
    std::promise<std::function<void()>> stop;
    auto port_future = port.get_future();
    auto stop_future = stop.get_future();
    thread_ = std::thread(
        [serve, port = std::move(port), stop = std::move(stop)]() mutable { serve(port, stop); });
    port_ = port_future.get();
    stop_ = stop_future.get();
  }
  ServerThread(const ServerThread&) = delete;
  ServerThread& operator=(const ServerThread&) = delete;
  ~ServerThread() {
    stop_();
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::chrono::nanoseconds cpu_time() {
    clockid_t clock{};
    pthread_getcpuclockid(thread_.native_handle(), &clock);
    timespec time{};
    clock_gettime(clock, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }

 private:
  std::thread thread_;
  std::uint16_t port_ = 0;
  std::function<void()> stop_;
};

// --- Sluice: the simple program.

class Replier : public sluice::Protocol {
 public:
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
  }
  void data_received(sluice::Bytes data) override {
    partial_ += data.size();
    for (; partial_ >= message_bytes; partial_ -= message_bytes) {
      transport_->write(reply_);
    }
  }
  void connection_lost(std::error_code /*error*/) override { transport_.reset(); }

 private:
  std::string_view reply_ = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  std::size_t partial_ = 0;
  std::shared_ptr<sluice::Transport> transport_;
};

void serve_with_sluice(std::promise<std::uint16_t>& port,
                       std::promise<std::function<void()>>& stop) {
  sluice::EventLoop loop;
  const auto server = loop.run_until_complete(
      loop.create_server([] { return std::make_shared<Replier>(); }, "127.0.0.1", 0));
  port.set_value(server->sockets().front().port());
  stop.set_value([&loop] { loop.call_soon_threadsafe([&loop] { loop.stop(); }); });
  loop.run_forever();
}

// --- By hand: epoll, one recv, one send with all replies.

class HandServer {
 public:
  HandServer()
      : epoll_(require(epoll_create1(0), "epoll_create1")),
        stop_(require(eventfd(0, 0), "eventfd")) {
    listener_ = require(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    require(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
    require(listen(listener_, 100), "listen");
    watch(listener_, EPOLLIN);
    watch(stop_, EPOLLIN);
  }
  HandServer(const HandServer&) = delete;
  HandServer& operator=(const HandServer&) = delete;
  ~HandServer() {
    for (std::size_t fd = 0; fd < partial_.size(); ++fd) {
      if (partial_[fd] != unused) {
        close(static_cast<int>(fd));
      }
    }
    close(listener_);
    close(stop_);
    close(epoll_);
  }

  [[nodiscard]] std::uint16_t port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    require(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    return ntohs(address.sin_port);
  }
  void stop() const { require(eventfd_write(stop_, 1), "eventfd_write"); }

  void run() {
    std::array<epoll_event, 256> events;
    while (true) {
      const int count = require(
          epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1), "epoll_wait");
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == stop_) {
          return;
        }
        if (fd == listener_) {
          accept_all();
        } else {
          answer(fd);
        }
      }
    }
  }

 private:
  static constexpr std::size_t unused = ~std::size_t{0};

  void watch(int fd, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    require(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  }
  void accept_all() {
    for (int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK); fd >= 0;
         fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) {
      const int on = 1;
      require(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
      partial_.resize(std::max(partial_.size(), static_cast<std::size_t>(fd) + 1), unused);
      partial_[static_cast<std::size_t>(fd)] = 0;
      watch(fd, EPOLLIN | EPOLLET);
    }
  }
  void answer(int fd) {
    const ssize_t got = recv(fd, in_.data(), in_.size(), 0);
    std::size_t& partial = partial_[static_cast<std::size_t>(fd)];
    if (got <= 0) {
      close(fd);
      partial = unused;
      return;
    }
    partial += static_cast<std::size_t>(got);
    std::size_t filled = 0;
    for (; partial >= message_bytes; partial -= message_bytes) {
      std::memcpy(out_.data() + filled, reply_.data(), message_bytes);
      filled += message_bytes;
    }
    if (filled > 0 && send(fd, out_.data(), filled, MSG_NOSIGNAL) != static_cast<ssize_t>(filled)) {
      std::fprintf(stderr, "the hand-written server cannot buffer; use a smaller depth\n");
      std::abort();
    }
  }

  int epoll_;
  int stop_;
  int listener_ = -1;
  std::vector<std::size_t> partial_;
  std::vector<char> in_ = std::vector<char>(256 * 1024);
  std::vector<char> out_ = std::vector<char>(256 * 1024 + message_bytes);
  std::string_view reply_ = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
};

void serve_by_hand(std::promise<std::uint16_t>& port, std::promise<std::function<void()>>& stop) {
  HandServer server;
  port.set_value(server.port());
  stop.set_value([&server] { server.stop(); });
  server.run();
}

// --- The load: each connection keeps `depth` requests under way.

class Load {
 public:
  Load(std::uint16_t port, const Parameters& parameters)
      : batch_(parameters.depth * message_bytes),
        epoll_(require(epoll_create1(0), "epoll_create1")) {
    for (std::size_t i = 0; i < parameters.connections; ++i) {
      connect_one(port);
    }
    thread_ = std::thread([this] { run(); });
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    stopping_ = true;
    thread_.join();
    for (const Connection& connection : connections_) {
      close(connection.fd);
    }
    close(epoll_);
  }

  [[nodiscard]] std::uint64_t messages() const noexcept { return received_.load() / message_bytes; }
  [[nodiscard]] std::uint64_t checksum_errors() const noexcept { return wrong_.load(); }

 private:
  struct Connection {
    int fd;
    std::size_t awaited;
  };

  void connect_one(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const int fd = require(socket(AF_INET, SOCK_STREAM, 0), "socket");
    require(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
    const int on = 1;
    require(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = connections_.size();
    require(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    connections_.push_back({fd, 0});
  }
  void send_batch(Connection& connection) {
    require(send(connection.fd, batch_.data(), batch_.size(), MSG_NOSIGNAL), "send");
    connection.awaited = batch_.size();
  }
  void run() {
    std::for_each(connections_.begin(), connections_.end(),
                  [this](Connection& each) { send_batch(each); });
    std::array<epoll_event, 64> events;
    std::vector<char> in(256 * 1024);
    while (!stopping_) {
      const int count = require(
          epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 100), "epoll_wait");
      for (int i = 0; i < count; ++i) {
        Connection& connection = connections_[events[static_cast<std::size_t>(i)].data.u64];
        const auto got =
            static_cast<std::size_t>(require(recv(connection.fd, in.data(), in.size(), 0), "recv"));
        check(in, got, connection);
        connection.awaited -= got;
        received_ += got;
        if (connection.awaited == 0) {
          send_batch(connection);
        }
      }
    }
  }
  // Every byte of a reply is known by its place in the stream.
  void check(const std::vector<char>& in, std::size_t got, const Connection& connection) {
    static constexpr std::string_view digits = "0123456789abcdef";
    const std::size_t start = batch_.size() - connection.awaited;
    if (got == 0 || got > connection.awaited || in[0] != digits[start % 16] ||
        in[got - 1] != digits[(start + got - 1) % 16]) {
      ++wrong_;
    }
  }

  std::vector<char> batch_;
  int epoll_;
  std::vector<Connection> connections_;
  std::atomic<std::uint64_t> received_{0};
  std::atomic<std::uint64_t> wrong_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// Nanoseconds of the server's CPU time per message.
double measure(const ServerThread::Serve& serve, const Parameters& parameters) {
  ServerThread server(serve);
  Load load(server.port(), parameters);
  std::this_thread::sleep_for(parameters.warm_up);
  const auto cpu_before = server.cpu_time();
  const auto messages_before = load.messages();
  std::this_thread::sleep_for(parameters.window);
  const auto cpu = server.cpu_time() - cpu_before;
  const auto messages = load.messages() - messages_before;
  if (load.checksum_errors() > 0 || messages == 0) {
    std::fprintf(stderr, "the replies were wrong, or there were none\n");
    std::exit(1);
  }
  return static_cast<double>(cpu.count()) / static_cast<double>(messages);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Parameters parse(int argc, char** argv) {
  Parameters parameters;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const auto value = static_cast<std::size_t>(std::strtoul(argv[i + 1], nullptr, 10));
    if (name == "--depth") {
      parameters.depth = value;
    } else if (name == "--connections") {
      parameters.connections = value;
    } else if (name == "--rounds") {
      parameters.rounds = value;
    } else if (name == "--window-ms") {
      parameters.window = std::chrono::milliseconds(value);
      parameters.warm_up = std::chrono::milliseconds(value / 5);
    } else {
      std::fprintf(stderr, "usage: %s [--depth N] [--connections N] [--rounds N] [--window-ms N]\n",
                   argv[0]);
      std::exit(2);
    }
  }
  return parameters;
}

}  // namespace

int main(int argc, char** argv) {
  const Parameters parameters = parse(argc, argv);
  std::printf("%zu connections, %zu requests of %zu bytes under way on each, %zu rounds\n",
              parameters.connections, parameters.depth, message_bytes, parameters.rounds);
  std::vector<double> ratios;
  for (std::size_t round = 1; round <= parameters.rounds; ++round) {
    const double by_hand = measure(serve_by_hand, parameters);
    const double sluice = measure(serve_with_sluice, parameters);
    ratios.push_back(sluice / by_hand);
    std::printf(
        "round %zu: by hand %.0f ns, sluice %.0f ns of server CPU per message: ratio %.2f\n", round,
        by_hand, sluice, ratios.back());
  }
  std::printf("median ratio %.2f\n", median(ratios));
}
