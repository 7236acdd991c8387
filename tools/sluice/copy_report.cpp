#include "copy_report.hpp"

#include <algorithm>
#include <string_view>

#include "errors.hpp"
#include "json_object.hpp"
#include "text.hpp"

namespace sluice::cli {

namespace {

constexpr int second_decimals = 3;

struct Delivery {
  std::uint64_t delivered;
  std::uint64_t undelivered;
};

Delivery delivery_of(const Pump& pump, const Sink& sink) {
  const std::uint64_t delivered = sink.statistics().bytes_written;
  return {.delivered = delivered,
          .undelivered = pump.bytes_read() - std::min(pump.bytes_read(), delivered)};
}

std::string_view state_name(SinkState state) {
  switch (state) {
    case SinkState::closed:
      return "closed";
    case SinkState::failed:
      return "failed";
    default:
      return "aborted";
  }
}

// The exit status knows of a signal that came when the pump had ended of it already.
std::string_view status_name(int exit_status) {
  if (exit_status > signal_base) {
    return "interrupted";
  }
  return exit_status == exit_done ? "complete" : "failed";
}

std::uint64_t total_syscalls(const Pump& pump) {
  std::uint64_t total = 0;
  for (const auto& sink : pump.sinks()) {
    total += sink->statistics().send_calls;
  }
  return total;
}

std::size_t peak_buffer(const Pump& pump) {
  std::size_t peak = 0;
  for (const auto& sink : pump.sinks()) {
    peak = std::max(peak, sink->statistics().peak_buffer_size);
  }
  return peak;
}

std::string sink_json(const Pump& pump, const Sink& sink) {
  const WriteStatistics statistics = sink.statistics();
  const Delivery delivery = delivery_of(pump, sink);
  JsonObject object;
  object.text("sink", sink.endpoint().text).text("status", state_name(sink.state()));
  object.raw("error", sink.error().empty() ? "null" : json_string(sink.error()));
  object.number("bytes_delivered", delivery.delivered)
      .number("bytes_undelivered", delivery.undelivered)
      .number("pauses", sink.pauses())
      .seconds("seconds_paused", sink.time_paused())
      .number("peak_buffer", statistics.peak_buffer_size)
      .number("low", sink.limits().low)
      .number("high", sink.limits().high)
      .number("syscalls", statistics.send_calls)
      .number("short_writes", statistics.short_writes)
      .number("would_blocks", statistics.would_blocks);
  return object.str();
}

std::string report_json(const Pump& pump, const Endpoint& source, int exit_status,
                        const std::string& error) {
  std::string sinks;
  for (const auto& sink : pump.sinks()) {
    sinks.append(sinks.empty() ? "" : ", ").append(sink_json(pump, *sink));
  }
  JsonObject object;
  object.text("status", status_name(exit_status))
      .number("exit_status", static_cast<std::uint64_t>(exit_status));
  object.raw("error", error.empty() ? "null" : json_string(error));
  object.text("source", source.text);
  object.raw("source_size", pump.size() ? std::to_string(*pump.size()) : "null");
  object.text("sent_by", pump.by_sendfile() ? "sendfile" : "write");
  object.number("bytes", pump.bytes_read())
      .seconds("seconds", pump.elapsed())
      .number("pauses", pump.pauses())
      .seconds("seconds_paused", pump.time_paused())
      .number("peak_buffer", peak_buffer(pump))
      .number("reads", pump.reads())
      .number("syscalls", total_syscalls(pump));
  object.raw("sinks", "[" + sinks + "]");
  return object.str() + "\n";
}

std::string times(std::uint64_t count, std::string_view what) {
  return std::to_string(count).append(" ").append(what).append(count == 1 ? "" : "s");
}

std::string paused_text(std::uint64_t pauses, Seconds time) {
  return times(pauses, "pause") + ", " + fixed(time.count(), second_decimals) + " s paused";
}

std::string sink_text(const Pump& pump, const Sink& sink) {
  const WriteStatistics statistics = sink.statistics();
  const Delivery delivery = delivery_of(pump, sink);
  std::string text = "sink    " + printable(sink.endpoint().text) + ": ";
  text.append(state_name(sink.state())).append(", ");
  text += exact_bytes(delivery.delivered) + " delivered, ";
  if (delivery.undelivered > 0) {
    text += exact_bytes(delivery.undelivered) + " not delivered, ";
  }
  text += times(statistics.send_calls, "syscall") + "\n        ";
  text += paused_text(sink.pauses(), sink.time_paused()) + ", peak buffer " +
          std::to_string(statistics.peak_buffer_size) + " (low " +
          std::to_string(sink.limits().low) + ", high " + std::to_string(sink.limits().high) +
          ")\n";
  return text;
}

std::string report_text(const Pump& pump, const Endpoint& source, int exit_status) {
  const double seconds = pump.elapsed().count();
  const double rate = seconds > 0 ? static_cast<double>(pump.bytes_read()) / seconds : 0;
  std::string text = "copy    ";
  text.append(status_name(exit_status)).append(": ");
  text += exact_bytes(pump.bytes_read()) + " (" + human_bytes(pump.bytes_read()) + ") in " +
          fixed(seconds, second_decimals) + " s, " + human_bytes(rate) + "/s\n";
  text += "source  " + printable(source.text) + ": " +
          (pump.by_sendfile() ? "sent by sendfile" : times(pump.reads(), "read")) + ", " +
          paused_text(pump.pauses(), pump.time_paused()) + "\n";
  for (const auto& sink : pump.sinks()) {
    text += sink_text(pump, *sink);
  }
  return text;
}

}  // namespace

std::string copy_report(const Pump& pump, const Endpoint& source, ReportFormat format,
                        int exit_status, const std::string& error) {
  switch (format) {
    case ReportFormat::text:
      return report_text(pump, source, exit_status);
    case ReportFormat::json:
      return report_json(pump, source, exit_status, error);
    case ReportFormat::none:
      break;
  }
  return {};
}

std::string delivery_summary(const Pump& pump) {
  std::string summary;
  for (const auto& sink : pump.sinks()) {
    const Delivery delivery = delivery_of(pump, *sink);
    if (!summary.empty()) summary += "; ";
    if (pump.sinks().size() > 1) summary += sink->endpoint().name + ": ";
    summary += exact_bytes(delivery.delivered) + " delivered, " +
               exact_bytes(delivery.undelivered) + " read but not delivered";
  }
  return summary;
}

}  // namespace sluice::cli
