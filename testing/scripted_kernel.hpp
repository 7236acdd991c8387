#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "sys/system_calls.hpp"
#include "testing/scripted_child.hpp"
#include "testing/scripted_objects.hpp"

namespace sluice::testing {

/// One system call, as it was made.
struct CallRecord {
  std::string_view name;   ///< The name of the SystemCalls function.
  int fd = -1;             ///< Its descriptor; -1 if it has none.
  std::size_t length = 0;  ///< Bytes offered or wanted.
  std::size_t pieces = 0;  ///< How many the bytes came in, or how many events were asked for.
  long argument = 0;       ///< Timeout in ms, epoll operation, how to shut down, flags, backlog.
  long result = 0;         ///< What it returned; -errno if it failed.

  /// As in "sendmsg(100, 3 pieces, 24 bytes) = EAGAIN".
  [[nodiscard]] std::string text() const;
  friend bool operator==(const CallRecord&, const CallRecord&) = default;
};

/// A Linux in memory: the test decides every answer and owns the clock. Descriptors count up from
/// 100 and are not used twice, so that using a closed one is noticed; see reuse_descriptors.
///
/// What is done wrong to it (double close, use after close, a call that would block, a loop that
/// would sleep for ever) is a violation: the call fails as it would, and violations() tells.
///
/// The functions for tests may be called at any time on the loop's thread, also from on_idle.
/// resolve(), and write() to wake the loop, may be called on other threads.
class ScriptedKernel : public sys::SystemCalls {
 public:
  using Clock = std::chrono::steady_clock;
  using Duration = std::chrono::nanoseconds;

  /// Room without limit, as every descriptor has at first.
  static constexpr std::size_t no_limit = scripted::Object::no_limit;
  /// What an endless loop is ended by, with the process: this many calls of epoll_wait, or this
  /// many that would have slept for ever.
  static constexpr std::size_t most_waits = 10'000'000;
  static constexpr std::size_t most_stuck_waits = 1'000;
  /// What pipe() holds.
  static constexpr std::size_t pipe_capacity = 65536;

  ScriptedKernel();
  ~ScriptedKernel() override;

  // ---- Descriptors ----

  /// A connected stream socket, non-blocking, for adoption.
  int open_stream(const SocketAddress& local = {}, const SocketAddress& peer = {});
  /// A datagram socket, non-blocking, for adoption; connected if it has a peer.
  int open_datagram(const SocketAddress& local = {}, const SocketAddress& peer = {});
  /// The writing end of a pipe; it blocks, as one that comes from a shell, until told otherwise.
  int open_write_pipe();
  /// The reading end of a pipe; likewise.
  int open_read_pipe();
  /// A character device, such as a tty; likewise.
  int open_device();
  /// A regular file with this content; it cannot be polled.
  int open_file(std::string_view content = {});
  /// Likewise, but not open for reading.
  int open_write_only_file();
  /// Changes what pread, sendfile and splice find in it.
  void set_file(int fd, std::string_view content);
  /// Every later pread, sendfile and splice of it fails; 0 ends that.
  void fail_file(int fd, int error);
  /// A listening socket.
  int open_listener(const SocketAddress& local = {});
  /// Another number for the same open file, as from dup(2).
  int duplicate(int fd);
  /// Makes epoll_ctl answer EPERM, as for /dev/null.
  void set_unpollable(int fd);
  /// From now on the lowest free number is given out, as Linux does.
  void reuse_descriptors();
  /// How many are open.
  [[nodiscard]] std::size_t open_descriptors() const;
  [[nodiscard]] bool is_open(int fd) const;
  /// Whether some epoll has it.
  [[nodiscard]] bool registered(int fd) const;

  // ---- Writing: scripted answers first, then room ----

  /// The kernel takes this many more bytes; an edge if it was full.
  void set_room(int fd, std::size_t bytes);
  void add_room(int fd, std::size_t bytes);
  /// The answers to the next attempts. One that leaves the descriptor full keeps it full until
  /// make_writable, set_room or add_room.
  void script_write(int fd, std::initializer_list<WriteAnswer> answers);
  void script_write(int fd, std::span<const WriteAnswer> answers);
  /// Ends what a scripted answer began: an edge.
  void make_writable(int fd);
  /// Every later write fails; an edge, so that one who waits learns of it.
  void fail_writes(int fd, int error);
  void fail_shutdown(int fd, int error);
  /// All bytes taken so far; also after close.
  [[nodiscard]] std::string sent(int fd) const;
  /// Up to `most` of them, from the byte at `offset` on; without a copy of the others.
  [[nodiscard]] std::string sent(int fd, std::size_t offset, std::size_t most) const;
  /// Whether shutdown(SHUT_WR) was called.
  [[nodiscard]] bool write_shut(int fd) const;

