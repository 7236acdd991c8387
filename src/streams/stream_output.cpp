#include "streams/stream_output.hpp"

namespace sluice::streams {

void StreamOutput::pause_writing() noexcept {
  if (flow_ == Flow::open) {
    flow_ = Flow::paused;
  }
}

void StreamOutput::resume_writing() {
  if (flow_ != Flow::paused) {
    return;
  }
  flow_ = Flow::open;
  while (detail::DrainAwaiter* const each = drains_.pop_front()) {
    each->has_room();
  }
}

void StreamOutput::connection_lost(std::error_code error) {
  flow_ = Flow::lost;
  loss_ = error;
  while (detail::ClosedAwaiter* const each = ends_.pop_front()) {
    each->wake();
  }
  while (detail::DrainAwaiter* const each = drains_.pop_front()) {
    each->wake();
  }
}

}  // namespace sluice::streams
