// open_connection and start_server over real sockets and pipes, and what asyncio's streams promise
// about them: W-204, W-207..W-209.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "streams/streams_fixture.hpp"

namespace sluice::streams {
namespace {

using namespace std::chrono_literals;

class StreamServers : public ::testing::Test {
 protected:
  /// Long enough for the slowest machine; a test that waits as long has failed.
  static constexpr auto patience = 30s;

  StreamServers() {
    loop_.set_exception_handler([this](const ExceptionContext& context) {
      reports_.push_back(context.message + ": " + context.what());
      transports_reported_ += context.transport != nullptr ? 1 : 0;
    });
  }
  /// Runs `task`, but not for ever.
  template <class T>
  T run(Task<T> task) {
    return loop_.run_until_complete(wait_for(std::move(task), patience));
  }
  template <class Callback>
  void serve(Callback callback, StreamServerOptions options = {}) {
    server_ = run(start_server(std::move(callback), "127.0.0.1", 0, std::move(options)));
    port_ = server_->sockets().front().port();
  }
  /// Ends the server and waits for its last connection.
  void finish() {
    server_->close();
    const auto closed = [this]() -> Task<> { co_await server_->wait_closed(); };
    run(closed());
  }
  [[nodiscard]] static LoopOptions noting(Texts& texts) {
    LoopOptions options;
    options.log = [&texts](LogLevel level, std::string_view message) {
      if (level >= LogLevel::warning) {
        texts.emplace_back(message);
      }
    };
    return options;
  }

  static Task<> echo(StreamReader reader, StreamWriter writer) {
    for (;;) {
      const std::string data = co_await reader.read(4096);
      if (data.empty()) {
        break;
      }
      writer.write(data);
      co_await writer.drain();
    }
    writer.close();
    co_await writer.wait_closed();
  }
  /// Sends `text` line by line and gives back what comes.
  static Task<std::string> ask(std::uint16_t port, std::string text, int lines) {
    auto [reader, writer] = co_await open_connection("127.0.0.1", port);
    std::string answer;
    for (int i = 0; i < lines; ++i) {
      writer.write(text + "\n");
      co_await writer.drain();
      answer += co_await reader.readline();
    }
    writer.write_eof();
    answer += co_await reader.read();
    writer.close();
    co_await writer.wait_closed();
    co_return answer;
  }
  /// Sends a line to a server that answers nothing, and waits for the end.
  Task<std::string> ask_and_expect_the_end() {
    auto [reader, writer] = co_await open_connection("127.0.0.1", port_);
    writer.write("a line\n");
    std::string answer = co_await reader.read();
    writer.close();
    co_await writer.wait_closed();
    co_return answer;
  }

  Texts reports_;
  Texts logged_;
  int transports_reported_ = 0;
  EventLoop loop_{noting(logged_)};
  std::shared_ptr<Server> server_;
  std::uint16_t port_ = 0;
};

TEST_F(StreamServers, EchoToAHundredClientsAtATime) {
  serve(echo);
  std::vector<Task<std::string>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(ask(port_, "client " + std::to_string(i), 20));
  }
  const std::vector<std::string> answers = run(gather(std::move(clients)));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    std::string expected;
    for (int line = 0; line < 20; ++line) {
      expected += "client " + std::to_string(i) + "\n";
    }
    EXPECT_EQ(expected, answers[i]);
  }
  finish();
  EXPECT_EQ(Texts{}, reports_);
  EXPECT_EQ(Texts{}, logged_);
}

