#include "report.hpp"

#include <cmath>
#include <cstdio>
#include <stdexcept>

namespace bench {
namespace {

std::string latency_json(const Latencies& latencies) {
  if (latencies.count() == 0) {
    return "null";
  }
  return "{\"p50\":" + std::to_string(latencies.percentile(0.5).count()) +
         ",\"p99\":" + std::to_string(latencies.percentile(0.99).count()) +
         ",\"count\":" + std::to_string(latencies.count()) + "}";
}

std::string extra_json(const std::map<std::string, double>& extra) {
  std::string json;
  for (const auto& [name, value] : extra) {
    if (!std::isfinite(value)) {
      throw std::runtime_error(name + " is no finite number");
    }
    char number[32];
    std::snprintf(number, sizeof number, "%.6g", value);
    json += (json.empty() ? "\"" : ",\"") + name + "\":" + number;
  }
  return "{" + json + "}";
}

double per(std::chrono::nanoseconds time, double count) {
  return static_cast<double>(time.count()) / count;
}

}  // namespace

void print(const Report& report) {
  if (report.messages <= 0 || report.bytes == 0) {
    throw std::runtime_error("no message was completed");
  }
  std::printf(
      "{\"workload\":\"%s\",\"messages\":%.0f,\"bytes\":%llu,\"window_ns\":%lld,"
      "\"server_cpu_ns\":%lld,\"cpu_ns_per_message\":%.6g,\"cpu_ns_per_byte\":%.6g,"
      "\"sha256\":\"%s\",\"latency_ns\":%s,\"rss_peak_kib\":%zu,\"rss_kib\":%zu,\"extra\":%s}\n",
      report.workload.c_str(), report.messages, static_cast<unsigned long long>(report.bytes),
      static_cast<long long>(report.window.count()),
      static_cast<long long>(report.server_cpu.count()), per(report.server_cpu, report.messages),
      per(report.server_cpu, static_cast<double>(report.bytes)), report.sha256.c_str(),
      latency_json(report.latencies).c_str(), report.rss_peak_kib, report.rss_kib,
      extra_json(report.extra).c_str());
}

}  // namespace bench
