#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "sluice/event_loop.hpp"
#include "testing/peers.hpp"
#include "testing/recording_protocol.hpp"
#include "transports/transport_fixture.hpp"

namespace sluice::transports {

/// A loop on the real system, or on one that is given, and a directory to write into.
class Files : public ::testing::Test {
 protected:
  explicit Files(std::shared_ptr<sys::SystemCalls> system = nullptr) {
    LoopOptions options;
    options.system_calls = std::move(system);
    loop_ = std::make_unique<EventLoop>(std::move(options));
  }
  ~Files() override { close_loop(); }

  [[nodiscard]] EventLoop& loop() { return *loop_; }
  void close_loop() {
    loop_.reset();
    record_->release();
  }
  void turn() {
    loop_->stop();
    loop_->run_forever();
  }
  void run_some_turns() {
    for (int i = 0; i < 10; ++i) {
      turn();
    }
  }
  void run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "it did not come true; " << trace();
      turn();
      std::this_thread::yield();
    }
  }
  void run_until_lost() {
    run_until([this] { return record_->lost(); });
  }

  static auto factory_of(std::shared_ptr<Recording> record) {
    return
        [record = std::move(record)] { return std::make_shared<RecordingWriteProtocol>(record); };
  }
  auto factory() { return factory_of(record_); }
  Future<WriteConnection<RecordingWriteProtocol>> start(const std::string& name,
                                                        FileOptions options) {
    return loop_->connect_file(factory(), path(name), options);
  }
  void connect(const std::string& name, FileOptions options) { connect_path(path(name), options); }
  void connect_path(const std::string& whole, FileOptions options) {
    renew();
    await(loop_->connect_file(factory(), whole, options));
  }
  void connect_fd(Fd fd) {
    renew();
    await(loop_->connect_file(factory(), std::move(fd)));
  }
  /// Opens, writes, closes, and waits for connection_lost.
  void write_file(const std::string& name, const std::string& bytes, FileOptions options) {
    connect(name, options);
    transport().write(bytes);
    transport().close();
    run_until_lost();
  }
  /// Why it cannot be opened.
  [[nodiscard]] std::string failure(const std::string& name, FileOptions options) {
    const auto future = start(name, options);
    run_until([&] { return future.done(); });
    EXPECT_EQ("", trace());
    return outcome_of(future);
  }

  [[nodiscard]] Recording& record() { return *record_; }
  [[nodiscard]] WriteTransport& transport() { return record_->transport(); }
  [[nodiscard]] WriteStatistics statistics() { return transport().write_statistics(); }
  [[nodiscard]] std::string trace() const { return record_->trace(); }

  [[nodiscard]] std::string path(const std::string& name) const { return directory_.file(name); }
  [[nodiscard]] std::string directory() const {
    return std::filesystem::path(path("")).parent_path().string();
  }
  void put(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
  }
  [[nodiscard]] std::string content(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  [[nodiscard]] unsigned permissions(const std::string& name) const {
    struct stat status {};
    EXPECT_EQ(0, ::stat(path(name).c_str(), &status));
    return status.st_mode & 07777U;
  }
  /// What is in the directory.
  [[nodiscard]] Texts names() const {
    Texts all;
    for (const auto& entry : std::filesystem::directory_iterator(path(""))) {
      all.push_back(entry.path().filename().string());
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  /// One file written by a loop of its own, for a process that has limits.
  struct Once {
    Once(const std::string& whole, FileOptions options, const std::string& bytes = {}) {
      const auto record = std::make_shared<Recording>();
      EventLoop loop;
      auto future = loop.connect_file(factory_of(record), whole, options);
      future.add_done_callback([&](const auto&) { loop.stop(); });
      loop.run_forever();
      outcome = outcome_of(future);
      if (outcome == "done") {
        record->on_connection_lost = [&](std::error_code) { loop.stop(); };
        record->transport().write(bytes);
        record->transport().close();
        loop.run_forever();
        statistics = record->transport().write_statistics();
        trace = record->trace();
      }
      record->release();
    }
    std::string outcome;
    std::string trace;
    WriteStatistics statistics;
  };
  /// What `action` returns in a child process. No loop with threads may be there.
  static std::string in_child(const std::function<std::string()>& action) {
    std::array<int, 2> ends{};
    EXPECT_EQ(0, ::pipe(ends.data()));
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string text = action();
      const ssize_t written = ::write(ends[1], text.data(), text.size());
      ::_exit(written < 0 ? 1 : 0);
    }
    ::close(ends[1]);
    std::string text;
    std::array<char, 512> buffer{};
    for (ssize_t count = 0; (count = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(0, status);
    return text;
  }

 private:
  void renew() {
    record_->release();
    record_ = std::make_shared<Recording>();
  }
  template <class T>
  void await(Future<T> future) {
    run_until([&] { return future.done(); });
    ASSERT_EQ("done", outcome_of(future));
  }

  testing::TempDirectory directory_;
  std::shared_ptr<Recording> record_ = std::make_shared<Recording>();
  std::unique_ptr<EventLoop> loop_;
};

}  // namespace sluice::transports