TEST_F(StreamServers, AFastWriterAgainstASlowReaderStaysBounded) {
  constexpr std::size_t block_bytes = 32 * 1024;
  constexpr std::size_t blocks = 1000;
  std::size_t peak = 0;
  serve([&](StreamReader, StreamWriter writer) -> Task<> {
    const Buffer block = Buffer::take(std::string(block_bytes, 'x'));
    for (std::size_t i = 0; i < blocks; ++i) {
      writer.write(block);
      co_await writer.drain();
    }
    writer.close();
    co_await writer.wait_closed();
    peak = writer.transport()->write_statistics().peak_buffer_size;
  });
  const auto slow = [this]() -> Task<std::size_t> {
    auto opening = open_connection("127.0.0.1", port_, {.limit = 4096});
    auto [reader, writer] = co_await std::move(opening);
    std::size_t total = 0;
    for (;;) {
      const std::string data = co_await reader.read(10'000);
      if (data.empty()) {
        break;
      }
      total += data.size();
      co_await sleep(0s);
    }
    writer.close();
    co_await writer.wait_closed();
    co_return total;
  };
  EXPECT_EQ(blocks * block_bytes, run(slow()));
  finish();
  EXPECT_LE(peak, default_write_buffer_limits.high + block_bytes);
}

TEST_F(StreamServers, SpeakOverUnixSocketsToo) {
  std::string folder = (std::filesystem::temp_directory_path() / "sluice-XXXXXX").string();
  ASSERT_NE(nullptr, ::mkdtemp(folder.data()));
  const std::string path = folder + "/socket";
  server_ = run(start_unix_server(echo, path));
  const auto client = [&]() -> Task<std::string> {
    auto [reader, writer] = co_await open_unix_connection(path);
    writer.write("over a Unix socket");
    writer.write_eof();
    std::string answer = co_await reader.read();
    writer.close();
    co_await writer.wait_closed();
    co_return answer;
  };
  EXPECT_EQ("over a Unix socket", run(client()));
  finish();
  std::filesystem::remove_all(folder);
}

TEST_F(StreamServers, ThePlainFunctionOfAServerMayKeepTheEnds) {
  std::vector<StreamPair> kept;
  Event connected;
  serve([&](StreamReader reader, StreamWriter writer) {
    kept.push_back({std::move(reader), std::move(writer)});
    connected.set();
  });
  const auto client = [&]() -> Task<std::string> {
    auto [reader, writer] = co_await open_connection("127.0.0.1", port_);
    co_await connected.wait();
    kept.front().writer.write("kept\n");
    std::string line = co_await reader.readline();
    writer.close();
    co_await writer.wait_closed();
    co_return line;
  };
  EXPECT_EQ("kept\n", run(client()));
  kept.front().writer.close();
  kept.clear();
  finish();
  EXPECT_EQ(Texts{}, logged_);
}

// W-209
TEST_F(StreamServers, WhatAClientsCoroutineThrowsIsReportedAndItsConnectionClosed) {
  serve([](StreamReader reader, StreamWriter) -> Task<> {
    co_await reader.readline();
    throw std::runtime_error("oops");
  });
  EXPECT_EQ("", run(ask_and_expect_the_end()));
  finish();
  EXPECT_EQ(Texts{"Unhandled exception in client_connected_cb: oops"}, reports_);
  EXPECT_EQ(1, transports_reported_);
  EXPECT_EQ(Texts{}, logged_);
}

// W-209
TEST_F(StreamServers, ACancelledClientsCoroutineIsNotReportedAndItsConnectionClosed) {
  serve([](StreamReader reader, StreamWriter) -> Task<> {
    co_await reader.readline();
    throw CancelledError();
  });
  EXPECT_EQ("", run(ask_and_expect_the_end()));
  finish();
  EXPECT_EQ(Texts{}, reports_);
  EXPECT_EQ(Texts{}, logged_);
}

// W-209
TEST_F(StreamServers, AClientsCoroutineThatForgetsToCloseIsWarnedAbout) {
  serve([](StreamReader reader, StreamWriter) -> Task<> { co_await reader.readline(); });
  EXPECT_EQ("", run(ask_and_expect_the_end()));
  finish();
  EXPECT_EQ(Texts{}, reports_);
  ASSERT_EQ(1U, logged_.size());
  EXPECT_NE(std::string::npos, logged_.front().find("the last StreamWriter of an open stream"));
}

TEST_F(StreamServers, AClientsCoroutineOutlivesItsServer) {
  bool ended = false;
  Event begun;
  {
    const std::string captured(1000, 'c');
    serve([captured, &ended, &begun](StreamReader reader, StreamWriter writer) -> Task<> {
      begun.set();
      co_await reader.readline();
      writer.write(captured);
      writer.close();
      co_await writer.wait_closed();
      ended = true;
    });
  }
  const auto client = [&]() -> Task<std::string> {
    auto [reader, writer] = co_await open_connection("127.0.0.1", port_);
    co_await begun.wait();
    server_->close();
    server_.reset();
    writer.write("go on\n");
    std::string answer = co_await reader.read();
    writer.close();
    co_await writer.wait_closed();
    co_return answer;
  };
  EXPECT_EQ(std::string(1000, 'c'), run(client()));
  for (int i = 0; i < 1000 && !ended; ++i) {
    loop_.stop();
    loop_.run_forever();
  }
  EXPECT_TRUE(ended);
}

TEST_F(StreamServers, ARefusedConnectionNamesTheAddress) {
  serve(echo);
  finish();
  try {
    run(ask(port_, "x", 1));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::system_error& error) {
    EXPECT_EQ(std::errc::connection_refused, error.code());
    EXPECT_NE(std::string::npos,
              std::string(error.what()).find("127.0.0.1:" + std::to_string(port_)));
  }
}

TEST_F(StreamServers, ALoopThatIsDestroyedEndsItsStreamsWithoutAWord) {
  Texts logged;
  int alive = 0;
  {
    EventLoop loop(noting(logged));
    const auto server = loop.run_until_complete(start_server(
        [&alive](StreamReader reader, StreamWriter) -> Task<> {
          struct Local {
            explicit Local(int& count) : count_(&count) { ++*count_; }
            ~Local() { --*count_; }
            Local(const Local&) = delete;
            Local& operator=(const Local&) = delete;
            int* count_;
          } const local(alive);
          co_await reader.read(1);
        },
        "127.0.0.1", 0));
    const std::uint16_t port = server->sockets().front().port();
    auto pair = loop.run_until_complete(open_connection("127.0.0.1", port));
    while (alive == 0) {
      loop.stop();
      loop.run_forever();
    }
    loop.close();
    EXPECT_EQ(0, alive);
  }
  EXPECT_EQ(Texts{}, logged);
}

}  // namespace
}  // namespace sluice::streams
