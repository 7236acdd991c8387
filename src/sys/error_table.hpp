#pragma once

#include <cstdint>
#include <string_view>
#include <system_error>

namespace sluice::sys {

/// The calls whose errors are told apart.
enum class Call : std::uint8_t {
  read,
  write,
  send,
  recv,
  sendmmsg,
  recvmmsg,
  shutdown,
  accept,
  connect,
  socket,
  bind,
  listen,
  close,
  stat,
  unlink,
  fcntl,
  getsockopt,
  setsockopt,
  getsockname,
  getpeername,
  epoll_create,
  epoll_ctl,
  epoll_wait,
  eventfd,
  pipe,
  sigaction,
  pread,
  sendfile,
  splice,
  open,
  spawn,
  pidfd_send_signal,
  waitid,
  lseek,
  fsync,
  fchmod,
  rename,
  realpath,
};

/// What an errno of a call asks of us.
enum class Verdict : std::uint8_t {
  retry,        ///< Call again: a signal came in between, or only this one attempt was unlucky.
  would_block,  ///< Not now; readiness will be announced.
  peer_gone,    ///< The other end is gone; the connection is lost, and nobody is to blame.
  out_of_resources,  ///< The process or the machine has none left; later perhaps.
  our_bug,           ///< We passed nonsense; fails in debug builds.
  operating_error,   ///< The world is not as wished; told to the user.
};

/// The place of `error` in the one table of all errors. What the table does not list is an
/// operating error.
[[nodiscard]] Verdict classify(Call call, int error) noexcept;

/// The same; ends the process in debug builds if the error is a bug of ours.
[[nodiscard]] Verdict judge(Call call, int error) noexcept;

/// The name of the manual page, for messages.
[[nodiscard]] std::string_view name_of(Call call) noexcept;

[[nodiscard]] inline std::error_code to_error_code(int error) noexcept {
  return {error, std::system_category()};
}

}  // namespace sluice::sys
