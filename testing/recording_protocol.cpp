#include "testing/recording_protocol.hpp"

#include <cstring>
#include <utility>

#include "sluice/error.hpp"

namespace sluice::testing {
namespace {

std::string text_of(const ProtocolCall& call) {
  switch (call.kind) {
    case ProtocolCall::Kind::connection_made:
      return "CM";
    case ProtocolCall::Kind::pause_writing:
      return "PW";
    case ProtocolCall::Kind::resume_writing:
      return "RW";
    case ProtocolCall::Kind::data_received:
      return "DR";
    case ProtocolCall::Kind::eof_received:
      return "ER";
    case ProtocolCall::Kind::connection_lost:
      return "CL(" + name_of(call.error) + ")";
  }
  return "?";
}

bool is_reading_call(const ProtocolCall& call) {
  return call.kind == ProtocolCall::Kind::data_received ||
         call.kind == ProtocolCall::Kind::eof_received;
}

template <class Text>
std::string joined(const std::vector<ProtocolCall>& calls, Text text) {
  std::string all;
  for (const ProtocolCall& call : calls) {
    const std::string one = text(call);
    if (!one.empty()) {
      all += all.empty() ? one : " " + one;
    }
  }
  return all;
}

}  // namespace

std::string name_of(std::error_code error) {
  if (!error) {
    return "ok";
  }
  if (error.category() == std::system_category() || error.category() == std::generic_category()) {
    const char* const name = ::strerrorname_np(error.value());
    return name != nullptr ? name : error.message();
  }
  if (error == Errc::callback_failed) {
    return "callback_failed";
  }
  return error.message();
}

// Counts how deep the protocol's callbacks are nested, also when one of them throws.
class Recording::Inside {
 public:
  explicit Inside(Recording& record) : record_(record) { ++record_.depth_; }
  ~Inside() { --record_.depth_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Recording& record_;
};

void Recording::note(ProtocolCall::Kind kind, std::error_code error) {
  const std::size_t size = transport_ ? transport_->get_write_buffer_size() : 0;
  calls_.push_back({kind, size, depth_, error});
}

void Recording::connection_made(std::shared_ptr<WriteTransport> transport) {
  transport_ = std::move(transport);
  if (const auto prepare = std::exchange(at_birth, nullptr)) {
    prepare(*transport_);
  }
  note(ProtocolCall::Kind::connection_made);
  const Inside inside(*this);
  if (on_connection_made) {
    on_connection_made();
  }
}

void Recording::pause_writing() {
  note(ProtocolCall::Kind::pause_writing);
  const Inside inside(*this);
  if (on_pause_writing) {
    on_pause_writing();
  }
}

void Recording::resume_writing() {
  note(ProtocolCall::Kind::resume_writing);
  const Inside inside(*this);
  if (on_resume_writing) {
    on_resume_writing();
  }
}

void Recording::data_received(Bytes data) {
  received_ += as_text(data);
  note(ProtocolCall::Kind::data_received);
  const Inside inside(*this);
  if (on_data_received) {
    on_data_received(data);
  }
}

bool Recording::eof_received() {
  note(ProtocolCall::Kind::eof_received);
  const Inside inside(*this);
  return on_eof_received && on_eof_received();
}

void Recording::connection_lost(std::error_code error) {
  note(ProtocolCall::Kind::connection_lost, error);
  const Inside inside(*this);
  if (on_connection_lost) {
    on_connection_lost(error);
  }
}

std::string Recording::trace() const {
  return joined(calls_, text_of);
}

std::string Recording::trace_with_sizes() const {
  return joined(calls_, [](const ProtocolCall& call) {
    return text_of(call) + "(" + std::to_string(call.size) + ")";
  });
}

std::string Recording::write_trace() const {
  return joined(calls_, [](const ProtocolCall& call) {
    return is_reading_call(call) ? std::string() : text_of(call);
  });
}

std::string Recording::nested_trace() const {
  std::string all;
  std::size_t depth = 0;
  for (const ProtocolCall& call : calls_) {
    for (; depth > call.depth; --depth) {
      all += ']';
    }
    for (; depth < call.depth; ++depth) {
      all += '[';
    }
    all += (all.empty() || all.back() == '[' ? "" : " ") + text_of(call);
  }
  return all + std::string(depth, ']');
}

std::size_t Recording::count(ProtocolCall::Kind kind) const {
  std::size_t found = 0;
  for (const ProtocolCall& call : calls_) {
    found += call.kind == kind ? 1U : 0U;
  }
  return found;
}

std::string grammar_offence(const std::vector<ProtocolCall>& calls, bool finished) {
  bool made = false;
  bool paused = false;
  bool lost = false;
  for (const ProtocolCall& call : calls) {
    if (lost) {
      return text_of(call) + " after CL";
    }
    if (made == (call.kind == ProtocolCall::Kind::connection_made)) {
      return made ? "a second CM" : text_of(call) + " before CM";
    }
    made = true;
    if (call.kind == ProtocolCall::Kind::pause_writing ||
        call.kind == ProtocolCall::Kind::resume_writing) {
      const bool pause = call.kind == ProtocolCall::Kind::pause_writing;
      if (pause == paused) {
        return pause ? "PW while paused" : "RW without PW";
      }
      paused = pause;
    }
    lost = call.kind == ProtocolCall::Kind::connection_lost;
  }
  return finished && made && !lost ? "no CL" : "";
}

}  // namespace sluice::testing
