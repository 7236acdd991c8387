#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/detail/protocol_binding.hpp"
#include "sluice/detail/unique_function.hpp"
#include "sluice/event_loop.hpp"
#include "sluice/future.hpp"
#include "sluice/options.hpp"
#include "sluice/socket_address.hpp"
#include "sluice/task.hpp"

namespace sluice {

namespace transports {
class LoopSet;
}

/// What LoopGroup::create_server makes: a Server on each loop, all on the same addresses. Dropping
/// it closes nothing that listens; it may outlive the group. What any thread may call goes to the
/// loops as call_soon_threadsafe does, but throws nothing: without memory it waits until there is
/// some. The Futures have their outcome only while the group runs: loop(0) by itself waits for the
/// other loops in vain. No counterpart in asyncio.
class GroupServer {
 public:
  GroupServer(const GroupServer&) = delete;
  GroupServer& operator=(const GroupServer&) = delete;
  virtual ~GroupServer() = default;

  /// The addresses listened on, with the real ports; the same after close(). Any thread.
  [[nodiscard]] virtual const std::vector<SocketAddress>& sockets() const noexcept = 0;
  /// Listens and accepts connections, on all loops. Failure: std::system_error that says which
  /// address could not be listened on, and std::logic_error after close() or when a loop is closed;
  /// by then the servers of all loops are closed, and what those that served had accepted is
  /// aborted. The same happens, in the next turns, when the Future is cancelled. Thread of the
  /// first loop, while the group runs or before.
  [[nodiscard]] virtual Future<void> start_serving() = 0;
  /// Stops listening on each loop, in the next turn of each; connections go on. Any thread.
  virtual void close() = 0;
  /// close() on every connection of this server, in the next turn of its loop. Any thread.
  virtual void close_clients() = 0;
  /// abort() on every connection of this server, in the next turn of its loop. Any thread.
  virtual void abort_clients() = 0;
  /// Done when the server is closed and its last connection, on any loop, is gone. A server that
  /// does not listen is closed when its GroupServer is dropped. Thread of the first loop, while the
  /// group runs or before.
  [[nodiscard]] virtual Future<void> wait_closed() = 0;

 protected:
  GroupServer() = default;
};

/// Several loops, each of which runs on a thread of its own: for servers that one core does not
/// suffice for. Connections are spread over the loops by the kernel when they come in, and stay
/// where they are; the loops share nothing.
///
/// The first loop runs on the thread that calls run_forever or run_until_complete; the threads of
/// the others live only as long as that call. In between, everything belongs to the calling thread:
/// there loop(i) may be set up, with an exception handler, say. While the group runs, loop(i)
/// belongs to its thread, as any loop does, and call_soon_threadsafe is the way in. The functions
/// of the group itself are for the thread of the first loop, except stop().
///
/// Signals are delivered to the thread of the first loop only; the other threads have all of them
/// blocked from their start on: `group.loop(0).add_signal_handler(...)`. No counterpart in asyncio,
/// where programs start several processes.
class LoopGroup {
 public:
  /// Makes `loops` loops; 0 means as many as std::thread::hardware_concurrency tells. Each gets a
  /// copy of `options`, so their `log` is called on all threads. Throws std::system_error when the
  /// system has no descriptors left.
  explicit LoopGroup(std::size_t loops = 0, const LoopOptions& options = LoopOptions());
  LoopGroup(const LoopGroup&) = delete;
  LoopGroup& operator=(const LoopGroup&) = delete;
  /// close(). Undefined while the group runs.
  ~LoopGroup();

  /// How many loops there are, at least one. Any thread.
  [[nodiscard]] std::size_t size() const noexcept;
  /// A loop of the group; as long as the group. Throws std::out_of_range when `index` is not less
  /// than size(). Any thread.
  [[nodiscard]] EventLoop& loop(std::size_t index) const;

