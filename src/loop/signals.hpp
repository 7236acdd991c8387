#pragma once

#include <map>

#include "loop/reactor.hpp"
#include "loop/watcher.hpp"
#include "sluice/detail/unique_function.hpp"
#include "sys/system_calls.hpp"

namespace sluice::loop {

class LoopCore;

/// Signal handlers that run as ordinary callbacks: the system writes each signal's number into a
/// pipe. Ours are restored to the default action when the loop closes (W-192).
class Signals final : public Watcher {
 public:
  explicit Signals(LoopCore& loop) noexcept : loop_(&loop) {}
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals() { close(); }

  /// Throws std::invalid_argument, std::system_error.
  void add(int number, detail::Callback callback);
  bool remove(int number);
  void close() noexcept;

  void on_io(IoEvents events) override;

 private:
  void open_pipe();
  void deliver(int number);

  LoopCore* loop_;
  int read_end_ = -1;
  int write_end_ = -1;
  // Shared with the callbacks that are queued: a handler may remove itself while it runs.
  std::map<int, std::shared_ptr<detail::Callback>> handlers_;
};

}  // namespace sluice::loop
