#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>

#include "sluice/protocol.hpp"
#include "sluice/streams.hpp"
#include "streams/stream_input.hpp"
#include "streams/stream_output.hpp"

namespace sluice::streams {

/// What the tasks of a server's connections are made with.
struct ClientService {
  EventLoop* loop;
  detail::ClientConnected client_connected;
};

/// The protocol of a duplex stream, and both its halves: the ends own it. asyncio:
/// StreamReaderProtocol.
class StreamProtocol final : public Protocol, public std::enable_shared_from_this<StreamProtocol> {
 public:
  StreamProtocol(const std::shared_ptr<detail::Scheduler>& scheduler, std::size_t limit);
  /// For a server: the connection is handed to `service` as soon as it is made.
  void serve(std::shared_ptr<ClientService> service) noexcept { service_ = std::move(service); }
  /// The two ends; once, when the connection was made.
  [[nodiscard]] StreamPair ends();

  void connection_made(std::shared_ptr<Transport> transport) override;
  void data_received(Bytes data) override;
  /// The connection stays open for writing as long as it has halves to close (W-208).
  bool eof_received() override;
  void connection_lost(std::error_code error) override;
  void pause_writing() override { output_.pause_writing(); }
  void resume_writing() override { output_.resume_writing(); }

 private:
  StreamInput input_;
  StreamOutput output_;
  std::shared_ptr<ClientService> service_;
};

/// The protocol of a write pipe.
class WritePipeProtocol final : public WriteProtocol {
 public:
  explicit WritePipeProtocol(const std::shared_ptr<detail::Scheduler>& scheduler);
  [[nodiscard]] StreamWriter writer() { return StreamWriter(output_); }

  void connection_made(std::shared_ptr<WriteTransport> transport) override;
  void connection_lost(std::error_code error) override { output_->connection_lost(error); }
  void pause_writing() override { output_->pause_writing(); }
  void resume_writing() override { output_->resume_writing(); }

 private:
  std::shared_ptr<StreamOutput> output_;
};

/// The protocol of a read pipe.
class ReadPipeProtocol final : public ReadProtocol {
 public:
  explicit ReadPipeProtocol(std::size_t limit) : input_(std::make_shared<StreamInput>(limit)) {}
  [[nodiscard]] StreamReader reader() { return StreamReader(input_); }

  void connection_made(std::shared_ptr<ReadTransport> transport) override;
  void data_received(Bytes data) override;
  bool eof_received() override;
  void connection_lost(std::error_code error) override;

 private:
  std::shared_ptr<StreamInput> input_;
};

}  // namespace sluice::streams
