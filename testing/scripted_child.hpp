#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "sys/spawn.hpp"
#include "testing/scripted_objects.hpp"

namespace sluice::testing {

/// A process that a ScriptedKernel was asked to start.
struct ScriptedChild {
  int pid = 0;
  sys::SpawnRequest request;
  std::vector<int> signals;  ///< What was sent to it, in order.
  std::optional<int> end;    ///< The exit status or minus a signal, once it has ended.
  bool collected = false;    ///< waitid was told, or somebody else was.
  bool immortal = false;     ///< Signals to it are not permitted.
  std::weak_ptr<scripted::Object> pidfd;
  std::array<std::shared_ptr<scripted::Object>, 3> stdio;  ///< What it holds open.
};

}  // namespace sluice::testing
