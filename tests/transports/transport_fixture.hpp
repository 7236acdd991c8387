#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/event_loop.hpp"
#include "testing/recording_protocol.hpp"
#include "testing/scripted_kernel.hpp"

namespace sluice::transports {

using Texts = std::vector<std::string>;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using testing::Recording;
using testing::RecordingProtocol;
using testing::RecordingWriteProtocol;

/// How a future ended: "done", "cancelled", "pending", or what it threw.
template <class T>
[[nodiscard]] std::string outcome_of(const Future<T>& future) {
  if (!future.done()) {
    return "pending";
  }
  if (future.cancelled()) {
    return "cancelled";
  }
  try {
    future.get();
    return "done";
  } catch (const std::exception& error) {
    return error.what();
  }
}

/// The code that a future failed with; empty when it did not, or with something else.
template <class T>
[[nodiscard]] std::error_code code_of(const Future<T>& future) {
  try {
    future.get();
  } catch (const std::system_error& error) {
    return error.code();
  } catch (const std::exception&) {
  }
  return {};
}

/// A loop over a scripted kernel. At the end nothing may be open in the kernel, and nothing may
/// have been done wrong to it.
class TransportTest : public ::testing::Test {
 protected:
  TransportTest() { make_loop({}); }
  void make_loop(LoopOptions options) {
    options.system_calls = kernel_;
    options.log = [this](LogLevel level, std::string_view message) {
      if (level >= LogLevel::warning) {
        logged_.emplace_back(message);
      }
    };
    loop_ = std::make_unique<EventLoop>(std::move(options));
    loop_->set_exception_handler([this](const ExceptionContext& context) {
      reports_.push_back(context.message + (context.exception ? ": " + context.what() : ""));
    });
  }
  void TearDown() override {
    record_->release();
    loop_.reset();
    EXPECT_EQ(Texts{}, kernel_->violations());
    EXPECT_EQ(0U, kernel_->open_descriptors());
  }

  /// One turn that does not wait.
  void turn(int count = 1) {
    for (int i = 0; i < count; ++i) {
      loop_->stop();
      loop_->run_forever();
    }
  }
  /// Runs while the clock moves by `time`.
  void run_for(nanoseconds time) {
    loop_->call_later(time, [this] { loop_->stop(); });
    loop_->run_forever();
  }
  [[nodiscard]] auto stream_factory() {
    return [record = record_] { return std::make_shared<RecordingProtocol>(record); };
  }
  [[nodiscard]] auto write_factory() {
    return [record = record_] { return std::make_shared<RecordingWriteProtocol>(record); };
  }
  /// Adopts `fd` with a recording protocol and lets the transport begin.
  Future<Connection<RecordingProtocol>> adopt(int fd) {
    auto future = loop_->connect_accepted_socket(stream_factory(), Fd(fd));
    turn(3);
    return future;
  }
  /// A stream in the kernel, adopted.
  int open_stream() {
    const int fd = kernel_->open_stream();
    adopt(fd);
    return fd;
  }
  [[nodiscard]] Transport& duplex() { return dynamic_cast<Transport&>(record_->transport()); }
  [[nodiscard]] std::shared_ptr<Transport> shared_duplex() {
    return std::dynamic_pointer_cast<Transport>(record_->shared_transport());
  }
  [[nodiscard]] std::string trace() const { return record_->trace(); }
  /// What the transport asked of the kernel by this name since the start.
  [[nodiscard]] Texts calls(int fd, std::string_view name) const {
    Texts result;
    for (const std::string& call : kernel_->calls_on(fd)) {
      if (call.starts_with(std::string(name) + "(")) {
        result.push_back(call);
      }
    }
    return result;
  }

  std::shared_ptr<testing::ScriptedKernel> kernel_ = std::make_shared<testing::ScriptedKernel>();
  std::shared_ptr<Recording> record_ = std::make_shared<Recording>();
  Texts logged_;
  Texts reports_;
  std::unique_ptr<EventLoop> loop_;
};

/// What a reading protocol was told, and what it is to do about it.
struct ReadRecord {
  std::shared_ptr<ReadTransport> transport;
  std::string trace;
  std::string received;
  std::function<void()> on_data;
  std::function<bool()> on_eof;
  std::function<void()> on_lost;

  void note(const std::string& text) { trace += (trace.empty() ? "" : " ") + text; }
};

/// The protocol of a read pipe.
class ReadProbe final : public ReadProtocol {
 public:
  explicit ReadProbe(std::shared_ptr<ReadRecord> record) : record_(std::move(record)) {}
  void connection_made(std::shared_ptr<ReadTransport> transport) override {
    record_->transport = std::move(transport);
    record_->note("CM");
  }
  void data_received(Bytes data) override {
    record_->note("DR(" + std::to_string(data.size()) + ")");
    record_->received += as_text(data);
    if (record_->on_data) {
      record_->on_data();
    }
  }
  bool eof_received() override {
    record_->note("ER");
    return record_->on_eof && record_->on_eof();
  }
  void connection_lost(std::error_code error) override {
    record_->note("CL(" + testing::name_of(error) + ")");
    if (record_->on_lost) {
      record_->on_lost();
    }
  }

 private:
  std::shared_ptr<ReadRecord> record_;
};

/// A protocol that reads into memory of its own.
class BufferedProbe final : public BufferedProtocol {
 public:
  std::vector<std::byte> memory = std::vector<std::byte>(8);
  std::string trace;
  std::string received;
  std::function<void()> on_get_buffer;
  std::function<void()> on_updated;
  std::function<bool()> on_eof;

  void connection_made(std::shared_ptr<Transport> /*transport*/) override { note("CM"); }
  std::span<std::byte> get_buffer(std::size_t hint) override {
    note("GB(" + std::to_string(hint) + ")");
    if (on_get_buffer) {
      on_get_buffer();
    }
    return memory;
  }
  void buffer_updated(std::size_t count) override {
    note("BU(" + std::to_string(count) + ")");
    received += as_text(std::span(memory).first(count));
    if (on_updated) {
      on_updated();
    }
  }
  bool eof_received() override {
    note("ER");
    return on_eof && on_eof();
  }
  void pause_writing() override { note("PW"); }
  void resume_writing() override { note("RW"); }
  void connection_lost(std::error_code error) override {
    note("CL(" + testing::name_of(error) + ")");
  }

 private:
  void note(const std::string& text) { trace += (trace.empty() ? "" : " ") + text; }
};

}  // namespace sluice::transports
