#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "testing/contract_fixture.hpp"
#include "testing/throttled_file.hpp"

namespace sluice::testing {
namespace {

// Passes the outcome of a connecting call on, without its type.
template <class C>
MadeTransport untyped(EventLoop& loop, Future<C> connecting) {
  MadeTransport made = loop.create_future<std::shared_ptr<WriteTransport>>();
  connecting.add_done_callback([made](const Future<C>& done) {
    if (std::exception_ptr failure = done.exception()) {
      made.set_exception(std::move(failure));
    } else {
      made.set_result(std::shared_ptr<WriteTransport>(done.get().transport));
    }
  });
  return made;
}

auto stream_factory(std::shared_ptr<Recording> record) {
  return [record = std::move(record)] { return std::make_shared<RecordingProtocol>(record); };
}

auto pipe_factory(std::shared_ptr<Recording> record) {
  return [record = std::move(record)] { return std::make_shared<RecordingWriteProtocol>(record); };
}

class FdMaker : public TransportMaker {
 public:
  Peer& peer() override { return *peer_; }

 protected:
  void set_peer(Fd fd) { peer_.emplace(std::move(fd)); }

 private:
  std::optional<FdPeer> peer_;
};

// A client of a listener that belongs to the peer.
class TcpMaker : public FdMaker {
 public:
  MadeTransport make(EventLoop& loop, std::shared_ptr<Recording> record, Start start) override {
    record->at_birth = [this, start](WriteTransport& transport) {
      set_peer(listener_.accept());
      listener_.close();
      shrink_send_buffer(transport.fileno());
      if (start == Start::clogged) {
        peer().clog(transport.fileno());
      }
    };
    return untyped(loop, loop.create_connection(stream_factory(std::move(record)), "127.0.0.1",
                                                listener_.port()));
  }

 private:
  RawListener listener_;
};

// A connection that a server of the loop has accepted.
class UnixMaker : public FdMaker {
 public:
  MadeTransport make(EventLoop& loop, std::shared_ptr<Recording> record, Start start) override {
    MadeTransport made = loop.create_future<std::shared_ptr<WriteTransport>>();
    record->at_birth = [this, &loop, made, start](WriteTransport& transport) {
      server_->close();
      shrink_send_buffer(transport.fileno());
      if (start == Start::clogged) {
        peer().clog(transport.fileno());
      }
      loop.call_soon([made, shared = transport_] { made.set_result(shared()); });
    };
    transport_ = [weak = std::weak_ptr(record)] {
      const std::shared_ptr<Recording> alive = weak.lock();
      return alive ? alive->shared_transport() : nullptr;
    };
    const std::string path = directory_.file("socket");
    Future<std::shared_ptr<Server>> listening =
        loop.create_unix_server(stream_factory(std::move(record)), path);
    listening.add_done_callback([this, path](const Future<std::shared_ptr<Server>>& done) {
      server_ = done.get();
      set_peer(raw_connect(path));
    });
    return made;
  }

 private:
  TempDirectory directory_;
  std::shared_ptr<Server> server_;
  std::function<std::shared_ptr<WriteTransport>()> transport_;
};

class PairMaker : public FdMaker {
 public:
  PairMaker(FdPair (*new_pair)(), bool pipe) : pair_(new_pair()), pipe_(pipe) {}

  MadeTransport make(EventLoop& loop, std::shared_ptr<Recording> record, Start start) override {
    set_peer(std::move(pair_.peer));
    if (start == Start::clogged) {
      peer().clog(pair_.transport.get());
    }
    return pipe_ ? untyped(loop, loop.connect_write_pipe(pipe_factory(std::move(record)),
                                                         std::move(pair_.transport)))
                 : untyped(loop, loop.connect_accepted_socket(stream_factory(std::move(record)),
                                                              std::move(pair_.transport)));
  }

 private:
  FdPair pair_;
  bool pipe_;
};

// Reads the very pipe that is a child's stdin; the child holds it, too, and leaves the reading to
// us.
class ChildPeer : public FdPeer {
 public:
  explicit ChildPeer(int pid)
      : FdPeer(open_stdin_of(pid)), pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  // A reader that goes away is a child that ends.
  void close() override {
    ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOWAIT);
    FdPeer::close();
  }

 private:
  static Fd open_stdin_of(int pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/fd/0";
    Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!fd) {
      throw std::system_error(errno, std::system_category(), "open " + path);
    }
    return fd;
  }

  Fd pidfd_;
};

// The stdin of a child. The record hears of it what the child's protocol is told.
class ChildStdinMaker : public TransportMaker {
 public:
  Peer& peer() override { return *peer_; }

  MadeTransport make(EventLoop& loop, std::shared_ptr<Recording> record, Start start) override {
    record->at_birth = [this, start](WriteTransport& transport) {
      if (start == Start::clogged) {
        peer().clog(transport.fileno());
      }
    };
    SubprocessOptions options;
    options.stdout_ = Stdio::devnull();
    options.stderr_ = Stdio::devnull();
    const auto factory = [this, record = std::move(record)] {
      return std::make_shared<Forwarder>(*this, record);
    };
    MadeTransport made = loop.create_future<std::shared_ptr<WriteTransport>>();
    loop.subprocess_exec(factory, {"sleep", "1000"}, std::move(options))
        .add_done_callback([made](const Future<SubprocessConnection<Forwarder>>& done) {
          if (std::exception_ptr failure = done.exception()) {
            made.set_exception(std::move(failure));
          } else {
            made.set_result(done.get().transport->stdin_transport());
          }
        });
    return made;
  }

