#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <sluice/sluice.hpp>
#include <string>
#include <vector>

namespace sluice::chaos {

/// The byte at `offset` of the stream that connection `id` carries.
[[nodiscard]] std::byte stream_byte(std::uint64_t id, std::uint64_t offset) noexcept;

/// What both ends of one connection did; compared when the round is over.
struct Ledger {
  std::uint64_t id = 0;
  std::uint64_t accepted = 0;  ///< bytes given to write() while the transport was open
  std::uint64_t received = 0;
  bool received_end = false;
  bool broken_on_purpose = false;  ///< one end aborted, or closed without reading to the end
  WriteStatistics statistics;
};

/// What the ends of a round share.
struct Round {
  EventLoop& loop;
  std::mt19937_64 random;
  std::size_t ends_alive = 0;
  std::vector<std::string> violations;

  [[nodiscard]] std::uint64_t below(std::uint64_t limit) { return random() % limit; }
  void violated(const Ledger& ledger, const std::string& rule);
  void end_gone();
};

/// The writing behaviour: writes its stream in pieces of every size and kind, obeys the pauses more
/// or less, and ends by close, write_eof or abort.
class Writer {
 public:
  Writer(Round& round, Ledger& ledger);

  void start(std::shared_ptr<WriteTransport> transport);
  void pause();
  void resume();
  void lost();

 private:
  enum class Flow : std::uint8_t { flowing, paused };

  void write_some();
  void write_piece(std::size_t count);
  void finish();
  void schedule();
  [[nodiscard]] std::string next_bytes(std::size_t count);

  Round& round_;
  Ledger& ledger_;
  std::shared_ptr<WriteTransport> transport_;
  TimerHandle timer_;
  std::uint64_t total_;
  Flow flow_ = Flow::flowing;
  bool finished_ = false;
};

/// The reading behaviour: checks every byte, pauses now and then, and sometimes gives up early.
class Reader {
 public:
  Reader(Round& round, Ledger& ledger);

  void start(std::shared_ptr<ReadTransport> transport);
  void take(Bytes data);
  void end();
  void lost();

 private:
  Round& round_;
  Ledger& ledger_;
  std::shared_ptr<ReadTransport> transport_;
  TimerHandle timer_;
  std::uint64_t gives_up_at_;
};

}  // namespace sluice::chaos
