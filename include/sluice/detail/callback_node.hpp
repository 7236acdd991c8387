#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/unique_function.hpp"

namespace sluice::detail {

class NodePool;

/// One scheduled callback, shared by the loop's queue and the Handles of the user.
struct CallbackNode {
  enum class State : std::uint8_t {
    waiting,    ///< In the ready queue or the timer queue.
    cancelled,  ///< Will not run; its callback is destroyed.
    done,       ///< Has run, runs now, or was dropped with its loop.
  };
  enum class Kind : std::uint8_t { ready, timer };

  union {
    CallbackNode* next = nullptr;  ///< In the ready queue, or among the free nodes of the pool.
    std::size_t place;             ///< In the timer queue.
  };
  NodePool* pool = nullptr;
  std::chrono::steady_clock::time_point due{};
  std::uint32_t references = 0;
  State state = State::waiting;
  Kind kind = Kind::ready;
  Callback callback;  // last: what most callbacks have captured lies beside the rest
};

}  // namespace sluice::detail