  /// The datagrams taken so far, one by one also if they were sent as one train; also after close.
  /// One answer of script_write, and one look at the room, is for one message of a sendmmsg.
  [[nodiscard]] std::vector<SentDatagram> sent_datagrams(int fd) const;

  // ---- Reading ----

  /// The peer sends; an edge.
  void deliver(int fd, std::string_view bytes);
  /// A datagram arrives; an edge.
  void deliver_datagram(int fd, std::string_view bytes, const SocketAddress& from = {});
  /// An earlier datagram could not be delivered: the next call gets `error`, once; an edge.
  void deliver_error(int fd, int error);
  /// The peer sends no more.
  void deliver_eof(int fd);
  /// Every later read fails, when what was delivered has been read.
  void fail_reads(int fd, int error);
  /// The peer is gone: EPOLLERR on the writing end of a pipe, EPOLLHUP on all else. Writes give
  /// EPIPE.
  void hang_up(int fd);
  /// A reset by the peer: what was not read is gone, the next call gets `error`, later ones what
  /// hang_up gives.
  void reset(int fd, int error = ECONNRESET);

  // ---- Connections and names ----

  /// A connection waits at `listener`; returns the number it will have when accepted, which may be
  /// scripted already.
  int push_connection(int listener, const SocketAddress& peer = {});
  /// The answer to the next connect() without an answer of its own; by default they succeed.
  void script_connect(const ConnectAnswer& answer);
  /// The answer to every connect() to `address`.
  void script_connect(const SocketAddress& address, const ConnectAnswer& answer);
  /// Ends a connect() that is in progress.
  void finish_connect(int fd, int outcome = 0);
  /// What the name stands for, as numeric hosts, and how long it takes to find out. Names without a
  /// script do not exist.
  void script_resolve(const std::string& host, std::vector<std::string> addresses,
                      Duration delay = {});
  /// The name cannot be resolved: an EAI_ number.
  void fail_resolve(const std::string& host, int error, int system_error = 0);
  void set_option(int fd, int level, int name, int value);
  /// 0 if it was never set.
  [[nodiscard]] int option(int fd, int level, int name) const;
  /// A file exists at `path`.
  void put_path(const std::string& path, mode_t mode);
  [[nodiscard]] bool path_exists(const std::string& path) const;

  // ---- Child processes ----

  /// What spawn() started, also after its end; pids count up from 1000. SIGKILL ends it.
  [[nodiscard]] const ScriptedChild& child(int pid) const;
  /// It ends: an exit status, or minus a signal.
  void end_child(int pid, int returncode);
  /// It ends, and somebody else takes the status: waitid answers ECHILD.
  void collect_child(int pid, int returncode);
  /// It belongs to another user now: signals to it answer EPERM.
  void make_immortal(int pid);
  /// An edge of the descriptor though nothing has happened.
  void wake_for_nothing(int fd);

  // ---- Everything else ----

  /// The next `times` calls of this name fail.
  void fail_next(std::string_view call, int error, int times = 1);
  /// The signal arrives; its number goes into the pipe, or, if that is full, among the missed ones.
  void raise_signal(int number);
  /// Moves the clock; what is scheduled until then happens.
  void advance(Duration by);
  /// Runs `action` when the clock has moved by `delay`, during epoll_wait or advance.
  void after(Duration delay, std::function<void()> action);
  /// Asked when epoll_wait finds nothing ready, before the clock moves. True: something was done
  /// (also to the loop), and epoll_wait returns.
  void on_idle(std::function<bool()> hook);
  /// Told when the loop would sleep for ever, after the violation: stop the loop here, and the test
  /// ends.
  void on_stuck(std::function<void()> hook);

  [[nodiscard]] const std::vector<CallRecord>& calls() const { return calls_; }
  /// Those of one descriptor, or of one name, as text.
  [[nodiscard]] std::vector<std::string> calls_on(int fd) const;
  [[nodiscard]] std::size_t count_calls(std::string_view name) const;
  void clear_calls() { calls_.clear(); }
  [[nodiscard]] std::vector<std::string> violations() const;
  void add_violation(std::string what);

  // ---- SystemCalls ----

