#include "loop/resolver.hpp"

#include <utility>

#include "sys/constants.hpp"

namespace sluice::loop {

// Owns what the thread needs, and knows what the answer is for by its number only.
class Resolver::Lookup final : public Workers::Job {
 public:
  Lookup(Resolver& resolver, std::uint64_t id, Query query)
      : resolver_(&resolver), sys_(resolver.sys_), id_(id), query_(std::move(query)) {}

  void run() noexcept override {
    answer_ = sys_->resolve(query_.host, query_.port, query_.family, query_.passive);
  }
  void out_of_memory() noexcept override {
    answer_ = {.addresses = {}, .error = sys::no_memory_to_resolve};
  }
  void done() override {
    if (auto node = resolver_->waiting_.extract(id_)) {
      node.mapped()(answer_);
    }
  }
  void dropped() noexcept override {}

 private:
  Resolver* resolver_;  // not to be used on the thread: it may be gone
  std::shared_ptr<sys::SystemCalls> sys_;
  std::uint64_t id_;
  Query query_;
  sys::Resolved answer_;
};

void Resolver::resolve(Query query, Done done) {
  const std::uint64_t id = next_id_++;
  auto lookup = std::make_shared<Lookup>(*this, id, std::move(query));
  waiting_.emplace(id, std::move(done));
  try {
    workers_.submit(std::move(lookup));
  } catch (...) {
    waiting_.erase(id);
    throw;
  }
}

}  // namespace sluice::loop
