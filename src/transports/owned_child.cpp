#include "transports/owned_child.hpp"

#include <string>

#include "sys/constants.hpp"
#include "sys/error_table.hpp"

namespace sluice::transports {

sys::Result<std::optional<int>> OwnedChild::wait(sys::ChildWait how) noexcept {
  sys::Result<std::optional<int>> result = loop_->sys().waitid(pidfd_, how);
  while (!result.ok() && sys::judge(sys::Call::waitid, result.error) == sys::Verdict::retry) {
    result = loop_->sys().waitid(pidfd_, how);
  }
  return result;
}

void OwnedChild::release() noexcept {
  if (pidfd_ >= 0) {
    loop_->reactor().remove(pidfd_);
    static_cast<void>(loop_->sys().close(std::exchange(pidfd_, -1)));
  }
}

void OwnedChild::end() noexcept {
  if (pidfd_ < 0) {
    return;
  }
  const sys::Status killed = loop_->sys().pidfd_send_signal(pidfd_, sys::kill_signal);
  if (killed.ok() ||
      sys::judge(sys::Call::pidfd_send_signal, killed.error) == sys::Verdict::peer_gone) {
    static_cast<void>(wait(sys::ChildWait::until_end));
  } else {
    loop_->log()->write(LogLevel::warning, "child " + std::to_string(pid_) +
                                               " may not be killed, and goes on without its loop");
  }
  release();
}

}  // namespace sluice::transports
