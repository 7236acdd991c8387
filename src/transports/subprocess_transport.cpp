#include "transports/subprocess_transport.hpp"

#include <cerrno>
#include <stdexcept>
#include <string>
#include <utility>

#include "sys/constants.hpp"
#include "sys/error_table.hpp"
#include "transports/child_pipes.hpp"

namespace sluice::transports {
namespace {

// What is reported when somebody else has taken the status, as in asyncio.
constexpr int unknown_returncode = 255;
constexpr int highest_signal = 64;

}  // namespace

std::shared_ptr<ChildTransport> ChildTransport::create(loop::LoopCore& loop, ChildBirth birth,
                                                       std::shared_ptr<SubprocessProtocol> protocol,
                                                       std::function<void()> begun) {
  auto transport = std::make_shared<ChildTransport>(loop, birth, std::move(protocol));
  if (transport->pidfd_ >= 0) {
    // Told in a turn after the one that calls connection_made at the latest, never before it.
    if (const std::error_code error = loop.reactor().add(transport->pidfd_, *transport)) {
      throw std::system_error(error, "watching for the end of child " + std::to_string(birth.pid));
    }
  }
  // Only now is it the loop's: what threw before has ended the child.
  transport->live(transport);
  for (int slot = 0; slot < 3; ++slot) {
    if (const auto& pipe = birth.pipes[static_cast<std::size_t>(slot)]) {
      transport->add_pipe(slot, pipe->release());
    }
  }
  loop.soon([transport, begun = std::move(begun)] { transport->begin(begun); });
  return transport;
}

ChildTransport::ChildTransport(loop::LoopCore& loop, const ChildBirth& birth,
                               std::shared_ptr<SubprocessProtocol> protocol)
    : TransportLife(loop), protocol_(std::move(protocol)), pid_(birth.pid), pidfd_(birth.pidfd) {}

ChildTransport::~ChildTransport() {
  // Only a transport that was never the loop's still has a child.
  release_descriptor();
}

void ChildTransport::add_pipe(int slot, Fd fd) {
  Birth birth{.kind = slot == 0 ? TransportKind::write_pipe : TransportKind::read_pipe};
  birth.channel = std::make_unique<PipeChannel>(loop_->sys(), fd.get(), true);
  birth.fd = std::move(fd);
  birth.group = shared_from_this();
  std::shared_ptr<BaseProtocol> adapter;
  if (slot == 0) {
    adapter = std::make_shared<ChildInput>(shared_from_this());
  } else {
    adapter = std::make_shared<ChildOutput>(shared_from_this(), slot);
  }
  pipes_[static_cast<std::size_t>(slot)] =
      FdTransport::create(*loop_, std::move(birth), std::move(adapter), [] {});
}

// Behind the beginnings of the pipes, before anything that they or the child have to tell (W-144).
void ChildTransport::begin(const std::function<void()>& begun) {
  if (life_.closed()) {
    return;
  }
  loop_->guarded("Exception in callback protocol.connection_made()", this, protocol_.get(),
                 [&] { protocol_->connection_made(shared_from_this()); });
  if (pidfd_ < 0) {
    loop_->soon([self = shared_from_this()] {
      if (!self->life_.closed()) {
        self->child_was_collected();
      }
    });
  }
  begun();
}

void ChildTransport::set_protocol(std::shared_ptr<BaseProtocol> protocol) {
  check_thread();
  if (life_.closed()) {
    return;
  }
  auto typed = std::dynamic_pointer_cast<SubprocessProtocol>(std::move(protocol));
  if (!typed) {
    throw std::invalid_argument("the transport of a child process needs a SubprocessProtocol");
  }
  loop_->bury(std::exchange(protocol_, std::move(typed)));
}

std::shared_ptr<BaseTransport> ChildTransport::get_pipe_transport(int fd) const {
  if (fd < 0 || static_cast<std::size_t>(fd) >= pipes_.size()) {
    return nullptr;
  }
  return std::static_pointer_cast<Transport>(pipes_[static_cast<std::size_t>(fd)]);
}

std::error_code ChildTransport::send_signal(int number) {
  check_thread();
  if (number < 0 || number > highest_signal) {
    throw std::invalid_argument("invalid signal number " + std::to_string(number));
  }
  if (life_.closed()) {
    return std::make_error_code(std::errc::no_such_process);
  }
  if (pidfd_ < 0) {
    return {};
  }
  const sys::Status status = loop_->sys().pidfd_send_signal(pidfd_, number);
  if (status.ok() ||
      sys::judge(sys::Call::pidfd_send_signal, status.error) == sys::Verdict::peer_gone) {
    return {};
  }
  return sys::to_error_code(status.error);
}

std::error_code ChildTransport::terminate() {
  return send_signal(sys::terminate_signal);
}

std::error_code ChildTransport::kill() {
  return send_signal(sys::kill_signal);
}

void ChildTransport::close() {
  check_thread();
  if (!life_.move_to(core::LifeState::draining)) {
    return;
  }
  for (const std::shared_ptr<FdTransport>& pipe : pipes_) {
    if (pipe) {
      pipe->close();
    }
  }
  // One that must not be killed ends in its own time.
  static_cast<void>(kill());
}

void ChildTransport::attached(FdTransport& /*transport*/) noexcept {
  ++open_pipes_;
}

void ChildTransport::detached(FdTransport& /*transport*/) noexcept {
  --open_pipes_;
  finish_if_all_gone();
}

sys::Result<std::optional<int>> ChildTransport::wait(sys::ChildWait how) noexcept {
  sys::Result<std::optional<int>> result = loop_->sys().waitid(pidfd_, how);
  while (!result.ok() && sys::judge(sys::Call::waitid, result.error) == sys::Verdict::retry) {
    result = loop_->sys().waitid(pidfd_, how);
  }
  return result;
}

void ChildTransport::on_io(loop::IoEvents /*events*/) {
  if (pidfd_ < 0) {
    return;
  }
  const sys::Result<std::optional<int>> end = wait(sys::ChildWait::not_at_all);
  if (end.ok() && !end.value) {
    return;
  }
  release_pidfd();
  if (end.ok()) {
    child_ended(*end.value);
  } else {
    child_was_collected();
  }
}

// The status is gone: the program ignores SIGCHLD, or something in it waits for any child.
void ChildTransport::child_was_collected() {
  log_->write(LogLevel::warning, "the exit status of child " + std::to_string(pid_) +
                                     " was taken by somebody else: reporting returncode 255");
  child_ended(unknown_returncode);
}

void ChildTransport::child_ended(int returncode) {
  returncode_ = returncode;
  loop_->guarded("Exception in callback protocol.process_exited()", this, protocol_.get(),
                 [&] { protocol_->process_exited(); });
  finish_if_all_gone();
}

void ChildTransport::finish_if_all_gone() {
  if (returncode_ && open_pipes_ == 0) {
    lose({}, Delivery::soon);
  }
}

// Kills and collects. Waiting is short: a killed process ends by itself.
void ChildTransport::end_child() noexcept {
  const sys::Status killed = loop_->sys().pidfd_send_signal(pidfd_, sys::kill_signal);
  if (killed.ok() ||
      sys::judge(sys::Call::pidfd_send_signal, killed.error) == sys::Verdict::peer_gone) {
    static_cast<void>(wait(sys::ChildWait::until_end));
  } else {
    log_->write(LogLevel::warning, "child " + std::to_string(pid_) +
                                       " may not be killed, and goes on without its loop");
  }
  release_pidfd();
}

void ChildTransport::release_pidfd() noexcept {
  loop_->reactor().remove(pidfd_);
  static_cast<void>(loop_->sys().close(std::exchange(pidfd_, -1)));
}

// Only a loop that is closing finds a child that has not ended.
void ChildTransport::release_descriptor() noexcept {
  if (pidfd_ >= 0) {
    end_child();
  }
}

}  // namespace sluice::transports
