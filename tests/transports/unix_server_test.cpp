#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "testing/peers.hpp"
#include "transport_fixture.hpp"

namespace sluice::transports {
namespace {

class ServingUnix : public TransportTest {
 protected:
  Future<std::shared_ptr<Server>> listen(const std::string& path, ServerOptions options = {}) {
    return loop_->create_unix_server(stream_factory(), path, std::move(options));
  }
};

// W-191
TEST_F(ServingUnix, AnExistingSocketFileIsReplaced) {
  kernel_->put_path("/run/x", S_IFSOCK | 0777);
  EXPECT_EQ("done", outcome_of(listen("/run/x")));
  EXPECT_EQ(1U, kernel_->count_calls("unlink"));
  EXPECT_TRUE(kernel_->path_exists("/run/x"));
}

// W-191
TEST_F(ServingUnix, AnyOtherFileIsRefusedAndLeftAlone) {
  for (const int kind : {S_IFREG, S_IFDIR, S_IFIFO}) {
    kernel_->put_path("/run/x", static_cast<mode_t>(kind | 0777));
    const auto result = listen("/run/x");
    EXPECT_EQ(std::errc::address_in_use, code_of(result));
    EXPECT_TRUE(outcome_of(result).starts_with("Address '/run/x' is already in use"));
    EXPECT_TRUE(kernel_->path_exists("/run/x"));
  }
  EXPECT_EQ(0U, kernel_->count_calls("unlink"));
  EXPECT_EQ(2U, kernel_->open_descriptors());
}

TEST_F(ServingUnix, AnOldSocketThatCannotBeRemovedIsNamed) {
  kernel_->put_path("/run/x", S_IFSOCK | 0777);
  kernel_->fail_next("unlink", EACCES);
  EXPECT_EQ("removing the old socket '/run/x': Permission denied", outcome_of(listen("/run/x")));
}

// W-191
TEST_F(ServingUnix, ClosingRemovesThePath) {
  const auto server = listen("/run/x").get();
  EXPECT_EQ("/run/x", server->sockets().front().to_string());
  server->close();
  EXPECT_FALSE(kernel_->path_exists("/run/x"));
  server->close();
}

// W-191
TEST_F(ServingUnix, APathThatIsSomebodyElsesByNowIsLeftAlone) {
  const auto server = listen("/run/x").get();
  kernel_->put_path("/run/x", S_IFSOCK | 0777);
  server->close();
  EXPECT_TRUE(kernel_->path_exists("/run/x"));
}

// W-191
TEST_F(ServingUnix, APathThatIsGoneAlreadyIsNoError) {
  const auto server = listen("/run/x").get();
  static_cast<void>(kernel_->unlink("/run/x"));
  server->close();
  EXPECT_EQ(1U, kernel_->count_calls("unlink"));
}

// W-191
TEST_F(ServingUnix, ThePathIsKeptOnRequest) {
  ServerOptions options;
  options.cleanup_socket = false;
  listen("/run/x", options).get()->close();
  EXPECT_TRUE(kernel_->path_exists("/run/x"));
}

// W-191
TEST_F(ServingUnix, AClosedLoopRemovesThePath) {
  const auto server = listen("/run/x").get();
  loop_->close();
  EXPECT_FALSE(kernel_->path_exists("/run/x"));
}

// W-191
TEST_F(ServingUnix, OneThatNeverServesRemovesItsPathWithItsLastOwner) {
  ServerOptions options;
  options.start_serving = false;
  listen("/run/x", options);
  turn();
  EXPECT_FALSE(kernel_->path_exists("/run/x"));
  EXPECT_EQ(2U, kernel_->open_descriptors());
}

// W-191
TEST_F(ServingUnix, OneThatCannotListenRemovesItsPath) {
  kernel_->fail_next("listen", EOPNOTSUPP);
  EXPECT_EQ("listen on /run/x: Operation not supported", outcome_of(listen("/run/x")));
  EXPECT_FALSE(kernel_->path_exists("/run/x"));
  turn();
  EXPECT_EQ(2U, kernel_->open_descriptors());
}

// W-191
TEST_F(ServingUnix, AbstractNamesTouchNoFile) {
  const auto server = listen(std::string("\0name", 5)).get();
  EXPECT_EQ("@name", server->sockets().front().to_string());
  server->close();
  EXPECT_EQ(0U, kernel_->count_calls("stat"));
  EXPECT_EQ(0U, kernel_->count_calls("unlink"));
}

// W-191, W-183
TEST_F(ServingUnix, APathThatIsTooLongIsRefusedWithTheLimit) {
  const auto result = listen(std::string(108, 'x'));
  EXPECT_EQ(std::errc::filename_too_long, code_of(result));
  EXPECT_NE(std::string::npos, outcome_of(result).find("at most 107 bytes, this one has 108"));
  EXPECT_EQ("done", outcome_of(listen(std::string(107, 'x'))));
  const auto empty = listen("");
  EXPECT_EQ(std::errc::invalid_argument, code_of(empty));
  EXPECT_NE(std::string::npos, outcome_of(empty).find("needs a path"));
}

TEST_F(ServingUnix, WithoutTheFamilyItFails) {
  kernel_->fail_next("socket", EAFNOSUPPORT);
  EXPECT_EQ(std::errc::address_not_available, code_of(listen("/run/x")));
}

// ---- The real system ----

class ServingUnixReal : public ::testing::Test {
 protected:
  std::shared_ptr<Server> listen(const std::string& path) {
    return loop_.run_until_complete(loop_.create_unix_server(
        [this] { return std::make_shared<RecordingProtocol>(record_); }, path));
  }
  void TearDown() override { record_->release(); }
  static std::uint64_t inode_of(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
  }

