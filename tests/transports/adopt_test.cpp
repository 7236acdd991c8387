// Transports of descriptors that the program brings: what is accepted, what is refused, and what
// becomes of the descriptor.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <new>
#include <stdexcept>

#include "core/allocation_probe.hpp"
#include "testing/peers.hpp"
#include "transport_fixture.hpp"

namespace sluice::transports {
namespace {

class Adopting : public TransportTest {
 protected:
  Future<WriteConnection<RecordingWriteProtocol>> write_pipe(int fd) {
    auto future = loop_->connect_write_pipe(write_factory(), Fd(fd));
    turn(3);
    return future;
  }
  Future<ReadConnection<ReadProbe>> read_pipe(int fd) {
    auto future = loop_->connect_read_pipe(
        [record = read_] { return std::make_shared<ReadProbe>(record); }, Fd(fd));
    turn(3);
    return future;
  }
  void TearDown() override {
    read_->transport.reset();
    TransportTest::TearDown();
  }
  [[nodiscard]] bool blocks(int fd) {
    return (kernel_->get_status_flags(fd).value & O_NONBLOCK) == 0;
  }
  std::shared_ptr<ReadRecord> read_ = std::make_shared<ReadRecord>();
};

// W-184
TEST_F(Adopting, AConnectedSocketBecomesATransport) {
  const auto future = adopt(kernel_->open_stream());
  EXPECT_EQ("done", outcome_of(future));
  EXPECT_EQ("CM", trace());
  EXPECT_EQ(record_->shared_transport(), future.get().transport);
  EXPECT_EQ(future.get().protocol, future.get().transport->get_protocol());
}

// W-92
TEST_F(Adopting, ASocketsAddressesAreStored) {
  const auto local = SocketAddress::from_numeric("192.0.2.1", 1);
  const auto peer = SocketAddress::from_numeric("192.0.2.2", 2);
  adopt(kernel_->open_stream(*local, *peer));
  const auto transport = record_->shared_transport();
  EXPECT_EQ(local, transport->sockname());
  EXPECT_EQ(peer, transport->peername());
  transport->abort();
  turn();
  EXPECT_EQ(local, transport->sockname());
  EXPECT_EQ(-1, transport->fileno());
}

// W-91
TEST_F(Adopting, NagleIsTurnedOffOnTcpOnly) {
  const int tcp = kernel_->open_stream(*SocketAddress::from_numeric("::1", 1));
  const int unix_socket = kernel_->open_stream(SocketAddress::from_unix_path("/a"));
  adopt(tcp);
  adopt(unix_socket);
  EXPECT_EQ(1U, calls(tcp, "setsockopt").size());
  EXPECT_EQ(0U, calls(unix_socket, "setsockopt").size());
}

// W-98
TEST_F(Adopting, ARegularFileIsRefusedAsAWritePipeAndClosed) {
  const int fd = kernel_->open_file("content");
  const auto future = write_pipe(fd);
  EXPECT_EQ(std::errc::invalid_argument, code_of(future));
  EXPECT_EQ(
      "Pipe transport is only for pipes, sockets and character devices (a regular file is "
      "written by connect_file); file descriptor " +
          std::to_string(fd) + " is a regular file: Invalid argument",
      outcome_of(future));
  EXPECT_FALSE(kernel_->is_open(fd));
  EXPECT_EQ("", trace());
}

// W-160
TEST_F(Adopting, ARegularFileIsRefusedAsAReadPipeAndClosed) {
  const int fd = kernel_->open_file("content");
  const auto future = read_pipe(fd);
  EXPECT_EQ(std::errc::invalid_argument, code_of(future));
  EXPECT_EQ("Pipe transport is for pipes, sockets and character devices only; file descriptor " +
                std::to_string(fd) + " is a regular file: Invalid argument",
            outcome_of(future));
  EXPECT_FALSE(kernel_->is_open(fd));
}

// W-179
// Only EPERM says that a device is always ready.
TEST_F(Adopting, ATerminalIsNoFileForWantOfRoomToWatchIt) {
  const int terminal = kernel_->open_device();
  kernel_->fail_next("epoll_ctl", ENOSPC);
  const auto made = loop_->connect_file(write_factory(), Fd(terminal));
  turn(2);
  EXPECT_EQ("finding out whether file descriptor " + std::to_string(terminal) +
                " has to be waited for: No space left on device",
            outcome_of(made));
  EXPECT_FALSE(kernel_->is_open(terminal));
}

TEST_F(Adopting, WhatIsNoSocketIsRefusedAndClosed) {
  const int fd = kernel_->open_device();
  const auto future = adopt(fd);
  EXPECT_EQ(std::errc::not_a_socket, code_of(future));
  EXPECT_TRUE(outcome_of(future).starts_with("A Stream Socket was expected, got"));
  EXPECT_FALSE(kernel_->is_open(fd));
}

// W-179
TEST_F(Adopting, ADatagramSocketIsRefusedAndClosed) {
  const int fd = kernel_->socket(AF_INET, SOCK_DGRAM).value;
  const auto future = adopt(fd);
  EXPECT_EQ(std::errc::wrong_protocol_type, code_of(future));
  EXPECT_TRUE(outcome_of(future).starts_with("A Stream Socket was expected, got"));
  EXPECT_FALSE(kernel_->is_open(fd));
}

// W-112
TEST_F(Adopting, AnEmptyFdIsRefused) {
  EXPECT_EQ(std::errc::bad_file_descriptor, code_of(write_pipe(-1)));
  EXPECT_EQ(std::errc::bad_file_descriptor, code_of(read_pipe(-1)));
  EXPECT_EQ(std::errc::bad_file_descriptor, code_of(adopt(-1)));
}

// W-112
TEST_F(Adopting, ANumberThatIsNotOpenIsRefused) {
  EXPECT_EQ(std::errc::bad_file_descriptor, code_of(write_pipe(5000)));
  EXPECT_EQ(std::errc::bad_file_descriptor, code_of(read_pipe(5000)));
  EXPECT_EQ(std::errc::bad_file_descriptor, code_of(adopt(5000)));
}

// W-86, W-185
TEST_F(Adopting, WhatTheFactoryThrowsReachesTheFutureAndTheDescriptorIsClosed) {
  const auto throwing = []() -> std::shared_ptr<RecordingWriteProtocol> {
    throw std::runtime_error("no protocol");
  };
  const int fd = kernel_->open_write_pipe();
  const auto future = loop_->connect_write_pipe(throwing, Fd(fd));
  turn(3);
  EXPECT_EQ("no protocol", outcome_of(future));
  // It is called before the descriptor is touched.
  EXPECT_EQ(Texts{"close(" + std::to_string(fd) + ") = 0"}, kernel_->calls_on(fd));
}

// W-78
TEST_F(Adopting, AFactoryThatMakesNothingIsAFailureAndTheDescriptorIsClosed) {
  const int fd = kernel_->open_stream();
  const auto future =
      loop_->connect_accepted_socket([] { return std::shared_ptr<RecordingProtocol>(); }, Fd(fd));
  turn(3);
  EXPECT_EQ("a transport needs a protocol, not null", outcome_of(future));
  EXPECT_FALSE(kernel_->is_open(fd));
}

// W-93
TEST_F(Adopting, ADescriptorHasAtMostOneTransport) {
  const int fd = kernel_->open_write_pipe();
  EXPECT_EQ("done", outcome_of(write_pipe(fd)));
  const auto second = write_pipe(fd);
  EXPECT_EQ("File descriptor " + std::to_string(fd) + " is used by another transport",
            outcome_of(second));
  // The first is none the worse for it.
  EXPECT_TRUE(kernel_->is_open(fd));
  record_->transport().write("still works");
  turn();
  EXPECT_EQ("still works", kernel_->sent(fd));
}

// W-93
TEST_F(Adopting, ADescriptorHasAtMostOneTransportFromTheMomentOfTheCallToItsEnd) {
  const int fd = kernel_->open_stream();
  auto first = loop_->connect_accepted_socket(stream_factory(), Fd(fd));
  auto before_birth = loop_->connect_accepted_socket(stream_factory(), Fd(fd));
  turn(3);
  EXPECT_EQ("done", outcome_of(first));
  EXPECT_TRUE(outcome_of(before_birth).starts_with("File descriptor"));
  record_->transport().abort();
  auto before_loss = loop_->connect_accepted_socket(stream_factory(), Fd(fd));
  turn(3);
  EXPECT_TRUE(outcome_of(before_loss).starts_with("File descriptor"));
  EXPECT_FALSE(kernel_->is_open(fd));
}

// W-93
TEST_F(Adopting, ADeviceThatCannotBePolledHasAtMostOneTransportToo) {
  const int fd = kernel_->open_device();
  kernel_->set_unpollable(fd);
  EXPECT_EQ("done", outcome_of(write_pipe(fd)));
  EXPECT_TRUE(outcome_of(write_pipe(fd)).starts_with("File descriptor"));
}

// W-93
TEST_F(Adopting, ANumberIsFreeAgainWhenItsTransportIsGone) {
  kernel_->reuse_descriptors();
  const int fd = kernel_->open_stream();
  adopt(fd);
  record_->transport().abort();
  turn();
  EXPECT_EQ(fd, kernel_->open_stream());
  EXPECT_EQ("done", outcome_of(adopt(fd)));
}

// W-99, Q-15
TEST_F(Adopting, AnOpenFileIsNonBlockingForTheTransportAndBlockingAgainAfterIt) {
  const int fd = kernel_->open_write_pipe();
  const int shared = kernel_->duplicate(fd);
  EXPECT_TRUE(blocks(shared));
  write_pipe(fd);
  EXPECT_FALSE(blocks(shared));
  record_->transport().close();
  turn();
  EXPECT_TRUE(blocks(shared));
  static_cast<void>(kernel_->close(shared));
}

//
TEST_F(Adopting, AnOpenFileThatTwoTransportsShareIsRestoredByTheLast) {
  const int input = kernel_->open_device();
  const int output = kernel_->duplicate(input);
  const int shell = kernel_->duplicate(input);
  read_pipe(input);
  write_pipe(output);
  read_->transport->close();
  turn();
  EXPECT_FALSE(blocks(shell));
  record_->transport().close();
  turn();
  EXPECT_TRUE(blocks(shell));
  static_cast<void>(kernel_->close(shell));
}

//
TEST_F(Adopting, AnOpenFileIsRestoredWhenTheLoopIsClosed) {
  const int fd = kernel_->open_write_pipe();
  const int shared = kernel_->duplicate(fd);
  write_pipe(fd);
  loop_->close();
  EXPECT_TRUE(blocks(shared));
  EXPECT_FALSE(kernel_->is_open(fd));
  static_cast<void>(kernel_->close(shared));
}

//
TEST_F(Adopting, AnOpenFileIsRestoredWhenTheFactoryMakesNothing) {
  const int fd = kernel_->open_write_pipe();
  const int shared = kernel_->duplicate(fd);
  const auto future =
      loop_->connect_write_pipe([] { return std::shared_ptr<RecordingWriteProtocol>(); }, Fd(fd));
  turn(3);
  EXPECT_EQ("a transport needs a protocol, not null", outcome_of(future));
  EXPECT_TRUE(blocks(shared));
  static_cast<void>(kernel_->close(shared));
}

// W-87
TEST_F(Adopting, CancellingBeforeBirthClosesTheTransport) {
  const int fd = kernel_->open_stream();
  const auto future = loop_->connect_accepted_socket(stream_factory(), Fd(fd));
  EXPECT_TRUE(future.cancel());
  turn(3);
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_FALSE(kernel_->is_open(fd));
}

// W-87
TEST_F(Adopting, CancellingInsideConnectionMadeClosesTheTransport) {
  const int fd = kernel_->open_stream();
  auto future = loop_->connect_accepted_socket(stream_factory(), Fd(fd));
  record_->on_connection_made = [&] { EXPECT_TRUE(future.cancel()); };
  turn(3);
  EXPECT_EQ("CM CL(ok)", trace());
  EXPECT_EQ("cancelled", outcome_of(future));
}

// W-170
TEST_F(Adopting, AClosedLoopAdoptsNothing) {
  loop_->close();
  EXPECT_THROW(loop_->connect_accepted_socket(stream_factory(), Fd()), std::logic_error);
  EXPECT_THROW(loop_->connect_write_pipe(write_factory(), Fd()), std::logic_error);
}

// ---- The real system ----

class AdoptingReal : public ::testing::Test {
 protected:
  void turn(int count = 4) {
    for (int i = 0; i < count; ++i) {
      loop_.stop();
      loop_.run_forever();
    }
  }
  Future<WriteConnection<RecordingWriteProtocol>> write_to(const char* path, int flags) {
    auto future = loop_.connect_write_pipe(
        [this] { return std::make_shared<RecordingWriteProtocol>(record_); },
        Fd(::open(path, flags | O_CLOEXEC)));
    turn();
    return future;
  }
  void TearDown() override { record_->release(); }

