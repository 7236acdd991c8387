#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "loop/workers.hpp"
#include "sluice/detail/unique_function.hpp"
#include "sys/system_calls.hpp"

namespace sluice::loop {

/// Name resolution off the loop's thread, by threads of its own. getaddrinfo(3) cannot be
/// interrupted: a thread that is inside one when the resolver is destroyed finishes alone and its
/// answer is thrown away. What the answers are for never leaves the loop's thread.
class Resolver {
 public:
  static constexpr std::size_t max_threads = Workers::max_threads;

  struct Query {
    std::string host;
    std::uint16_t port = 0;
    AddressFamily family = AddressFamily::unspecified;
    bool passive = false;  ///< for listening
  };
  using Done = detail::UniqueFunction<void(const sys::Resolved&)>;

  Resolver(std::shared_ptr<sys::SystemCalls> sys, Workers::Post post)
      : sys_(std::move(sys)), workers_(Workers::AtClose::abandon, std::move(post)) {}

  /// Resolves and calls `done` on the loop's thread; for want of memory, with EAI_MEMORY. Throws
  /// std::system_error when no thread can start.
  void resolve(Query query, Done done);

 private:
  class Lookup;

  std::shared_ptr<sys::SystemCalls> sys_;
  std::map<std::uint64_t, Done> waiting_;
  std::uint64_t next_id_ = 0;
  Workers workers_;
};

}  // namespace sluice::loop