  const testing::TempDirectory directory_;
  const std::string path_ = directory_.file("s");
  EventLoop loop_;
  std::shared_ptr<Recording> record_ = std::make_shared<Recording>();
};

// W-191, Q-33
TEST_F(ServingUnixReal, AStaleSocketIsReplacedAndTheServerReached) {
  { const testing::RawListener stale(path_); }
  const std::uint64_t before = inode_of(path_);
  ASSERT_NE(0U, before);
  const auto server = listen(path_);
  record_->on_connection_made = [this] { loop_.stop(); };
  const Fd peer = testing::raw_connect(path_);
  loop_.run_forever();
  EXPECT_EQ("CM", record_->trace());
  server->close();
  EXPECT_EQ(0U, inode_of(path_));
}

// W-191
TEST_F(ServingUnixReal, ARegularFileSurvives) {
  std::ofstream(path_) << "precious";
  EXPECT_THROW(listen(path_), std::system_error);
  EXPECT_EQ(8U, std::filesystem::file_size(path_));
}

// W-191
TEST_F(ServingUnixReal, TheSuccessorsSocketSurvives) {
  const auto first = listen(path_);
  const auto second = listen(path_);
  first->close();
  EXPECT_NE(0U, inode_of(path_));
  second->close();
  EXPECT_EQ(0U, inode_of(path_));
}

// W-191
TEST_F(ServingUnixReal, AnAbstractNameIsReached) {
  const std::string name = std::string("\0sluice-test-", 13) + std::to_string(::getpid());
  const auto server = listen(name);
  const auto other = std::make_shared<Recording>();
  const auto connection = loop_.run_until_complete(loop_.create_unix_connection(
      [&] { return std::make_shared<RecordingProtocol>(other); }, name));
  EXPECT_EQ(name, connection.transport->peername().value().path());
  other->release();
}

// W-191
TEST_F(ServingUnixReal, APathInNoDirectoryIsNamed) {
  const std::string path = directory_.file("missing") + "/s";
  try {
    listen(path);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::system_error& error) {
    EXPECT_EQ(std::errc::no_such_file_or_directory, error.code());
    EXPECT_NE(std::string::npos, std::string(error.what()).find(path));
  }
}

}  // namespace
}  // namespace sluice::transports
