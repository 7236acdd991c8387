#include "sys/signal_relay.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

namespace sluice::sys {
namespace {

// One more than the descriptor, so that the zero it starts with means none.
std::array<std::atomic<int>, NSIG> relay_fd_plus_one{};
static_assert(std::atomic<int>::is_always_lock_free,
              "a signal handler may only touch lock-free atomics");

extern "C" void sluice_relay_signal(int number) {
  const int saved = errno;
  const int fd = relay_fd_plus_one[static_cast<std::size_t>(number)].load() - 1;
  if (fd >= 0) {
    // A full pipe wakes the loop, but this delivery is lost: 65536 others were not looked at yet.
    const auto byte = static_cast<unsigned char>(number);
    [[maybe_unused]] const ssize_t ignored = ::write(fd, &byte, 1);
  }
  errno = saved;
}

bool valid(int number) noexcept {
  return number > 0 && number < NSIG;
}

}  // namespace

Status SignalRelay::watch(int number, int fd) noexcept {
  if (!valid(number)) {
    return {EINVAL};
  }
  const int before = relay_fd_plus_one[static_cast<std::size_t>(number)].exchange(fd + 1);
  struct sigaction action {};
  action.sa_handler = sluice_relay_signal;
  action.sa_flags = SA_RESTART;
  ::sigfillset(&action.sa_mask);
  if (::sigaction(number, &action, nullptr) < 0) {
    relay_fd_plus_one[static_cast<std::size_t>(number)] = before;
    return {errno};
  }
  return {};
}

Status SignalRelay::unwatch(int number) noexcept {
  if (!valid(number)) {
    return {EINVAL};
  }
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(number, &action, nullptr) < 0) {
    return {errno};
  }
  relay_fd_plus_one[static_cast<std::size_t>(number)] = 0;
  return {};
}

void SignalRelay::block_in_this_thread() noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace sluice::sys
