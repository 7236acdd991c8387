#pragma once

#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "sluice/datagram.hpp"
#include "testing/recording_protocol.hpp"

namespace sluice::testing {

/// Everything that one datagram transport told its protocol, and what the protocol is to do about
/// it. Each reaction runs inside its callback, after the call was recorded. Loop thread only.
struct DatagramRecord {
  struct Received {
    std::string bytes;
    SocketAddress from;
  };

  /// "CM PW RW DR(3) EE(ECONNREFUSED) CL(ok)": the calls in order; EE is error_received.
  std::string trace;
  /// trace without DR.
  std::string write_trace;
  std::vector<Received> received;
  std::shared_ptr<DatagramTransport> transport;
  std::function<void()> on_connection_made;
  std::function<void()> on_pause_writing;
  std::function<void()> on_resume_writing;
  std::function<void()> on_datagram_received;
  std::function<void()> on_error_received;
  std::function<void()> on_connection_lost;

  [[nodiscard]] bool lost() const { return trace.find("CL(") != std::string::npos; }
  [[nodiscard]] std::vector<std::string> received_bytes() const {
    std::vector<std::string> all;
    for (const Received& each : received) {
      all.push_back(each.bytes);
    }
    return all;
  }
};

/// Records for a datagram transport.
class RecordingDatagramProtocol final : public DatagramProtocol {
 public:
  explicit RecordingDatagramProtocol(std::shared_ptr<DatagramRecord> record)
      : record_(std::move(record)) {}
  void connection_made(std::shared_ptr<DatagramTransport> transport) override {
    record_->transport = std::move(transport);
    note("CM", record_->on_connection_made);
  }
  void datagram_received(Bytes data, const SocketAddress& addr) override {
    record_->received.push_back({std::string(as_text(data)), addr});
    const std::string text = "DR(" + std::to_string(data.size()) + ")";
    record_->trace += (record_->trace.empty() ? "" : " ") + text;
    react(record_->on_datagram_received);
  }
  void error_received(std::error_code error) override {
    note("EE(" + name_of(error) + ")", record_->on_error_received);
  }
  void pause_writing() override { note("PW", record_->on_pause_writing); }
  void resume_writing() override { note("RW", record_->on_resume_writing); }
  void connection_lost(std::error_code error) override {
    note("CL(" + name_of(error) + ")", record_->on_connection_lost);
  }

 private:
  static void react(const std::function<void()>& reaction) {
    if (reaction) {
      reaction();
    }
  }
  void note(const std::string& text, const std::function<void()>& reaction) {
    record_->trace += (record_->trace.empty() ? "" : " ") + text;
    record_->write_trace += (record_->write_trace.empty() ? "" : " ") + text;
    react(reaction);
  }

  std::shared_ptr<DatagramRecord> record_;
};

/// A factory of recording protocols, for create_datagram_endpoint.
[[nodiscard]] inline auto datagram_factory(std::shared_ptr<DatagramRecord> record) {
  return
      [record = std::move(record)] { return std::make_shared<RecordingDatagramProtocol>(record); };
}

}  // namespace sluice::testing
