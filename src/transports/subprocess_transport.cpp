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
  auto transport =
      std::make_shared<ChildTransport>(loop, std::move(birth.child), std::move(protocol));
  try {
    transport->watch();
    for (int slot = 0; slot < 3; ++slot) {
      if (OwnedFd& pipe = birth.pipes[static_cast<std::size_t>(slot)]; pipe.get() >= 0) {
        transport->add_pipe(slot, pipe);
      }
    }
    loop.soon([transport, begun = std::move(begun)] { transport->begin(begun); });
  } catch (...) {
    transport->take_back();
    throw;
  }
  // Only now is it the loop's.
  transport->live(transport);
  return transport;
}

ChildTransport::ChildTransport(loop::LoopCore& loop, OwnedChild child,
                               std::shared_ptr<SubprocessProtocol> protocol) noexcept
    : TransportLife(loop), protocol_(std::move(protocol)), child_(std::move(child)) {}

// Told in a turn after the one that calls connection_made at the latest, never before it.
void ChildTransport::watch() {
  if (child_.pidfd() < 0) {
    return;
  }
  if (const std::error_code error = loop_->reactor().add(child_.pidfd(), *this)) {
    throw std::system_error(error, "watching for the end of child " + std::to_string(pid()));
  }
}

void ChildTransport::add_pipe(int slot, OwnedFd& fd) {
  Birth birth{.kind = slot == 0 ? TransportKind::write_pipe : TransportKind::read_pipe};
  birth.group = this;
  std::shared_ptr<BaseProtocol> adapter;
  if (slot == 0) {
    adapter = std::make_shared<ChildInput>(shared_from_this());
  } else {
    adapter = std::make_shared<ChildOutput>(shared_from_this(), slot);
  }
  birth.fd = fd.release();
  pipes_[static_cast<std::size_t>(slot)] =
      FdTransport::create(*loop_, std::move(birth), std::move(adapter), [] {});
}

// The protocol has never heard of the child, nor will it.
void ChildTransport::take_back() noexcept {
  for (std::shared_ptr<FdTransport>& pipe : pipes_) {
    if (pipe) {
      pipe->take_back();
      pipe.reset();
    }
  }
  child_.end();
}

// Behind the beginnings of the pipes, before anything that they or the child have to tell (W-144).
void ChildTransport::begin(const std::function<void()>& begun) {
  if (life_.closed()) {
    return;
  }
  loop_->guarded("Exception in callback protocol.connection_made()", this, protocol_.get(),
                 [&] { protocol_->connection_made(shared_from_this()); });
  if (child_.pidfd() < 0) {
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
  if (child_.pidfd() < 0) {
    return {};
  }
  const sys::Status status = loop_->sys().pidfd_send_signal(child_.pidfd(), number);
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

void ChildTransport::on_io(loop::IoEvents /*events*/) {
  if (child_.pidfd() < 0) {
    return;
  }
  const sys::Result<std::optional<int>> end = child_.wait(sys::ChildWait::not_at_all);
  if (end.ok() && !end.value) {
    return;
  }
  child_.release();
  if (end.ok()) {
    child_ended(*end.value);
  } else {
    child_was_collected();
  }
}

// The status is gone: the program ignores SIGCHLD, or something in it waits for any child.
void ChildTransport::child_was_collected() {
  log().write(LogLevel::warning, "the exit status of child " + std::to_string(pid()) +
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

}  // namespace sluice::transports