 private:
  class Forwarder : public SubprocessProtocol {
   public:
    Forwarder(ChildStdinMaker& maker, std::shared_ptr<Recording> record)
        : maker_(maker), record_(std::move(record)) {}
    void connection_made(std::shared_ptr<SubprocessTransport> child) override {
      maker_.peer_.emplace(child->pid());
      child_ = child;
      record_->connection_made(child->stdin_transport());
    }
    void pause_writing() override { record_->pause_writing(); }
    void resume_writing() override { record_->resume_writing(); }
    // A child whose input has ended ends.
    void pipe_connection_lost(int /*fd*/, std::error_code error) override {
      if (const auto child = child_.lock()) {
        child->close();
      }
      record_->connection_lost(error);
    }

   private:
    ChildStdinMaker& maker_;
    std::shared_ptr<Recording> record_;
    std::weak_ptr<SubprocessTransport> child_;
  };

  std::optional<ChildPeer> peer_;
};

// A file on a slow disk, which is full when nobody has read it.
class FileMaker : public TransportMaker {
 public:
  std::shared_ptr<sys::SystemCalls> system_calls() override { return system_; }
  Peer& peer() override { return *peer_; }
  void settle(WriteTransport& transport) override {
    const WriteStatistics statistics = transport.write_statistics();
    // Otherwise no attempt is under way, or nobody waits for it.
    if (transport.get_write_buffer_size() > 0) {
      system_->settle(statistics.send_calls);
    }
    if (transport.is_closing() && transport.get_write_buffer_size() == 0 &&
        statistics.bytes_discarded == 0 && transport.fileno() >= 0) {
      system_->await_completion();
    }
  }
  void let_go() override { system_->let_go(); }

  MadeTransport make(EventLoop& loop, std::shared_ptr<Recording> record, Start start) override {
    const std::string path = directory_.file("file");
    peer_.emplace(system_,
                  Fd(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR)));
    record->at_birth = [this, start](WriteTransport& transport) {
      system_->choose(transport.fileno());
      if (start == Start::clogged) {
        peer().clog(transport.fileno());
      }
    };
    return untyped(loop, loop.connect_file(pipe_factory(std::move(record)), path));
  }

 private:
  TempDirectory directory_;
  std::shared_ptr<ThrottledFile> system_ = std::make_shared<ThrottledFile>();
  std::optional<FilePeer> peer_;
};

class ScriptedMaker : public TransportMaker {
 public:
  explicit ScriptedMaker(bool pipe)
      : kernel_(std::make_shared<ScriptedKernel>()),
        peer_(kernel_, pipe ? kernel_->open_write_pipe() : kernel_->open_stream()),
        pipe_(pipe) {}

  std::shared_ptr<sys::SystemCalls> system_calls() override { return kernel_; }
  Peer& peer() override { return peer_; }
  bool is_open(int fd) override { return kernel_->is_open(fd); }
  std::vector<std::string> offences() override { return kernel_->violations(); }

  MadeTransport make(EventLoop& loop, std::shared_ptr<Recording> record, Start start) override {
    if (start == Start::clogged) {
      peer_.clog(peer_.fileno());
    }
    Fd fd(peer_.fileno());
    return pipe_ ? untyped(loop,
                           loop.connect_write_pipe(pipe_factory(std::move(record)), std::move(fd)))
                 : untyped(loop, loop.connect_accepted_socket(stream_factory(std::move(record)),
                                                              std::move(fd)));
  }

 private:
  std::shared_ptr<ScriptedKernel> kernel_;
  ScriptedPeer peer_;
  bool pipe_;
};

template <class Maker, class... Arguments>
std::function<std::unique_ptr<TransportMaker>()> maker_of(Arguments... arguments) {
  return [arguments...] { return std::make_unique<Maker>(arguments...); };
}

}  // namespace

std::vector<TransportKind> sluice_transports() {
  const TransportTraits stream{.half_close = true, .reads = true, .breaks_at_once = true};
  const TransportTraits pipe{.watches_peer = true, .breaks_at_once = true};
  TransportTraits tcp = stream;
  tcp.breaks_at_once = false;
  TransportTraits terminal = pipe;
  terminal.watches_peer = false;
  terminal.broken = std::errc::io_error;
  const TransportTraits file{.broken = std::errc::no_space_on_device, .completes_later = true};
  TransportTraits scripted_stream = stream;
  scripted_stream.scripted = true;
  TransportTraits scripted_pipe = pipe;
  scripted_pipe.scripted = true;
  return {
      {"tcp", tcp, maker_of<TcpMaker>()},
      {"unix", stream, maker_of<UnixMaker>()},
      {"socketpair", stream, maker_of<PairMaker>(make_socket_pair, false)},
      {"socket_pipe", pipe, maker_of<PairMaker>(make_socket_pair, true)},
      {"pipe", pipe, maker_of<PairMaker>(make_pipe_pair, true)},
      {"fifo", pipe, maker_of<PairMaker>(make_fifo_pair, true)},
      {"pty", terminal, maker_of<PairMaker>(make_pty_pair, true)},
      {"child_stdin", pipe, maker_of<ChildStdinMaker>()},
      {"file", file, maker_of<FileMaker>()},
      {"scripted_socket", scripted_stream, maker_of<ScriptedMaker>(false)},
      {"scripted_pipe", scripted_pipe, maker_of<ScriptedMaker>(true)},
  };
}

}  // namespace sluice::testing
