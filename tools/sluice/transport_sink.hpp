#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include "linger.hpp"
#include "open_file.hpp"
#include "sink.hpp"
#include "stream_opener.hpp"

namespace sluice::cli {

/// What all sinks with a transport share: the way from open to closed. How they are opened differs.
class TransportSink : public Sink {
 public:
  void write(const Buffer& block) override;
  void finish() override;
  void abort() override;
  [[nodiscard]] WriteStatistics statistics() const override;
  [[nodiscard]] std::size_t buffer_size() const override;
  [[nodiscard]] WriteBufferLimits limits() const override;
  Future<std::uint64_t> send_file(const std::shared_ptr<const Fd>& file,
                                  std::uint64_t offset) override {
    return loop_.sendfile(transport_, file, offset);
  }

 protected:
  /// Whether the other end can say, by its own end of file, that it has read everything.
  enum class PeerEnd : std::uint8_t { never_comes, awaited, seen };

  TransportSink(EventLoop& loop, Endpoint endpoint, BufferMarks marks, PeerEnd peer_end,
                SinkListener& listener);

  /// Ends an opening under way. Called once, by abort().
  virtual void cancel_opening() = 0;
  /// The whole message when the reader has failed though the transport may have been closed in
  /// order; asked when connection_lost comes.
  [[nodiscard]] virtual std::string reader_fault() const { return {}; }

  /// The protocol's callbacks, and the opening's failure.
  void made(std::shared_ptr<WriteTransport> transport);
  void opening_failed(const std::string& error);

 private:
  template <class Base>
  friend class SinkProtocol;

  void paused();
  void resumed();
  void peer_sent() { linger_.heard(); }
  void peer_ended();
  void lost(std::error_code error);
  void flushed();
  void close();
  void fail_because(std::error_code error);
  void gone();

  BufferMarks marks_;
  PeerEnd peer_end_;
  std::shared_ptr<WriteTransport> transport_;
  std::optional<WriteBufferLimits> limits_;
  Linger linger_;
};

/// A TCP, TLS or Unix connection. What the peer sends is read and thrown away.
class StreamSink final : public TransportSink {
 public:
  StreamSink(EventLoop& loop, const Endpoint& endpoint, BufferMarks marks, SinkListener& listener);
  void open() override;
  // What TLS sends has to be encrypted first.
  [[nodiscard]] bool takes_files() const override { return !endpoint().is_tls(); }

 private:
  void cancel_opening() override;
  StreamOpener opener_;
};

/// A FIFO, a character device, or standard output that is a pipe, terminal, device or socket.
class PipeSink final : public TransportSink {
 public:
  /// Of a path, which is opened when a FIFO has a reader, or of a descriptor that is open already.
  PipeSink(EventLoop& loop, const Endpoint& endpoint, BufferMarks marks, SinkListener& listener,
           Fd fd = {});
  void open() override;
  [[nodiscard]] bool takes_files() const override { return takes_files_; }
  [[nodiscard]] std::string awaited() const override;

 private:
  class Writer;
  void cancel_opening() override;
  void open_path();
  void connect(Fd fd);

  Fd fd_;
  bool takes_files_;            // a device takes only what passes through memory
  bool awaits_reader_ = false;  // the FIFO was there, and nobody to read it
  TimerHandle next_try_;
};

}  // namespace sluice::cli
