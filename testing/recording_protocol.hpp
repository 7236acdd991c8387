#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "sluice/protocol.hpp"
#include "sluice/transport.hpp"

namespace sluice::testing {

/// One call that a transport made to its protocol.
struct ProtocolCall {
  enum class Kind : std::uint8_t {
    connection_made,
    pause_writing,
    resume_writing,
    data_received,
    eof_received,
    connection_lost,
  };
  Kind kind;
  std::size_t size;       ///< get_write_buffer_size() when the call came
  std::size_t depth;      ///< how many calls to the protocol were running already
  std::error_code error;  ///< of connection_lost
};

/// "ok" for no error, "EPIPE" for one of the system, the name of an Errc, otherwise the message.
[[nodiscard]] std::string name_of(std::error_code error);

/// Everything that one transport told its protocol, and what the protocol is to do about it. Set
/// the reactions before or while the transport lives; each runs inside its callback, after the call
/// was recorded, and may call any method of the transport. Loop thread only.
///
///     auto record = std::make_shared<Recording>();
///     record->on_pause_writing = [&] { record->transport().abort(); };
///     loop.connect_write_pipe([&] { return std::make_shared<RecordingWriteProtocol>(record); },
///     fd);
///     ... EXPECT_EQ(record->trace(), "CM PW CL(ok)");
class Recording {
 public:
  /// Runs first in connection_made, before it is recorded: the place to prepare the descriptor.
  std::function<void(WriteTransport&)> at_birth;
  std::function<void()> on_connection_made;
  std::function<void()> on_pause_writing;
  std::function<void()> on_resume_writing;
  std::function<void(Bytes)> on_data_received;
  /// The answer to eof_received; without one it is false.
  std::function<bool()> on_eof_received;
  std::function<void(std::error_code)> on_connection_lost;

  /// "CM PW RW CL(ok)": the calls in order, reading included.
  [[nodiscard]] std::string trace() const;
  /// "CM(0) PW(70000) RW(0) CL(ok)(0)": the same with the buffer's size at each call.
  [[nodiscard]] std::string trace_with_sizes() const;
  /// "CM RW[PW]": the same as trace(), calls made inside a call in brackets behind it.
  [[nodiscard]] std::string nested_trace() const;
  /// trace() without DR and ER, which come whenever the peer sends.
  [[nodiscard]] std::string write_trace() const;
  [[nodiscard]] const std::vector<ProtocolCall>& calls() const { return calls_; }
  [[nodiscard]] std::size_t count(ProtocolCall::Kind kind) const;
  [[nodiscard]] bool lost() const { return count(ProtocolCall::Kind::connection_lost) > 0; }
  /// What the peer sent.
  [[nodiscard]] const std::string& received() const { return received_; }

  /// The transport since connection_made.
  [[nodiscard]] WriteTransport& transport() const { return *transport_; }
  [[nodiscard]] const std::shared_ptr<WriteTransport>& shared_transport() const {
    return transport_;
  }
  /// Lets go of the transport, which holds the protocol, which holds this.
  void release() { transport_.reset(); }

  // For the protocols below.
  void connection_made(std::shared_ptr<WriteTransport> transport);
  void pause_writing();
  void resume_writing();
  void data_received(Bytes data);
  [[nodiscard]] bool eof_received();
  void connection_lost(std::error_code error);

 private:
  class Inside;
  void note(ProtocolCall::Kind kind, std::error_code error = {});

  std::shared_ptr<WriteTransport> transport_;
  std::vector<ProtocolCall> calls_;
  std::string received_;
  std::size_t depth_ = 0;
};

/// Whether calls are in the order that every transport keeps: CM (PW RW)* [PW] CL, reading only in
/// between (W-3, W-73). Empty when they are, otherwise what is wrong. `finished`: CL must be there.
[[nodiscard]] std::string grammar_offence(const std::vector<ProtocolCall>& calls, bool finished);

/// Records for a duplex stream.
class RecordingProtocol : public Protocol {
 public:
  explicit RecordingProtocol(std::shared_ptr<Recording> record) : record_(std::move(record)) {}
  void connection_made(std::shared_ptr<Transport> transport) override {
    record_->connection_made(std::move(transport));
  }
  void data_received(Bytes data) override { record_->data_received(data); }
  bool eof_received() override { return record_->eof_received(); }
  void pause_writing() override { record_->pause_writing(); }
  void resume_writing() override { record_->resume_writing(); }
  void connection_lost(std::error_code error) override { record_->connection_lost(error); }

 private:
  std::shared_ptr<Recording> record_;
};

/// Records for a write pipe.
class RecordingWriteProtocol : public WriteProtocol {
 public:
  explicit RecordingWriteProtocol(std::shared_ptr<Recording> record) : record_(std::move(record)) {}
  void connection_made(std::shared_ptr<WriteTransport> transport) override {
    record_->connection_made(std::move(transport));
  }
  void pause_writing() override { record_->pause_writing(); }
  void resume_writing() override { record_->resume_writing(); }
  void connection_lost(std::error_code error) override { record_->connection_lost(error); }

 private:
  std::shared_ptr<Recording> record_;
};

}  // namespace sluice::testing
