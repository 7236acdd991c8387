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
  /// In KiB, now and at most so far.
  [[nodiscard]] std::size_t rss_kib() const { return status_value("VmRSS"); }
  [[nodiscard]] std::size_t rss_peak_kib() const { return status_value("VmHWM"); }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  [[nodiscard]] std::size_t status_value(const char* name) const;

  pid_t pid_;
  clockid_t clock_{};
};

}  // namespace bench
