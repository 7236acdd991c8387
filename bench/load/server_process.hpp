#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <ctime>

namespace bench {

/// The server as the kernel accounts for it.
class ServerProcess {
 public:
  explicit ServerProcess(pid_t pid);

  /// Of all its threads, in user space and in the kernel.
  [[nodiscard]] std::chrono::nanoseconds cpu_time() const;
  /// The same, once it waits for the load: the kernel may add what a thread runs only when it
  /// stops. Throws std::runtime_error if it does not come to rest.
  [[nodiscard]] std::chrono::nanoseconds cpu_time_at_rest() const;
  /// How many it has open.
  [[nodiscard]] std::size_t descriptors() const;
  /// Until it has so many open and has come to rest: it has accepted everybody then. Throws
  /// std::runtime_error if that does not happen.
  void wait_for_descriptors(std::size_t count) const;
  /// In KiB, now and at most so far.
  [[nodiscard]] std::size_t rss_kib() const { return value("status", "VmRSS"); }
  [[nodiscard]] std::size_t rss_peak_kib() const { return value("status", "VmHWM"); }
  /// Counted page by page; VmRSS may lag behind by some hundred KiB.
  [[nodiscard]] std::size_t exact_rss_kib() const { return value("smaps_rollup", "Rss"); }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  template <class Condition>
  void wait_until(Condition condition, const char* failure) const;
  [[nodiscard]] bool rests() const;
  [[nodiscard]] std::size_t value(const char* file, const char* name) const;

  pid_t pid_;
  clockid_t clock_{};
};

}  // namespace bench
