#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/datagram.hpp"
#include "sluice/detail/node_pool.hpp"
#include "sluice/detail/protocol_binding.hpp"
#include "sluice/detail/unique_function.hpp"
#include "sluice/exception_context.hpp"
#include "sluice/fd.hpp"
#include "sluice/future.hpp"
#include "sluice/handle.hpp"
#include "sluice/options.hpp"
#include "sluice/server.hpp"
#include "sluice/subprocess.hpp"
#include "sluice/task.hpp"
#include "sluice/transport.hpp"

namespace sluice {

namespace loop {
class LoopCore;
}

/// Runs callbacks, timers and transports on one thread. Everything but call_soon_threadsafe belongs
/// to the thread that runs the loop. Destroying the loop aborts what is left: descriptors are
/// closed, callbacks are destroyed unrun, protocols hear nothing more. asyncio: AbstractEventLoop.
class EventLoop {
 public:
  /// Throws std::system_error when the system has no descriptors left.
  explicit EventLoop(LoopOptions options = LoopOptions());
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  /// Closes the loop. Undefined inside one of its own callbacks.
  ~EventLoop();

  /// Runs until stop(). Throws std::logic_error when a loop runs in this thread already, or when
  /// this one is closed (W-170).
  void run_forever();
  /// Ends run_forever after the current turn. Called before it, lets it run exactly one turn
  /// (W-168).
  void stop();
  /// Frees everything; queued callbacks are destroyed unrun, transports are dropped without
  /// connection_lost. Waits for what a thread is doing for a file at the moment (connect_file). The
  /// second call does nothing. Throws std::logic_error while running (W-170).
  void close();
  [[nodiscard]] bool is_running() const noexcept;
  [[nodiscard]] bool is_closed() const noexcept;
  /// The loop's clock; constant within a turn as far as timers are concerned.
  [[nodiscard]] TimePoint time() const;

  /// Runs until `future` has an outcome and gives it back or throws it. Throws std::system_error
  /// with Errc::loop_stopped when stop() came first (W-169).
  template <class T>
  T run_until_complete(Future<T> future) {
    run_until_done([&] { return future.done(); },
                   [&](detail::Callback stop_loop) {
                     future.add_done_callback([stop_loop = std::move(stop_loop)](
                                                  const Future<T>&) mutable { stop_loop(); });
                   });
    if constexpr (std::is_void_v<T>) {
      future.get();
    } else {
      return std::move(future.get());
    }
  }
  template <class T>
  T run_until_complete(Task<T> task) {
    return run_until_complete(create_task(std::move(task)));
  }

  /// Runs `callback` in the next turn, after what was queued before it (W-162). Throws
  /// std::logic_error when the loop is closed.
  template <class F>
  Handle call_soon(F&& callback) {
    Handle handle(soon_path_->usable() ? soon_path_->pool->take() : unqueued_node());
    handle.node_->callback.fill(std::forward<F>(callback));
    if (soon_path_->usable()) {
      detail::retain(handle.node_);
      soon_path_->ready.push_back(detail::NodeRef(handle.node_));
    } else {
      schedule_soon(handle.node_);
    }
    return handle;
  }
  /// Runs `callback` once `delay` has passed, never earlier; equal times keep the order of the
  /// calls (W-165). A negative delay counts as none.
  template <class F>
  TimerHandle call_later(std::chrono::nanoseconds delay, F&& callback) {
    TimerHandle handle(unqueued_node());
    handle.node_->callback.fill(std::forward<F>(callback));
    schedule_later(delay, handle.node_);
    return handle;
  }
  /// Runs `callback` at `when`, by the loop's clock.
  template <class F>
  TimerHandle call_at(TimePoint when, F&& callback) {
    TimerHandle handle(unqueued_node());
    handle.node_->callback.fill(std::forward<F>(callback));
    schedule_at(when, handle.node_);
    return handle;
  }
  /// call_soon from any thread, in one order with call_soon; wakes the loop (W-166). The callback
  /// is destroyed on the loop's thread. Throws std::logic_error when the loop is closed; the loop
  /// must not be destroyed meanwhile.
  template <class F>
  void call_soon_threadsafe(F&& callback) {
    schedule_threadsafe(detail::Callback(std::forward<F>(callback)));
  }

