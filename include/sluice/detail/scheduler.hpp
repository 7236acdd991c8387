#pragma once

#include <exception>
#include <string_view>

#include "sluice/detail/unique_function.hpp"

namespace sluice::detail {

class TaskContext;

/// What a Future needs of its loop. Outlives the loop: once the loop is closed, schedule() destroys
/// the callback unrun.
class Scheduler {
 public:
  Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  virtual ~Scheduler() = default;

  /// As call_soon; loop thread only.
  virtual void schedule(Callback callback) = 0;
  /// Resumes `task` before it returns, if a descriptor is being served and nothing is queued, which
  /// it would overtake. Returns whether it did.
  [[nodiscard]] virtual bool resume_at_once(TaskContext& task) noexcept = 0;
  /// Starts the task in the next turn and drops it if the loop closes before it ends. A closed loop
  /// drops it at once.
  virtual void start(TaskContext& task) = 0;
  /// An exception was stored in a Future, and nobody ever looked.
  virtual void report_never_retrieved(std::exception_ptr exception) noexcept = 0;
  /// Logs a warning; a closed loop has nobody to tell.
  virtual void warn(std::string_view message) noexcept = 0;
};

}  // namespace sluice::detail
