#include "transports/group_server.hpp"

#include <exception>
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

/// Says that a loop has done its part; once for each loop, on any thread.
class Report {
 public:
  Report(std::shared_ptr<LoopSet> loops, std::shared_ptr<Tally> tally) noexcept
      : loops_(std::move(loops)), tally_(std::move(tally)) {}

  void operator()(const std::exception_ptr& failure = nullptr) const noexcept {
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
};

/// Calls `act(index, report)` on the thread of each loop and, once all have reported or thrown,
/// `finished` with the first failure on the thread of the first loop.
template <class Act>
void on_each_loop(const std::shared_ptr<LoopSet>& loops, const Act& act, Finished finished) {
  const auto tally = std::make_shared<Tally>();
  tally->missing = loops->size();
  tally->finished = std::move(finished);
  for (std::size_t i = 0; i < loops->size(); ++i) {
    loops->post(i, [act, i, report = Report(loops, tally)] {
      try {
        act(i, report);
      } catch (...) {
        report(std::current_exception());
      }
    });
  }
}

/// The servers by loop; each is used, and let go of, on the thread of its loop only.
struct Members {
  explicit Members(std::shared_ptr<LoopSet> all) : loops(std::move(all)), servers(loops->size()) {}

  std::shared_ptr<LoopSet> loops;
  std::vector<std::shared_ptr<Server>> servers;
};

class ServerOfEachLoop final : public GroupServer {
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

 private:
  // On a loop where it could not be made there is no server.
  template <class Act>
  static void on_each_server_of(const std::shared_ptr<Members>& members, const Act& act) {
    for (std::size_t i = 0; i < members->servers.size(); ++i) {
      members->loops->post(i, [members, i, act] {
        if (members->servers[i] != nullptr) {
          act(members->servers[i]);
        }
      });
    }
  }
  template <class Act>
  void on_each_server(const Act& act) const {
    on_each_server_of(members_, act);
  }

  std::shared_ptr<Members> members_;
  std::vector<SocketAddress> addresses_;
};

Future<void> ServerOfEachLoop::start_serving() {
  Future<void> result = members_->loops->first().create_future<void>();
  on_each_loop(
      members_->loops,
      [members = members_](std::size_t index, const Report& report) {
        members->servers[index]->start_serving();
        report();
      },
      [members = members_, result](const std::exception_ptr& failure) {
        if (failure != nullptr) {
          on_each_server_of(members, [](std::shared_ptr<Server>& server) { server->close(); });
        }
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

Future<void> ServerOfEachLoop::wait_closed() {
  Future<void> result = members_->loops->first().create_future<void>();
  on_each_loop(
      members_->loops,
      [members = members_](std::size_t index, const Report& report) {
        members->servers[index]->wait_closed().add_done_callback(
            [report](const Future<void>&) { report(); });
      },
      [result](const std::exception_ptr&) {
        if (!result.done()) {
          result.set_result();
        }
      });
  return result;
}

using Result = Future<std::shared_ptr<GroupServer>>;

void serve(const std::shared_ptr<GroupServer>& server, const Result& result) {
  server->start_serving().add_done_callback([server, result](const Future<void>& serving) {
    if (result.done()) {
      server->close();
    } else if (std::exception_ptr failure = serving.exception()) {
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
      [server = std::make_shared<ServerOfEachLoop>(members, addresses), start_serving,
       result](const std::exception_ptr& failure) {
        if (result.done() || failure != nullptr) {
          server->close();
        }
        if (result.done()) {
          return;
        }
        if (failure != nullptr) {
          result.set_exception(failure);
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