  /// A Future of this loop, to be completed by whoever holds it. asyncio: create_future.
  template <class T>
  [[nodiscard]] Future<T> create_future() {
    return Future<T>(std::make_shared<detail::FutureState<T>>(scheduler()));
  }
  /// Starts `task` in the next turn and owns it until its end, also when the result is dropped.
  /// cancel() of the result cancels the task. asyncio: create_task.
  template <class T>
  Future<T> create_task(Task<T> task) {
    const auto state = std::make_shared<detail::TaskState<T>>(*this, scheduler(), std::move(task));
    state->launch();
    return Future<T>(state);
  }

  /// Who hears of exceptions that nobody else can: callable with `const ExceptionContext&`, or with
  /// `EventLoop&` before it. nullptr restores the default, which logs. A handler that throws is
  /// reported to the default one (W-176..W-178).
  template <class F>
  void set_exception_handler(F&& handler) {
    if constexpr (std::is_invocable_v<std::decay_t<F>&, EventLoop&, const ExceptionContext&>) {
      install_exception_handler(
          [this, handler = std::forward<F>(handler)](const ExceptionContext& context) mutable {
            handler(*this, context);
          });
    } else {
      install_exception_handler(std::forward<F>(handler));
    }
  }
  void set_exception_handler(std::nullptr_t) { install_exception_handler({}); }
  /// Tells the exception handler.
  void call_exception_handler(const ExceptionContext& context) noexcept;

  /// Runs `callback`, as an ordinary callback, after each delivery of signal `number`; replaces an
  /// earlier one, of another loop of the process too. Throws std::invalid_argument for a number
  /// that is none, std::system_error for one that cannot be caught (W-192). Unlike in asyncio, the
  /// loop may run on any thread.
  template <class F>
  void add_signal_handler(int number, F&& callback) {
    install_signal_handler(number, detail::Callback(std::forward<F>(callback)));
  }
  /// Restores the default action, unless another loop handles the signal by now. Returns whether
  /// this loop had a handler.
  bool remove_signal_handler(int number);

