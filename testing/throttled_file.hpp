#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>

#include "testing/faulty_system_calls.hpp"
#include "testing/peers.hpp"

namespace sluice::testing {

/// The real system with a slow disk: one file, of which only so many bytes can be unread. A write
/// that finds no room waits, on its thread, until there is some, and then takes what fits. The
/// functions for tests may be called on any thread.
class ThrottledFile final : public FaultySystemCalls {
 public:
  static constexpr std::size_t capacity = 32 * 1024;

  ThrottledFile();

  // ---- For tests ----

  /// The descriptor that is slow from now on.
  void choose(int fd);
  /// Takes `bytes` of the room away: they are written, and nobody has read them.
  void fill(std::size_t bytes);
  /// Makes room for `bytes` more.
  void add_room(std::size_t bytes);
  /// Every later write, and one that waits, fails.
  void fail_writes(int error);
  /// Lets everything through from now on, so that nothing waits when the test has ended.
  void let_go();
  [[nodiscard]] bool is_closed();
  /// Which thread has removed a file last; none at first.
  [[nodiscard]] std::thread::id unlinked_on();
  /// How many bytes the file has taken.
  [[nodiscard]] std::size_t taken();
  /// Returns when of `calls` attempts to write the last one waits for room or has told the loop of
  /// its end, at the latest after a second.
  void settle(std::uint64_t calls);
  /// Returns when the loop was told that the file is complete, at the latest after half a second:
  /// one that was aborted never is.
  void await_completion();

  // ---- SystemCalls ----

  sys::Status close(int fd) noexcept override;
  sys::Result<int> dup(int fd) noexcept override;
  sys::Status unlink(const std::string& path) noexcept override;
  sys::Result<std::size_t> write(int fd, Bytes bytes) noexcept override;
  sys::Result<std::size_t> writev(int fd, std::span<const iovec> pieces) noexcept override;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int fd_ = -1;
  std::thread::id unlinked_on_;
  std::size_t room_ = capacity;
  std::size_t taken_ = 0;
  std::uint64_t entered_ = 0;    // attempts to write the file
  std::uint64_t announced_ = 0;  // of these, those that the loop was woken for
  std::uint64_t returned_ = 0;
  bool waits_ = false;
  bool completing_ = false;  // the last thing that is done to a file was seen
  bool complete_ = false;    // and told to the loop
  bool closed_ = false;
  int error_ = 0;
};

/// Who reads what is in the file, from a descriptor of its own.
class FilePeer final : public Peer {
 public:
  FilePeer(std::shared_ptr<ThrottledFile> system, Fd fd)
      : system_(std::move(system)), fd_(std::move(fd)) {}

  /// A file has nobody at its other end.
  void send(std::string_view bytes) override;
  void send_eof() override;
  /// The disk is full.
  void close() override;
  void clog(int fd) override;
  void wait() override;

 protected:
  ReadResult take(std::size_t most) override;

 private:
  std::shared_ptr<ThrottledFile> system_;
  Fd fd_;
  std::size_t clogged_ = 0;
};

}  // namespace sluice::testing
