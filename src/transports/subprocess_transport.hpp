#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>

#include "loop/loop_core.hpp"
#include "loop/watcher.hpp"
#include "sluice/subprocess.hpp"
#include "transports/birth.hpp"
#include "transports/fd_transport.hpp"
#include "transports/owned_child.hpp"
#include "transports/transport_life.hpp"

namespace sluice::transports {

/// What a started child leaves to its transport.
struct ChildBirth {
  OwnedChild child;
  /// Our ends, non-blocking; -1 where there is no pipe.
  std::array<OwnedFd, 3> pipes{};
};

/// A child process. Its pipes are transports of their own, which tell it when they are gone; its
/// end is the readiness of a pidfd. Life: open while nobody asked for the end; draining after
/// close(); losing when the child has ended and its pipes are gone; closed after connection_lost.
class ChildTransport final : public SubprocessTransport,
                             public std::enable_shared_from_this<ChildTransport>,
                             public TransportGroup,
                             private TransportLife,
                             private loop::Watcher {
 public:
  /// Makes the transport and those of the pipes, and schedules connection_made, then `begun`, in
  /// one callback behind the pipes' own. Throws std::system_error when the system cannot watch for
  /// its end; whatever it throws, the child is killed and collected then, and nobody is told.
  static std::shared_ptr<ChildTransport> create(loop::LoopCore& loop, ChildBirth birth,
                                                std::shared_ptr<SubprocessProtocol> protocol,
                                                std::function<void()> begun);

  ChildTransport(loop::LoopCore& loop, OwnedChild child,
                 std::shared_ptr<SubprocessProtocol> protocol) noexcept;

  // BaseTransport
  void close() override;
  [[nodiscard]] bool is_closing() const override { return life_.closing(); }
  [[nodiscard]] std::optional<SocketAddress> peername() const override { return std::nullopt; }
  [[nodiscard]] std::optional<SocketAddress> sockname() const override { return std::nullopt; }
  [[nodiscard]] int fileno() const override { return child_.pidfd(); }
  void set_protocol(std::shared_ptr<BaseProtocol> protocol) override;
  [[nodiscard]] std::shared_ptr<BaseProtocol> get_protocol() const override { return protocol_; }

  // SubprocessTransport
  [[nodiscard]] int pid() const override { return child_.pid(); }
  [[nodiscard]] std::optional<int> returncode() const override { return returncode_; }
  [[nodiscard]] std::shared_ptr<BaseTransport> get_pipe_transport(int fd) const override;
  [[nodiscard]] std::shared_ptr<WriteTransport> stdin_transport() const override {
    return pipes_[0];
  }
  [[nodiscard]] std::shared_ptr<ReadTransport> stdout_transport() const override {
    return pipes_[1];
  }
  [[nodiscard]] std::shared_ptr<ReadTransport> stderr_transport() const override {
    return pipes_[2];
  }
  std::error_code send_signal(int number) override;
  std::error_code terminate() override;
  std::error_code kill() override;

  /// Whom the pipes' events are for; there is one as long as a pipe is alive.
  [[nodiscard]] SubprocessProtocol& protocol() const noexcept { return *protocol_; }

 private:
  void watch();
  void add_pipe(int slot, OwnedFd& fd);
  void take_back() noexcept;
  void begin(const std::function<void()>& begun);
  void child_ended(int returncode);
  void child_was_collected();
  void finish_if_all_gone();

  // TransportGroup: the pipes.
  void attached(FdTransport& transport) noexcept override;
  void detached(FdTransport& transport) noexcept override;

  // TransportLife. What the pipes hold they release themselves, and so they are dropped.
  BaseTransport& transport() noexcept override { return *this; }
  [[nodiscard]] const core::Lifecycle& life() const noexcept override { return life_; }
  [[nodiscard]] bool move_to(core::LifeState next) noexcept override { return life_.move_to(next); }
  void stop(std::error_code /*error*/) override {}
  void call_connection_lost(std::error_code error) override { protocol_->connection_lost(error); }
  // Only a loop that is closing finds a child that has not ended.
  void release_descriptor() noexcept override { child_.end(); }
  std::shared_ptr<BaseProtocol> leave() noexcept override { return std::move(protocol_); }
  void stop_untold() noexcept override {}
  std::shared_ptr<BaseProtocol> leave_untold() noexcept override { return leave(); }

  // loop::Watcher
  void on_io(loop::IoEvents events) override;

  std::shared_ptr<SubprocessProtocol> protocol_;
  std::array<std::shared_ptr<FdTransport>, 3> pipes_;
  std::optional<int> returncode_;
  std::size_t open_pipes_ = 0;
  core::Lifecycle life_;
  OwnedChild child_;
};

}  // namespace sluice::transports