  /// Connects to `host`, which is resolved off the loop's thread unless numeric. The factory is
  /// called once connected; the Future is done one turn after connection_made. Failure:
  /// std::system_error that says which address refused what. With ConnectOptions::ssl, the same
  /// after the handshake; when that fails, the protocol hears nothing (W-118). asyncio:
  /// create_connection (W-179..W-182).
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<Connection<P>> create_connection(Factory&& factory, std::string host, std::uint16_t port,
                                          ConnectOptions options = ConnectOptions()) {
    return typed<Connection<P>>(connect_tcp(duplex_factory<P>(std::forward<Factory>(factory)),
                                            std::move(host), port, std::move(options)));
  }
  /// Connects to a Unix socket; a path that begins with a NUL byte is an abstract name. Failure,
  /// also: std::system_error(invalid_argument) for no path, filename_too_long for one that does not
  /// fit (W-183).
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<Connection<P>> create_unix_connection(Factory&& factory, std::string path,
                                               ConnectOptions options = ConnectOptions()) {
    return typed<Connection<P>>(connect_unix(duplex_factory<P>(std::forward<Factory>(factory)),
                                             std::move(path), std::move(options)));
  }
  /// Adopts a connected stream socket; owns and closes it, also when the future fails (W-184).
  /// Failure: std::system_error when it is not a stream socket; std::logic_error when another
  /// transport has the descriptor, which stays that transport's (W-93).
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<Connection<P>> connect_accepted_socket(Factory&& factory, Fd socket,
                                                AcceptOptions options = AcceptOptions()) {
    return typed<Connection<P>>(adopt_socket(duplex_factory<P>(std::forward<Factory>(factory)),
                                             std::move(socket), std::move(options)));
  }
  /// Secures a plain stream transport of this loop in place and hands it to `protocol`, which gets
  /// no connection_made (W-198). What was written before leaves unencrypted, what is written from
  /// now on waits for the handshake; marks, a pause and the owed resume_writing stay. The
  /// result is `transport`. Failure: std::system_error, and the connection is lost with the same
  /// code; std::errc::connection_aborted when it was closed meanwhile. Throws std::invalid_argument
  /// when `transport` is no plain stream transport that is open both ways and that no sendfile() or
  /// relay uses, when `context` is null, or for options as create_connection. asyncio: start_tls.
  Future<std::shared_ptr<Transport>> start_tls(const std::shared_ptr<Transport>& transport,
                                               std::shared_ptr<BaseProtocol> protocol,
                                               std::shared_ptr<TlsContext> context,
                                               StartTlsOptions options = StartTlsOptions());
  /// Listens on `host` (empty: all interfaces) or several, and `port` (0: any free one; ask
  /// Server::sockets). The factory is called for each connection. Failure: std::system_error that
  /// says which address; what was opened before is closed (W-186).
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<std::shared_ptr<Server>> create_server(Factory&& factory, std::string host,
                                                std::uint16_t port,
                                                ServerOptions options = ServerOptions()) {
    return listen_tcp(duplex_factory<P>(std::forward<Factory>(factory)), {std::move(host)}, port,
                      std::move(options));
  }
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<std::shared_ptr<Server>> create_server(Factory&& factory, std::vector<std::string> hosts,
                                                std::uint16_t port,
                                                ServerOptions options = ServerOptions()) {
    return listen_tcp(duplex_factory<P>(std::forward<Factory>(factory)), std::move(hosts), port,
                      std::move(options));
  }
  /// Listens on a Unix socket. A socket file that is in the way is replaced, any other file is an
  /// error; a path that begins with a NUL byte is an abstract name (W-191).
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<std::shared_ptr<Server>> create_unix_server(Factory&& factory, std::string path,
                                                     ServerOptions options = ServerOptions()) {
    return listen_unix(duplex_factory<P>(std::forward<Factory>(factory)), std::move(path),
                       std::move(options));
  }
  /// Makes a write-only transport of a pipe, FIFO, socket or character device; owns and closes it,
  /// and restores O_NONBLOCK, which it sets on all but sockets, for those who share the open file.
  /// Failure:
  /// std::system_error(invalid_argument) for any other kind of file, `pipe` is closed then (W-98,
  /// Q-15; connect_file takes regular files); std::logic_error as above (W-93).
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<WriteConnection<P>> connect_write_pipe(Factory&& factory, Fd pipe) {
    static_assert(!detail::derives_from_one_of<P, ReadProtocol, Protocol, BufferedProtocol>,
                  "connect_write_pipe takes a WriteProtocol (or a plain BaseProtocol)");
    return typed<WriteConnection<P>>(
        open_write_pipe(detail::erase_factory(std::forward<Factory>(factory)), std::move(pipe)));
  }
  /// Makes a write-only transport of the regular file at `path`; a block device, and a character
  /// device that is always ready, such as /dev/full, are taken too. The file is opened, written,
  /// synchronized and renamed by threads of the loop, never on the loop's own; bytes count as
  /// buffered until the file has taken them, in the order of the writes. ENOSPC, EIO, EFBIG and the
  /// like are a lost connection, bytes_written is then what the file has taken. write_eof() is
  /// close(); between the last byte and connection_lost({}) the file becomes what FileOptions ask
  /// for, and what goes wrong there is told to connection_lost too. abort(), and closing the loop,
  /// cannot interrupt a write that is under way: after abort() it is counted when it has ended,
  /// and EventLoop::close() waits for it. The factory is called when the file is open. Failure:
  /// std::system_error that says what could not be done to which path; invalid_argument for what is
  /// no such file. asyncio has no such transport.
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<WriteConnection<P>> connect_file(Factory&& factory, std::string path,
                                          FileOptions options = FileOptions()) {
    static_assert(!detail::derives_from_one_of<P, ReadProtocol, Protocol, BufferedProtocol>,
                  "connect_file takes a WriteProtocol (or a plain BaseProtocol)");
    return typed<WriteConnection<P>>(
        open_file(detail::erase_factory(std::forward<Factory>(factory)), std::move(path), options));
  }
  /// The same of a file that is open for writing, such as redirected standard output: writes where
  /// the open file stands, which others may share. Owns and closes it. Of the options only
  /// fsync_on_close matters. The factory is called first. Failure: as above, `file` is closed then;
  /// std::logic_error when another transport has the descriptor, which stays that transport's
  /// (W-93).
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<WriteConnection<P>> connect_file(Factory&& factory, Fd file,
                                          FileOptions options = FileOptions()) {
    static_assert(!detail::derives_from_one_of<P, ReadProtocol, Protocol, BufferedProtocol>,
                  "connect_file takes a WriteProtocol (or a plain BaseProtocol)");
    return typed<WriteConnection<P>>(adopt_file(
        detail::erase_factory(std::forward<Factory>(factory)), std::move(file), options));
  }
  /// Makes a read-only transport of a pipe, FIFO, socket or character device; as above (W-160).
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<ReadConnection<P>> connect_read_pipe(Factory&& factory, Fd pipe) {
    static_assert(std::is_base_of_v<ReadProtocol, P>, "connect_read_pipe takes a ReadProtocol");
    return typed<ReadConnection<P>>(
        open_read_pipe(detail::erase_factory(std::forward<Factory>(factory)), std::move(pipe)));
  }