  /// Runs all loops until stop() was called, of the group or of any of its loops; then all have
  /// stopped, each at the end of a turn. Throws std::logic_error when the group runs already or is
  /// closed, or another loop runs in this thread; std::system_error when a thread cannot be
  /// started; and what the run_forever of any loop throws, after the others have stopped. What
  /// callbacks and protocols throw goes to the exception handler of their loop. May be called
  /// again.
  void run_forever();
  /// Ends the run that the group is in, after the turn that the first loop is in. While the group
  /// does not run it means the next run, and lets the first loop run one turn of that. It ends no
  /// other run, nor loop(0) when that runs by itself. Any thread. Throws std::logic_error when the
  /// group is closed.
  void stop();
  /// Runs all loops until `future`, of the first loop, has an outcome and gives it back or throws
  /// it. Throws std::system_error with Errc::loop_stopped when stop() came first, and as
  /// run_forever.
  template <class T>
  T run_until_complete(Future<T> future) {
    if constexpr (std::is_void_v<T>) {
      run([&] { loop(0).run_until_complete(std::move(future)); });
    } else {
      std::optional<T> result;
      run([&] { result.emplace(loop(0).run_until_complete(std::move(future))); });
      return std::move(*result);
    }
  }
  template <class T>
  T run_until_complete(Task<T> task) {
    return run_until_complete(loop(0).create_task(std::move(task)));
  }
  /// Closes all loops, on the calling thread: what is left is aborted, as by EventLoop::close. The
  /// second call does nothing. Throws std::logic_error while running.
  void close();
  [[nodiscard]] bool is_running() const noexcept;
  [[nodiscard]] bool is_closed() const noexcept;

  /// Listens on `host` (empty: all interfaces) or several, and `port` (0: any free one, the same
  /// for all loops), with a listening socket for each loop. SO_REUSEPORT is set whatever the
  /// options say, so other programs of this user that set it may share the port. Names are resolved
  /// once.
  ///
  /// The factory is copied for each loop and called on its thread, for each connection that the
  /// kernel gives to that loop: without arguments, or with the `EventLoop&` that the connection
  /// belongs to. What the copies share by reference or pointer, they share between threads.
  ///
  /// The Future is of the first loop, and done when all loops listen; for that the group must run,
  /// loop(0) by itself does not do. Failure: std::system_error that says which address; by then
  /// none listens, and what some had accepted is aborted. The same happens, in the next turns, when
  /// it is cancelled. asyncio: create_server with reuse_port, in several processes.
  template <class Factory>
  Future<std::shared_ptr<GroupServer>> create_server(const Factory& factory, std::string host,
                                                     std::uint16_t port,
                                                     ServerOptions options = ServerOptions()) {
    return listen(factories_of(factory), {std::move(host)}, port, std::move(options));
  }
  template <class Factory>
  Future<std::shared_ptr<GroupServer>> create_server(const Factory& factory,
                                                     std::vector<std::string> hosts,
                                                     std::uint16_t port,
                                                     ServerOptions options = ServerOptions()) {
    return listen(factories_of(factory), std::move(hosts), port, std::move(options));
  }

 private:
  // One for each loop, so that no two threads call the same.
  template <class Factory>
  [[nodiscard]] std::vector<detail::ProtocolFactory> factories_of(const Factory& factory) const {
    std::vector<detail::ProtocolFactory> factories;
    for (std::size_t i = 0; i < size(); ++i) {
      if constexpr (std::is_invocable_v<Factory&, EventLoop&>) {
        factories.push_back(duplex_factory(
            [factory = Factory(factory), &on = loop(i)]() mutable { return factory(on); }));
      } else {
        factories.push_back(duplex_factory(Factory(factory)));
      }
    }
    return factories;
  }
  template <class Factory>
  [[nodiscard]] static detail::ProtocolFactory duplex_factory(Factory factory) {
    return EventLoop::duplex_factory<detail::ProtocolOf<Factory>>(std::move(factory));
  }

  void run(detail::UniqueFunction<void()> run_first);
  Future<std::shared_ptr<GroupServer>> listen(std::vector<detail::ProtocolFactory> factories,
                                              std::vector<std::string> hosts, std::uint16_t port,
                                              ServerOptions options);

  std::shared_ptr<transports::LoopSet> loops_;
};

}  // namespace sluice