  sys::Status close(int fd) noexcept override;
  sys::Result<std::size_t> read(int fd, std::span<std::byte> memory) noexcept override;
  sys::Result<std::size_t> write(int fd, Bytes bytes) noexcept override;
  sys::Result<std::size_t> writev(int fd, std::span<const iovec> pieces) noexcept override;
  sys::Result<std::size_t> pread(int fd, std::span<std::byte> memory,
                                 std::uint64_t offset) noexcept override;
  sys::Result<std::size_t> sendfile(int to, int file, std::uint64_t offset,
                                    std::size_t count) noexcept override;
  sys::Result<std::size_t> splice(int from, std::optional<std::uint64_t> offset, int to,
                                  std::size_t count) noexcept override;
  sys::Result<std::size_t> set_pipe_size(int fd, std::size_t bytes) noexcept override;
  sys::Result<sys::FileStatus> fstat(int fd) noexcept override;
  sys::Result<int> get_status_flags(int fd) noexcept override;
  sys::Status set_status_flags(int fd, int flags) noexcept override;
  sys::Result<bool> same_open_file(int left, int right) noexcept override;
  sys::Result<sys::FileStatus> stat(const std::string& path) noexcept override;
  sys::Status unlink(const std::string& path) noexcept override;
  /// There are no files to open here, and no paths to follow: ENOENT, or the failure that was
  /// planned.
  sys::Result<int> open(const std::string& path, int flags, mode_t mode) noexcept override;
  sys::Result<std::string> realpath(const std::string& path) noexcept override;
  sys::Status rename(const std::string& from, const std::string& to) noexcept override;
  /// On a descriptor of open_file() these do nothing but fail when it was planned.
  sys::Status seek(int fd, std::uint64_t offset) noexcept override;
  sys::Status fsync(int fd) noexcept override;
  sys::Status fchmod(int fd, mode_t mode) noexcept override;
  sys::Result<int> dup(int fd) noexcept override;
  sys::Result<int> socket(int domain, int type) noexcept override;
  sys::Status connect(int fd, const SocketAddress& address) noexcept override;
  sys::Status bind(int fd, const SocketAddress& address) noexcept override;
  sys::Status listen(int fd, int backlog) noexcept override;
  sys::Result<sys::Accepted> accept(int fd) noexcept override;
  sys::Result<std::size_t> send(int fd, Bytes bytes) noexcept override;
  sys::Result<std::size_t> sendmsg(int fd, std::span<const iovec> pieces) noexcept override;
  sys::Result<std::size_t> recv(int fd, std::span<std::byte> memory) noexcept override;
  sys::Result<std::size_t> sendmmsg(
      int fd, std::span<const sys::OutgoingDatagram> datagrams) noexcept override;
  sys::Result<std::size_t> recvmmsg(int fd,
                                    std::span<sys::IncomingDatagram> datagrams) noexcept override;
  sys::Status shutdown(int fd, int how) noexcept override;
  sys::Result<SocketAddress> getsockname(int fd) noexcept override;
  sys::Result<SocketAddress> getpeername(int fd) noexcept override;
  sys::Result<int> getsockopt(int fd, int level, int name) noexcept override;
  sys::Status setsockopt(int fd, int level, int name, int value) noexcept override;
  sys::Result<int> epoll_create() noexcept override;
  sys::Status epoll_ctl(int epoll_fd, int operation, int fd, epoll_event event) noexcept override;
  sys::Result<std::size_t> epoll_wait(int epoll_fd, std::span<epoll_event> events,
                                      int timeout_ms) noexcept override;
  sys::Result<int> eventfd() noexcept override;
  Clock::time_point now() noexcept override;
  sys::Status watch_signal(int number, int fd) noexcept override;
  sys::Status unwatch_signal(int number, int fd) noexcept override;
  std::uint64_t take_missed_signals(int fd) noexcept override;
  sys::Result<std::pair<int, int>> pipe() noexcept override;
  sys::Result<int> open_directory(const std::string& path) noexcept override;
  sys::Result<sys::Spawned> spawn(const sys::SpawnRequest& request) noexcept override;
  sys::Status pidfd_send_signal(int pidfd, int number) noexcept override;
  sys::Result<std::optional<int>> waitid(int pidfd, sys::ChildWait wait) noexcept override;
  sys::Resolved resolve(const std::string& host, std::uint16_t port, AddressFamily family,
                        bool passive) noexcept override;

