#include "sys/signal_relay.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>

namespace sluice::sys {
namespace {

// One more than the descriptor, so that the zero it starts with means none.
std::array<std::atomic<int>, NSIG> relay_fd_plus_one{};
// The signals that found their descriptor full: bit number - 1.
std::atomic<std::uint64_t> missed{};
static_assert(NSIG - 1 <= 64, "every signal has a bit");
static_assert(std::atomic<int>::is_always_lock_free &&
                  std::atomic<std::uint64_t>::is_always_lock_free,
              "a signal handler may only touch lock-free atomics");

// Keeps a slot and the action of its signal together; the handler does without.
std::mutex watching;

std::atomic<int>& slot_of(int number) noexcept {
  return relay_fd_plus_one[static_cast<std::size_t>(number)];
}

constexpr std::uint64_t bit_of(int number) noexcept {
  return std::uint64_t{1} << (number - 1);
}

bool relay(int fd, int number) noexcept {
  const auto byte = static_cast<unsigned char>(number);
  return ::write(fd, &byte, 1) == 1;
}

extern "C" void sluice_relay_signal(int number) {
  const int saved = errno;
  const int fd = slot_of(number).load() - 1;
  if (fd >= 0 && !relay(fd, number)) {
    missed.fetch_or(bit_of(number));
    // It may have been emptied before the bit was set: 0 is no signal, and wakes the reader.
    static_cast<void>(relay(fd, 0));
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
  const std::lock_guard lock(watching);
  const int before = slot_of(number).exchange(fd + 1);
  struct sigaction action {};
  action.sa_handler = sluice_relay_signal;
  action.sa_flags = SA_RESTART;
  ::sigfillset(&action.sa_mask);
  if (::sigaction(number, &action, nullptr) < 0) {
    slot_of(number) = before;
    return {errno};
  }
  return {};
}

Status SignalRelay::unwatch(int number, int fd) noexcept {
  if (!valid(number)) {
    return {EINVAL};
  }
  const std::lock_guard lock(watching);
  if (slot_of(number) != fd + 1) {
    return {};
  }
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(number, &action, nullptr) < 0) {
    return {errno};
  }
  slot_of(number) = 0;
  missed.fetch_and(~bit_of(number));
  return {};
}

std::uint64_t SignalRelay::take_missed(int fd) noexcept {
  if (missed == 0) {
    return 0;
  }
  std::uint64_t ours = 0;
  for (int number = 1; number < NSIG; ++number) {
    ours |= slot_of(number) == fd + 1 ? bit_of(number) : 0;
  }
  return missed.fetch_and(~ours) & ours;
}

void SignalRelay::block_in_this_thread() noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

SignalsBlocked::SignalsBlocked() noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before_);
}

SignalsBlocked::~SignalsBlocked() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace sluice::sys