  EventLoop loop_;
  std::shared_ptr<Recording> record_ = std::make_shared<Recording>();
};

// W-98
TEST_F(AdoptingReal, ADirectoryIsRefused) {
  const auto future = write_to("/", O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(std::errc::invalid_argument, code_of(future));
  EXPECT_NE(std::string::npos, outcome_of(future).find("is a directory"));
}

// W-112
TEST_F(AdoptingReal, AClosedDescriptorIsRefused) {
  const int fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(0, ::close(fd));
  const auto future = loop_.connect_write_pipe(
      [this] { return std::make_shared<RecordingWriteProtocol>(record_); }, Fd(fd));
  turn();
  EXPECT_EQ(std::errc::bad_file_descriptor, code_of(future));
}

// W-108
TEST_F(AdoptingReal, DevNullAcceptsEverything) {
  write_to("/dev/null", O_WRONLY);
  record_->transport().write(std::string(1024 * 1024, 'x'));
  EXPECT_EQ(0U, record_->transport().get_write_buffer_size());
  record_->transport().close();
  turn();
  EXPECT_EQ("CM CL(ok)", record_->trace());
}

// W-13, W-108: one call moves less than 2 GiB, and nobody tells that a device is ready again.
TEST_F(AdoptingReal, DevNullAcceptsMoreThanOneCallMoves) {
  constexpr std::size_t piece_bytes = std::size_t{1} << 30;
  void* const untouched =
      ::mmap(nullptr, piece_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(MAP_FAILED, untouched);
  write_to("/dev/null", O_WRONLY);
  {
    const Buffer piece = Buffer::share(
        std::shared_ptr<const void>(
            untouched,
            [](const void* memory) { ::munmap(const_cast<void*>(memory), piece_bytes); }),
        {static_cast<const std::byte*>(untouched), piece_bytes});
    record_->transport().writelines({piece, piece, piece});
  }
  record_->transport().close();
  turn();
  EXPECT_EQ("CM PW RW CL(ok)", record_->trace());
}

// W-108
TEST_F(AdoptingReal, DevFullIsFullAtTheFirstAttempt) {
  write_to("/dev/full", O_WRONLY);
  record_->transport().write("x");
  turn();
  EXPECT_EQ("CM CL(ENOSPC)", record_->trace());
}

// W-108
TEST_F(AdoptingReal, ADescriptorThatIsNotOpenForWritingFailsAtTheFirstAttempt) {
  write_to("/dev/null", O_RDONLY);
  EXPECT_EQ("CM", record_->trace());
  record_->transport().write("x");
  turn();
  EXPECT_EQ("CM CL(EBADF)", record_->trace());
}

// W-99, Q-15
TEST_F(AdoptingReal, ATerminalSharedAsInputAndOutputIsBlockingAgainAfterBoth) {
  const testing::FdPair pty = testing::make_pty_pair();
  const auto blocks = [&] { return (::fcntl(pty.transport.get(), F_GETFL) & O_NONBLOCK) == 0; };
  ASSERT_TRUE(blocks());
  const auto read = std::make_shared<ReadRecord>();
  loop_.connect_read_pipe([&] { return std::make_shared<ReadProbe>(read); },
                          pty.transport.duplicate());
  loop_.connect_write_pipe([this] { return std::make_shared<RecordingWriteProtocol>(record_); },
                           pty.transport.duplicate());
  turn();
  EXPECT_FALSE(blocks());
  record_->transport().close();
  turn();
  EXPECT_FALSE(blocks());
  read->transport->close();
  turn();
  EXPECT_TRUE(blocks());
  read->transport.reset();
}

// Adopts with ever later failures of memory, until one is too late to be in the way. After each the
// open file must be as it was found. Returns how many there were.
template <class Adopt>
std::size_t failures_without_harm(EventLoop& loop, Recording& record, int kept, Adopt adopt) {
  std::size_t failures = 0;
  while (true) {
    Fd fd(::fcntl(kept, F_DUPFD_CLOEXEC, 0));
    try {
      const testing::FailingAllocation failing(failures + 1);
      adopt(std::move(fd));
    } catch (const std::bad_alloc&) {
      // Too early for a future.
    }
    loop.call_soon([&] { loop.stop(); });
    loop.run_forever();
    if (!record.trace().empty()) {
      return failures;
    }
    ++failures;
    EXPECT_EQ(0, ::fcntl(kept, F_GETFL) & O_NONBLOCK) << "failure " << failures;
  }
}

// W-99, Q-15
TEST_F(AdoptingReal, AnOpenFileIsRestoredWhereverTheAdoptionRunsOutOfMemory) {
  loop_.set_exception_handler([](const ExceptionContext&) {});
  const testing::FdPair pipe = testing::make_pipe_pair();
  const auto factory = [this] { return std::make_shared<RecordingWriteProtocol>(record_); };
  EXPECT_LT(3U, failures_without_harm(loop_, *record_, pipe.transport.get(), [&](Fd fd) {
              static_cast<void>(loop_.connect_write_pipe(factory, std::move(fd)));
            }));
  record_->transport().close();
  turn();
  EXPECT_EQ(0, ::fcntl(pipe.transport.get(), F_GETFL) & O_NONBLOCK);
}

//
TEST_F(AdoptingReal, ASocketIsRestoredWhereverTheAdoptionRunsOutOfMemory) {
  loop_.set_exception_handler([](const ExceptionContext&) {});
  std::array<int, 2> ends{};
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()));
  const Fd socket(ends[0]);
  const Fd peer(ends[1]);
  const auto factory = [this] { return std::make_shared<RecordingProtocol>(record_); };
  EXPECT_LT(3U, failures_without_harm(loop_, *record_, socket.get(), [&](Fd fd) {
              static_cast<void>(loop_.connect_accepted_socket(factory, std::move(fd)));
            }));
  record_->transport().abort();
  turn();
  EXPECT_EQ(0, ::fcntl(socket.get(), F_GETFL) & O_NONBLOCK);
}

}  // namespace
}  // namespace sluice::transports
