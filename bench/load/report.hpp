#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "latencies.hpp"
#include "server_process.hpp"

namespace bench {

/// What one run of the load has found.
struct Report {
  std::string workload;
  /// With the part of one that had arrived at the end.
  double messages = 0;
  std::uint64_t bytes = 0;
  std::chrono::nanoseconds window{};
  std::chrono::nanoseconds server_cpu{};
  std::string sha256;
  /// None taken: null.
  Latencies latencies;
  std::size_t rss_peak_kib = 0;
  std::size_t rss_kib = 0;
  /// What only this workload has.
  std::map<std::string, double> extra;

  void take_memory_of(const ServerProcess& server) {
    rss_kib = server.rss_kib();
    rss_peak_kib = server.rss_peak_kib();
  }
};

/// One JSON object, in one line on standard output.
void print(const Report& report);

}  // namespace bench