 private:
  using Object = scripted::Object;
  using Lock = std::unique_lock<std::recursive_mutex>;
  struct Name {
    std::vector<std::string> addresses;
    Duration delay{};
    int error = 0;
    int system_error = 0;
    bool used = false;
  };

  // Descriptors.
  [[nodiscard]] int free_number();
  std::shared_ptr<Object> make(scripted::Kind kind, mode_t mode, int flags);
  int install(const std::shared_ptr<Object>& object);
  // The object behind an open descriptor; null, and a violation if it was open once.
  [[nodiscard]] Object* use(std::string_view call, int fd);
  // The object a test speaks of, open or not; throws std::out_of_range if there never was one.
  [[nodiscard]] Object& known(int fd) const;
  void wake(const Object& object, std::uint32_t key);
  void destroy(Object& object);

  // Calls.
  [[nodiscard]] int planned_failure(std::string_view call);
  // What every call on a descriptor begins with: EBADF, or a failure that was planned.
  [[nodiscard]] int enter(std::string_view call, int fd, Object*& object);
  void record(const CallRecord& call);
  sys::Status record_status(std::string_view call, int fd, long argument, int error);
  sys::Result<std::size_t> transmit(std::string_view call, int fd, std::span<const iovec> pieces,
                                    bool needs_socket);
  [[nodiscard]] sys::Result<std::size_t> offer(Object& object, std::span<const iovec> pieces,
                                               std::size_t offered);
  std::size_t take(Object& object, std::span<const iovec> pieces, std::size_t count);
  [[nodiscard]] int send_one(Object& object, const sys::OutgoingDatagram& datagram);
  sys::Result<std::size_t> receive(std::string_view call, int fd, std::span<std::byte> memory,
                                   bool needs_socket);
  [[nodiscard]] sys::Result<std::size_t> fetch(Object& object, std::span<std::byte> memory);
  [[nodiscard]] sys::Result<std::string_view> content_at(const Object& object, std::uint64_t offset,
                                                         std::size_t count) const;
  [[nodiscard]] sys::Result<std::size_t> pass(int to, std::string_view bytes);
  [[nodiscard]] sys::Result<std::size_t> splice_stream(Object& from, int to, std::size_t count);
  void note_blocking(std::string_view call, int fd, const Object& object);
  [[nodiscard]] int bind_to(Object& object, const SocketAddress& address);
  [[nodiscard]] int begin_connect(const std::shared_ptr<Object>& object,
                                  const SocketAddress& address);
  void settle_connect(Object& object, int outcome);
  [[nodiscard]] ScriptedChild* child_of(const Object& pidfd) const;
  void end(ScriptedChild& child, int returncode);

  // Time.
  void run_due(Clock::time_point until);
  sys::Result<std::size_t> wait_idle(Lock& lock, Object& epoll, std::span<epoll_event> events,
                                     int timeout_ms);
  [[nodiscard]] int stuck(Lock& lock);
  void await_threads(Lock& lock);
  [[noreturn]] static void give_up(std::string_view why);
  [[nodiscard]] bool threads_at_work() const;

  mutable std::recursive_mutex mutex_;
  std::condition_variable_any changed_;
  std::thread::id owner_;
  std::map<int, std::shared_ptr<Object>> open_;
  std::map<int, std::shared_ptr<Object>> known_;
  int next_number_ = 100;
  bool reuse_ = false;
  ino_t next_inode_ = 1;
  std::uint16_t next_port_ = 40000;
  std::vector<CallRecord> calls_;
  std::vector<std::string> violations_;
  std::map<std::string, std::deque<int>, std::less<>> failures_;
  std::map<std::string, sys::FileStatus> paths_;
  std::map<int, int> signals_;
  std::map<int, std::uint64_t> missed_signals_;  // by descriptor
  std::map<int, std::unique_ptr<ScriptedChild>> children_;
  int next_pid_ = 1000;
  std::deque<ConnectAnswer> connects_;
  std::map<std::string, ConnectAnswer> connects_to_;
  std::map<std::string, Name> names_;
  std::vector<Clock::time_point> resolving_;  // when each resolve() in progress will return
  std::size_t unannounced_ = 0;               // resolved, but the loop has not been woken
  bool ending_ = false;                       // nobody waits for names any more
  Clock::time_point now_{std::chrono::seconds(1000)};
  std::multimap<Clock::time_point, std::function<void()>> scheduled_;
  std::function<bool()> on_idle_;
  std::function<void()> on_stuck_;
  std::size_t waits_ = 0;
  std::size_t stuck_waits_ = 0;
};

}  // namespace sluice::testing
