#pragma once

#include <exception>
#include <memory>

#include "sluice/future.hpp"
#include "sluice/server.hpp"
#include "sluice/task.hpp"

namespace sluice::streams {

template <class Connection>
void give_back(const Connection& connection) {
  connection.transport->close();
}
inline void give_back(const std::shared_ptr<Server>& server) {
  server->close();
}

/// The outcome of a setup call. What was made when its task was cancelled already is closed: nobody
/// will use it.
template <class T>
Task<T> established(Future<T> setup) {
  std::exception_ptr failure;
  try {
    co_return co_await setup;
  } catch (...) {
    failure = std::current_exception();
  }
  if (setup.done() && !setup.cancelled() && !setup.exception()) {
    give_back(setup.get());
  }
  std::rethrow_exception(failure);
}

}  // namespace sluice::streams