  /// Sends the file from `offset` on, `count` bytes or all to its end, behind everything written to
  /// `transport` so far; what is written later follows it. Without a copy through memory where the
  /// kernel can do that, otherwise in blocks of 16 KiB; at most 1 MiB per turn. The bytes of the
  /// file are not part of get_write_buffer_size and pause nobody; reading goes on. close() and
  /// write_eof() wait for the file. Its position is neither used nor moved, and it should not be
  /// changed before the peer has received it. Reading a file that is not in memory blocks the loop.
  ///
  /// Success: how many bytes the kernel has taken; fewer than `count` when the file ended first (it
  /// was shorter, or was shortened). Failure: std::logic_error when the transport is closing or
  /// after write_eof() (W-193); std::invalid_argument for a transport not made by this loop or
  /// one that only reads, no file, or an offset above the largest of the system; std::system_error
  /// for a descriptor that cannot be read at an offset, when reading fails, which also loses the
  /// connection, and when the connection is lost first (W-195). Cancelling before the first byte
  /// takes the file out of the queue; later it aborts the transport, since the peer could not tell
  /// where the file ends.
  ///
  /// The file is kept open until the future is done. Bytes count in write_statistics() as they are
  /// sent. asyncio: loop.sendfile (W-193..W-197).
  Future<std::uint64_t> sendfile(const std::shared_ptr<WriteTransport>& transport, Fd file,
                                 std::uint64_t offset = 0, std::optional<std::uint64_t> count = {});
  /// The same for a file that several calls share.
  Future<std::uint64_t> sendfile(const std::shared_ptr<WriteTransport>& transport,
                                 std::shared_ptr<const Fd> file, std::uint64_t offset = 0,
                                 std::optional<std::uint64_t> count = {});

  /// Makes a datagram socket, UDP or Unix, as the options say; names are resolved off the loop's
  /// thread. The factory is called once the socket is bound and connected; the Future is done one
  /// turn after connection_made. Failure: std::system_error that says what was attempted on which
  /// address; std::invalid_argument for options that contradict each other; std::logic_error when
  /// another transport has `sock`, which stays that transport's (W-93). asyncio:
  /// create_datagram_endpoint.
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<DatagramConnection<P>> create_datagram_endpoint(Factory&& factory,
                                                         DatagramOptions options) {
    static_assert(std::is_base_of_v<DatagramProtocol, P>,
                  "create_datagram_endpoint takes a DatagramProtocol");
    return typed<DatagramConnection<P>>(
        open_datagram(detail::erase_factory(std::forward<Factory>(factory)), std::move(options)));
  }

  /// Starts the program `argv[0]` with the arguments `argv`. A name without a slash is looked for
  /// in the PATH of the child's environment. The Future is done one turn after connection_made;
  /// cancelling it before kills the child. The call takes as long as the system needs to load the
  /// program. Failure, with nothing started and nothing left open: std::system_error that names
  /// what could not be started, entered or opened, as in "starting 'foo': No such file or
  /// directory"; std::invalid_argument for what no system takes (no program, a NUL byte, an illegal
  /// name of a variable, as_stdout for another than stderr) (W-143..W-151). Descriptors in
  /// `options` are closed in any case.
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<SubprocessConnection<P>> subprocess_exec(Factory&& factory, std::vector<std::string> argv,
                                                  SubprocessOptions options = SubprocessOptions()) {
    static_assert(std::is_base_of_v<SubprocessProtocol, P>,
                  "subprocess_exec takes a SubprocessProtocol");
    return typed<SubprocessConnection<P>>(
        open_subprocess(detail::erase_factory(std::forward<Factory>(factory)), std::move(argv),
                        std::move(options)));
  }
  /// subprocess_exec of `/bin/sh -c command`: the shell splits, expands and connects as it does.
  /// What comes from elsewhere must be quoted before it gets into `command`.
  template <class Factory, class P = detail::ProtocolOf<Factory>>
  Future<SubprocessConnection<P>> subprocess_shell(
      Factory&& factory, std::string command, SubprocessOptions options = SubprocessOptions()) {
    return subprocess_exec(std::forward<Factory>(factory), {"/bin/sh", "-c", std::move(command)},
                           std::move(options));
  }

