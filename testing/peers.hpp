#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "sluice/fd.hpp"
#include "testing/scripted_kernel.hpp"

namespace sluice::testing {

/// The other end of a transport, driven by the test between turns of the loop: nothing here blocks,
/// and nothing is read until start_reading() (or read_some) says so.
class Peer {
 public:
  Peer() = default;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  virtual ~Peer() = default;

  void start_reading() { reading_ = true; }
  void stop_reading() { reading_ = false; }
  /// While reading: takes all that is there. Returns how many bytes that was.
  std::size_t pump();
  /// Takes up to `most` bytes of what is there now, reading or not. Returns how many.
  std::size_t read_some(std::size_t most);
  /// All bytes taken so far; without the ones that clogged the connection at the start.
  [[nodiscard]] const std::string& received() const { return received_; }
  /// Whether everything was taken and no more will come.
  [[nodiscard]] bool at_end() const { return end_; }
  /// What ended the stream; empty for an ordinary end.
  [[nodiscard]] std::error_code end_error() const { return end_error_; }

  /// Sends to the transport. Throws std::system_error when the kernel does not take all of it.
  virtual void send(std::string_view bytes) = 0;
  /// Sends no more; reading goes on.
  virtual void send_eof() = 0;
  /// Goes away in the ordinary way.
  virtual void close() = 0;
  /// Goes away with a reset, where there is such a thing; otherwise close().
  virtual void reset() { close(); }
  /// Fills the kernel's buffer from the transport's side: the next write of the transport, whose
  /// descriptor is `fd`, is not taken. What was put in is kept from received().
  virtual void clog(int fd) = 0;
  /// Returns when something may have happened, or after a millisecond.
  virtual void wait() {}

 protected:
  /// What one attempt to read gave: bytes, nothing for now, or the end.
  struct ReadResult {
    std::string bytes{};
    bool end = false;
    std::error_code error{};
  };
  virtual ReadResult take(std::size_t most) = 0;
  /// What the peer does of its own accord whenever it gets its turn, reading or not.
  virtual void attend() {}
  void hide(std::size_t bytes) { hidden_ += bytes; }

 private:
  std::string received_;
  std::size_t hidden_ = 0;
  bool reading_ = false;
  bool end_ = false;
  std::error_code end_error_;
};

/// A peer on a descriptor of its own.
class FdPeer : public Peer {
 public:
  /// Owns `fd` and makes it non-blocking.
  explicit FdPeer(Fd fd);

  void send(std::string_view bytes) override;
  void send_eof() override;
  void close() override;
  void reset() override;
  void clog(int fd) override;
  void wait() override;
  [[nodiscard]] int fileno() const { return fd_.get(); }

 protected:
  ReadResult take(std::size_t most) override;

 private:
  [[nodiscard]] std::size_t readable() const;

  Fd fd_;
  bool terminal_;
};

/// A peer inside a ScriptedKernel: its descriptor takes what a buffer of this size would, and
/// reading makes room.
class ScriptedPeer : public Peer {
 public:
  static constexpr std::size_t capacity = 32 * 1024;

  ScriptedPeer(std::shared_ptr<ScriptedKernel> kernel, int fd);

  void send(std::string_view bytes) override { kernel_->deliver(fd_, bytes); }
  void send_eof() override { kernel_->deliver_eof(fd_); }
  void close() override { kernel_->hang_up(fd_); }
  void reset() override { kernel_->reset(fd_); }
  void clog(int fd) override;
  [[nodiscard]] int fileno() const { return fd_; }
  [[nodiscard]] ScriptedKernel& kernel() const { return *kernel_; }
  /// The next `count` bytes are somebody else's.
  void skip(std::size_t count) { taken_ += count; }

 protected:
  ReadResult take(std::size_t most) override;

 private:
  std::shared_ptr<ScriptedKernel> kernel_;
  int fd_;
  std::size_t taken_ = 0;
  std::size_t clogged_ = 0;
};

/// Two connected descriptors: the one a transport is made of, and its peer's.
struct FdPair {
  Fd transport;
  Fd peer;
};

/// Pairs with small kernel buffers, so that they are soon full. All throw std::system_error.
[[nodiscard]] FdPair make_socket_pair();
[[nodiscard]] FdPair make_tcp_pair();
[[nodiscard]] FdPair make_pipe_pair();  ///< transport: the writing end, blocking, as from a shell
[[nodiscard]] FdPair make_fifo_pair();  ///< likewise, of a named pipe whose name is gone again
[[nodiscard]] FdPair make_pty_pair();   ///< transport: the slave, raw; peer: the master

/// A socket of the peer's that listens on 127.0.0.1, or on a Unix path, with a small receive
/// buffer.
class RawListener {
 public:
  RawListener();
  explicit RawListener(const std::string& path);
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Waits for the next connection, at most a second.
  [[nodiscard]] Fd accept() const;
  [[nodiscard]] int fileno() const { return fd_.get(); }
  void close() { fd_.reset(); }

 private:
  Fd fd_;
  std::uint16_t port_ = 0;
};

/// A connected socket of the peer's, non-blocking after the connection is up.
[[nodiscard]] Fd raw_connect(std::uint16_t port);
[[nodiscard]] Fd raw_connect(const std::string& path);

/// Makes the kernel's send buffer of a socket small; does nothing on other descriptors.
void shrink_send_buffer(int fd);
/// Fills what `fd` writes to until the kernel takes no more; `settled` says whether it may still
/// move bytes on. Returns the number of bytes.
std::size_t fill_kernel_buffer(int fd, const std::function<bool()>& settled);

/// A directory that is removed, with everything in it, at the end.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  [[nodiscard]] std::string file(std::string_view name) const;

 private:
  std::string path_;
};

/// The bytes that tests write: `count` of an endless stream from `offset` on. Any gap, repetition
/// or exchange in it is visible.
[[nodiscard]] std::string pattern(std::size_t offset, std::size_t count);

/// An empty string if `received` is the first bytes of the pattern, otherwise where it differs.
[[nodiscard]] std::string pattern_offence(std::string_view received);

}  // namespace sluice::testing
