#include "transports/group_server.hpp"

#include <exception>
#include <stdexcept>
#include <utility>

#include "sluice/detail/unique_function.hpp"

namespace sluice::transports {
namespace {

using Finished = detail::UniqueFunction<void(std::exception_ptr)>;

/// Counts the loops that have not done their part yet. Used on the first loop's thread only.
struct Tally {
  std::size_t missing = 0;
  std::exception_ptr failure{};
  Finished finished{};
};

/// The part of one loop in the tally. It is reported once, whatever happens: when it is destroyed
/// at the latest. Any thread.
class Part {
 public:
  Part(std::shared_ptr<LoopSet> loops, std::shared_ptr<Tally> tally, std::exception_ptr if_dropped)
      : loops_(std::move(loops)), tally_(std::move(tally)), if_dropped_(std::move(if_dropped)) {}
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  ~Part() { report(if_dropped_); }

  void report(const std::exception_ptr& failure) noexcept {
    if (std::exchange(reported_, true)) {
      return;
    }
    loops_->post(0, [tally = tally_, failure] {
      if (tally->failure == nullptr) {
        tally->failure = failure;
      }
      if (--tally->missing == 0) {
        // Moved out: what it owns belongs to this thread, the tally may end on another one.
        Finished finished = std::move(tally->finished);
        finished(tally->failure);
      }
    });
  }

 private:
  std::shared_ptr<LoopSet> loops_;
  std::shared_ptr<Tally> tally_;
  std::exception_ptr if_dropped_;
  bool reported_ = false;
};

/// Says that a loop has done its part. When all copies are gone uncalled, that is said for it.
class Report {
 public:
  explicit Report(std::shared_ptr<Part> part) noexcept : part_(std::move(part)) {}
  void operator()(const std::exception_ptr& failure = nullptr) const noexcept {
    part_->report(failure);
  }

 private:
  std::shared_ptr<Part> part_;
};

/// Calls `act(index, report)` on the thread of each loop and, once all have reported or thrown,
/// `finished` with the first failure on the thread of the first loop. What was dropped instead,
/// with its loop or its server, counts as `if_dropped`.
template <class Act>
void on_each_loop(const std::shared_ptr<LoopSet>& loops, const Act& act,
                  const std::exception_ptr& if_dropped, Finished finished) {
  const auto tally = std::make_shared<Tally>();
  tally->missing = loops->size();
  tally->finished = std::move(finished);
  std::vector<Report> reports;
  reports.reserve(loops->size());
  for (std::size_t i = 0; i < loops->size(); ++i) {
    reports.emplace_back(std::make_shared<Part>(loops, tally, if_dropped));
  }
  for (std::size_t i = 0; i < loops->size(); ++i) {
    loops->post(i, [act, i, report = reports[i]] {
      try {
        act(i, report);
      } catch (...) {
        report(std::current_exception());
      }
    });
  }
}

std::exception_ptr loop_is_closed() {
  return std::make_exception_ptr(std::logic_error("Event loop is closed"));
}

/// The servers by loop; each is used, and let go of, on the thread of its loop only.
struct Members {
  explicit Members(std::shared_ptr<LoopSet> all) : loops(std::move(all)), servers(loops->size()) {}