 private:
  friend class LoopGroup;
  using Handler = detail::UniqueFunction<void(const ExceptionContext&)>;

  template <class P, class Factory>
  static detail::ProtocolFactory duplex_factory(Factory&& factory) {
    static_assert(detail::derives_from_one_of<P, Protocol, BufferedProtocol>,
                  "a duplex stream takes a Protocol or a BufferedProtocol");
    return detail::erase_factory(std::forward<Factory>(factory));
  }

  // Puts the protocol's type on the result again.
  template <class Typed, class Kind>
  Future<Typed> typed(Future<detail::Established<Kind>> established) {
    Future<Typed> result = create_future<Typed>();
    result.set_on_cancel([weak = established.state()] {
      if (const auto state = weak.lock()) {
        state->cancel();
      }
    });
    established.add_done_callback([result](const Future<detail::Established<Kind>>& done) {
      if (result.done()) {
        // Cancelled after the connection was made: nobody will use it (W-87).
        if (!done.cancelled() && !done.exception()) {
          done.get().transport->close();
        }
        return;
      }
      if (done.cancelled()) {
        result.cancel();
      } else if (std::exception_ptr failure = done.exception()) {
        result.set_exception(std::move(failure));
      } else {
        using Made = typename decltype(Typed::protocol)::element_type;
        result.set_result(
            Typed{done.get().transport, std::static_pointer_cast<Made>(done.get().protocol)});
      }
    });
    return result;
  }

  void run_until_done(detail::UniqueFunction<bool()> done,
                      detail::UniqueFunction<void(detail::Callback)> when_done);
  // A callback is built in its node, which its handle holds already: when building it fails,
  // nothing is scheduled. Each schedule function takes a reference for the loop.
  [[nodiscard]] detail::CallbackNode* unqueued_node();
  void schedule_soon(detail::CallbackNode* node) noexcept;
  void schedule_later(std::chrono::nanoseconds delay, detail::CallbackNode* node);
  void schedule_at(TimePoint when, detail::CallbackNode* node);
  void schedule_threadsafe(detail::Callback&& callback);
  void install_exception_handler(Handler handler);
  void install_signal_handler(int number, detail::Callback callback);
  [[nodiscard]] const std::shared_ptr<detail::Scheduler>& scheduler() const;

  Future<detail::Established<Transport>> connect_tcp(detail::ProtocolFactory factory,
                                                     std::string host, std::uint16_t port,
                                                     ConnectOptions options);
  Future<detail::Established<Transport>> connect_unix(detail::ProtocolFactory factory,
                                                      std::string path, ConnectOptions options);
  Future<detail::Established<Transport>> adopt_socket(detail::ProtocolFactory factory, Fd socket,
                                                      AcceptOptions options);
  Future<std::shared_ptr<Server>> listen_tcp(detail::ProtocolFactory factory,
                                             std::vector<std::string> hosts, std::uint16_t port,
                                             ServerOptions options);
  [[nodiscard]] std::shared_ptr<Server> listen_at(detail::ProtocolFactory factory,
                                                  const std::vector<SocketAddress>& addresses,
                                                  const ServerOptions& options);
  Future<std::shared_ptr<Server>> listen_unix(detail::ProtocolFactory factory, std::string path,
                                              ServerOptions options);
  Future<detail::Established<WriteTransport>> open_write_pipe(detail::ProtocolFactory factory,
                                                              Fd pipe);
  Future<detail::Established<ReadTransport>> open_read_pipe(detail::ProtocolFactory factory,
                                                            Fd pipe);
  Future<detail::Established<DatagramTransport>> open_datagram(detail::ProtocolFactory factory,
                                                               DatagramOptions options);

  Future<detail::Established<SubprocessTransport>> open_subprocess(detail::ProtocolFactory factory,
                                                                   std::vector<std::string> argv,
                                                                   SubprocessOptions options);

  Future<detail::Established<WriteTransport>> open_file(detail::ProtocolFactory factory,
                                                        std::string path, FileOptions options);
  Future<detail::Established<WriteTransport>> adopt_file(detail::ProtocolFactory factory, Fd file,
                                                         FileOptions options);

  std::unique_ptr<loop::LoopCore> core_;
  detail::SoonPath* soon_path_;  // of core_
};

}  // namespace sluice