  std::shared_ptr<LoopSet> loops;
  std::vector<std::shared_ptr<Server>> servers;
};

class ServerOfEachLoop final : public GroupServer,
                               public std::enable_shared_from_this<ServerOfEachLoop> {
 public:
  ServerOfEachLoop(std::shared_ptr<Members> members, std::vector<SocketAddress> addresses)
      : members_(std::move(members)), addresses_(std::move(addresses)) {}
  ~ServerOfEachLoop() override {
    on_each_server([](std::shared_ptr<Server>& server) { server.reset(); });
  }

  [[nodiscard]] const std::vector<SocketAddress>& sockets() const noexcept override {
    return addresses_;
  }
  Future<void> start_serving() override;
  void close() override {
    on_each_server([](std::shared_ptr<Server>& server) { server->close(); });
  }
  void close_clients() override {
    on_each_server([](std::shared_ptr<Server>& server) { server->close_clients(); });
  }
  void abort_clients() override {
    on_each_server([](std::shared_ptr<Server>& server) { server->abort_clients(); });
  }
  Future<void> wait_closed() override;
  /// Closes the server and aborts its connections on each loop where it serves; calls `then` on the
  /// thread of the first loop once all have done so.
  void withdraw(detail::Callback then);

 private:
  // On a loop where it could not be made there is no server.
  template <class Act>
  void on_each_server(const Act& act) const {
    for (std::size_t i = 0; i < members_->servers.size(); ++i) {
      members_->loops->post(i, [members = members_, i, act] {
        if (members->servers[i] != nullptr) {
          act(members->servers[i]);
        }
      });
    }
  }

  std::shared_ptr<Members> members_;
  std::vector<SocketAddress> addresses_;
};

// Until a loop has closed its server it accepts; what it has accepted goes with it. Where close()
// came first, the connections go on, as it promises.
void ServerOfEachLoop::withdraw(detail::Callback then) {
  on_each_loop(
      members_->loops,
      [members = members_](std::size_t index, const Report& report) {
        if (const std::shared_ptr<Server> server = members->servers[index]) {
          const bool was_serving = server->is_serving();
          server->close();
          if (was_serving) {
            server->abort_clients();
          }
        }
        report();
      },
      nullptr,
      [self = shared_from_this(), then = std::move(then)](const std::exception_ptr&) mutable {
        then();
      });
}

// Whoever waits for the outcome need not hold the server meanwhile.
Future<void> ServerOfEachLoop::start_serving() {
  Future<void> result = members_->loops->first().create_future<void>();
  on_each_loop(
      members_->loops,
      [members = members_](std::size_t index, const Report& report) {
        members->servers[index]->start_serving();
        report();
      },
      loop_is_closed(),
      [self = shared_from_this(), result](const std::exception_ptr& failure) {
        if (failure == nullptr && !result.done()) {
          result.set_result();
          return;
        }
        self->withdraw([result, failure] {
          if (!result.done()) {
            result.set_exception(failure);
          }
        });
      });
  return result;
}

// This one does not hold the server: if it never listens, it ends when it is dropped, and so does
// the waiting.
Future<void> ServerOfEachLoop::wait_closed() {
  Future<void> result = members_->loops->first().create_future<void>();
  on_each_loop(
      members_->loops,
      [members = members_](std::size_t index, const Report& report) {
        members->servers[index]->wait_closed().add_done_callback(
            [report](const Future<void>&) { report(); });
      },
      nullptr,
      [result](const std::exception_ptr& failure) {
        if (result.done()) {
          return;
        }
        if (failure != nullptr) {
          result.set_exception(failure);
        } else {
          result.set_result();
        }
      });
  return result;
}

using Result = Future<std::shared_ptr<GroupServer>>;

void serve(const std::shared_ptr<ServerOfEachLoop>& server, const Result& result) {
  server->start_serving().add_done_callback([server, result](const Future<void>& serving) {
    std::exception_ptr failure = serving.exception();
    if (result.done()) {
      server->withdraw([] {});
    } else if (failure != nullptr) {
      result.set_exception(std::move(failure));
    } else {
      result.set_result(server);
    }
  });
}

void bind_others(const std::shared_ptr<LoopSet>& loops, const std::shared_ptr<Server>& first,
                 BindServer bind, bool start_serving, const Result& result) {
  const auto members = std::make_shared<Members>(loops);
  members->servers.front() = first;
  const std::vector<SocketAddress> addresses = first->sockets();
  on_each_loop(
      loops,
      [members, addresses, bind = std::move(bind)](std::size_t index, const Report& report) {
        if (index > 0) {
          members->servers[index] = bind(index, addresses);
        }
        report();
      },
      loop_is_closed(),
      [server = std::make_shared<ServerOfEachLoop>(members, addresses), start_serving,
       result](const std::exception_ptr& failure) {
        if (result.done() || failure != nullptr) {
          server->withdraw([result, failure] {
            if (!result.done()) {
              result.set_exception(failure);
            }
          });
        } else if (start_serving) {
          serve(server, result);
        } else {
          result.set_result(server);
        }
      });
}

}  // namespace

Result open_group_server(const std::shared_ptr<LoopSet>& loops,
                         const Future<std::shared_ptr<Server>>& bound, BindServer bind,
                         bool start_serving) {
  Result result = loops->first().create_future<std::shared_ptr<GroupServer>>();
  result.set_on_cancel([weak = bound.state()] {
    if (const auto state = weak.lock()) {
      state->cancel();
    }
  });
  bound.add_done_callback([loops, bind = std::move(bind), start_serving,
                           result](const Future<std::shared_ptr<Server>>& done) mutable {
    if (done.cancelled()) {
      result.cancel();
    } else if (std::exception_ptr failure = done.exception()) {
      if (!result.done()) {
        result.set_exception(std::move(failure));
      }
    } else if (result.done()) {
      done.get()->close();
    } else {
      bind_others(loops, done.get(), std::move(bind), start_serving, result);
    }
  });
  return result;
}

}  // namespace sluice::transports
