#include "sys/error_table.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace sluice::sys {
namespace {

struct Row {
  Call call;
  int error;
  Verdict verdict;
};

using enum Verdict;

// One row for each errno that the manual pages of Debian 12 name for the call, in their order.
// EWOULDBLOCK is EAGAIN on Linux.
constexpr Row table[] = {
    {Call::read, EAGAIN, would_block},
    // A descriptor that is not open for reading is the user's choice, not ours.
    {Call::read, EBADF, operating_error},
    {Call::read, EFAULT, our_bug},
    {Call::read, EINTR, retry},
    {Call::read, EINVAL, operating_error},
    // A tty whose other end is gone.
    {Call::read, EIO, peer_gone},
    {Call::read, EISDIR, operating_error},
    {Call::read, ECONNRESET, peer_gone},
    {Call::read, ETIMEDOUT, peer_gone},

    {Call::write, EAGAIN, would_block},
    {Call::write, EBADF, operating_error},
    {Call::write, EDESTADDRREQ, operating_error},
    {Call::write, EDQUOT, operating_error},
    {Call::write, EFAULT, our_bug},
    {Call::write, EFBIG, operating_error},
    {Call::write, EINTR, retry},
    {Call::write, EINVAL, operating_error},
    {Call::write, EIO, peer_gone},
    {Call::write, ENOSPC, operating_error},
    {Call::write, EPERM, operating_error},
    {Call::write, EPIPE, peer_gone},
    {Call::write, ECONNRESET, peer_gone},
    {Call::write, ETIMEDOUT, peer_gone},

    {Call::send, EACCES, operating_error},
    {Call::send, EAGAIN, would_block},
    {Call::send, EALREADY, operating_error},
    {Call::send, EBADF, our_bug},
    {Call::send, ECONNRESET, peer_gone},
    {Call::send, EDESTADDRREQ, operating_error},
    {Call::send, EFAULT, our_bug},
    {Call::send, EINTR, retry},
    {Call::send, EINVAL, our_bug},
    {Call::send, EISCONN, our_bug},
    {Call::send, EMSGSIZE, operating_error},
    {Call::send, ENOBUFS, operating_error},
    {Call::send, ENOMEM, operating_error},
    {Call::send, ENOTCONN, peer_gone},
    {Call::send, ENOTSOCK, our_bug},
    {Call::send, EOPNOTSUPP, our_bug},
    {Call::send, EPIPE, peer_gone},
    {Call::send, ETIMEDOUT, peer_gone},
    {Call::send, EHOSTUNREACH, peer_gone},
    {Call::send, ENETUNREACH, peer_gone},
    {Call::send, ENETDOWN, operating_error},

    {Call::recv, EAGAIN, would_block},
    {Call::recv, EBADF, our_bug},
    {Call::recv, ECONNREFUSED, peer_gone},
    {Call::recv, ECONNRESET, peer_gone},
    {Call::recv, EFAULT, our_bug},
    {Call::recv, EINTR, retry},
    {Call::recv, EINVAL, our_bug},
    {Call::recv, ENOMEM, operating_error},
    {Call::recv, ENOTCONN, peer_gone},
    {Call::recv, ENOTSOCK, our_bug},
    {Call::recv, ETIMEDOUT, peer_gone},
    {Call::recv, EHOSTUNREACH, peer_gone},
    {Call::recv, ENETUNREACH, peer_gone},

    // What is wrong with one datagram, most often its address or its size, is no reason to give up
    // the socket; so little here is more than an operating error.
    {Call::sendmmsg, EACCES, operating_error},
    {Call::sendmmsg, EAGAIN, would_block},
    {Call::sendmmsg, EBADF, our_bug},
    {Call::sendmmsg, ECONNREFUSED, operating_error},
    {Call::sendmmsg, ECONNRESET, operating_error},
    {Call::sendmmsg, EDESTADDRREQ, operating_error},
    {Call::sendmmsg, EFAULT, our_bug},
    {Call::sendmmsg, EINTR, retry},
    // Port 0, or a segment that is longer than the way allows.
    {Call::sendmmsg, EINVAL, operating_error},
    // A device that cannot cut segments.
    {Call::sendmmsg, EIO, operating_error},
    {Call::sendmmsg, EISCONN, operating_error},
    {Call::sendmmsg, EMSGSIZE, operating_error},
    {Call::sendmmsg, ENETUNREACH, operating_error},
    {Call::sendmmsg, EHOSTUNREACH, operating_error},
    {Call::sendmmsg, ENOBUFS, operating_error},
    {Call::sendmmsg, ENOENT, operating_error},
    {Call::sendmmsg, ENOMEM, operating_error},
    {Call::sendmmsg, ENOTCONN, operating_error},
    {Call::sendmmsg, ENOTSOCK, our_bug},
    {Call::sendmmsg, EPERM, operating_error},
    {Call::sendmmsg, EPIPE, operating_error},
    {Call::sendmmsg, EPROTOTYPE, operating_error},

    // Mostly what became of a datagram that was sent before.
    {Call::recvmmsg, EAGAIN, would_block},
    {Call::recvmmsg, EBADF, our_bug},
    {Call::recvmmsg, ECONNREFUSED, operating_error},
    {Call::recvmmsg, ECONNRESET, operating_error},
    {Call::recvmmsg, EFAULT, our_bug},
    {Call::recvmmsg, EINTR, retry},
    {Call::recvmmsg, EINVAL, our_bug},
    {Call::recvmmsg, ENOMEM, operating_error},
    {Call::recvmmsg, ENOTSOCK, our_bug},

    {Call::shutdown, EBADF, our_bug},
    {Call::shutdown, EINVAL, our_bug},
    {Call::shutdown, ENOTCONN, peer_gone},
    {Call::shutdown, ENOTSOCK, our_bug},

    // accept(2) passes on errors of the network that concern one connection only: take the next
    // one.
    {Call::accept, EAGAIN, would_block},
    {Call::accept, EBADF, our_bug},
    {Call::accept, ECONNABORTED, retry},
    {Call::accept, EFAULT, our_bug},
    {Call::accept, EINTR, retry},
    {Call::accept, EINVAL, our_bug},
    {Call::accept, EMFILE, out_of_resources},
    {Call::accept, ENFILE, out_of_resources},
    {Call::accept, ENOBUFS, out_of_resources},
    {Call::accept, ENOMEM, out_of_resources},
    {Call::accept, ENOTSOCK, our_bug},
    {Call::accept, EOPNOTSUPP, our_bug},
    {Call::accept, EPERM, operating_error},
    {Call::accept, EPROTO, retry},
    {Call::accept, ENETDOWN, retry},
    {Call::accept, ENOPROTOOPT, retry},
    {Call::accept, EHOSTDOWN, retry},
    {Call::accept, ENONET, retry},
    {Call::accept, EHOSTUNREACH, retry},
    {Call::accept, ENETUNREACH, retry},

    {Call::connect, EACCES, operating_error},
    {Call::connect, EPERM, operating_error},
    {Call::connect, EADDRINUSE, operating_error},
    {Call::connect, EADDRNOTAVAIL, operating_error},
    {Call::connect, EAFNOSUPPORT, operating_error},
    // A Unix socket whose queue is full: no readiness will be announced, so it is tried again by
    // timer.
    {Call::connect, EAGAIN, retry},
    {Call::connect, EALREADY, our_bug},
    {Call::connect, EBADF, our_bug},
    {Call::connect, ECONNREFUSED, operating_error},
    {Call::connect, EFAULT, our_bug},
    {Call::connect, EINPROGRESS, would_block},
    // An interrupted connect goes on by itself.
    {Call::connect, EINTR, would_block},
    {Call::connect, EISCONN, our_bug},
    {Call::connect, ENETUNREACH, operating_error},
    {Call::connect, EHOSTUNREACH, operating_error},
    {Call::connect, ENOTSOCK, our_bug},
    {Call::connect, EPROTOTYPE, operating_error},
    {Call::connect, ETIMEDOUT, operating_error},
    {Call::connect, ENOENT, operating_error},
    {Call::connect, ENOTDIR, operating_error},
    {Call::connect, ELOOP, operating_error},

    {Call::socket, EACCES, operating_error},
    {Call::socket, EAFNOSUPPORT, operating_error},
    {Call::socket, EINVAL, our_bug},
    {Call::socket, EMFILE, out_of_resources},
    {Call::socket, ENFILE, out_of_resources},
    {Call::socket, ENOBUFS, out_of_resources},
    {Call::socket, ENOMEM, out_of_resources},
    {Call::socket, EPROTONOSUPPORT, operating_error},

    {Call::bind, EACCES, operating_error},
    {Call::bind, EADDRINUSE, operating_error},
    {Call::bind, EBADF, our_bug},
    {Call::bind, EINVAL, operating_error},
    {Call::bind, ENOTSOCK, our_bug},
    {Call::bind, EADDRNOTAVAIL, operating_error},
    {Call::bind, EFAULT, our_bug},
    {Call::bind, ELOOP, operating_error},
    {Call::bind, ENAMETOOLONG, operating_error},
    {Call::bind, ENOENT, operating_error},
    {Call::bind, ENOMEM, out_of_resources},
    {Call::bind, ENOTDIR, operating_error},
    {Call::bind, EROFS, operating_error},

    {Call::listen, EADDRINUSE, operating_error},
    {Call::listen, EBADF, our_bug},
    {Call::listen, ENOTSOCK, our_bug},
    {Call::listen, EOPNOTSUPP, operating_error},

    // Linux frees the descriptor before it can fail: never close twice.
    {Call::close, EBADF, our_bug},
    {Call::close, EINTR, operating_error},
    {Call::close, EIO, operating_error},
    {Call::close, ENOSPC, operating_error},
    {Call::close, EDQUOT, operating_error},

    {Call::stat, EACCES, operating_error},
    // Of a descriptor the user gave us.
    {Call::stat, EBADF, operating_error},
    {Call::stat, EFAULT, our_bug},
    {Call::stat, ELOOP, operating_error},
    {Call::stat, ENAMETOOLONG, operating_error},
    {Call::stat, ENOENT, operating_error},
    {Call::stat, ENOMEM, out_of_resources},
    {Call::stat, ENOTDIR, operating_error},
    {Call::stat, EOVERFLOW, operating_error},

    {Call::unlink, EACCES, operating_error},
    {Call::unlink, EBUSY, operating_error},
    {Call::unlink, EFAULT, our_bug},
    {Call::unlink, EIO, operating_error},
    {Call::unlink, EISDIR, operating_error},
    {Call::unlink, ELOOP, operating_error},
    {Call::unlink, ENAMETOOLONG, operating_error},
    {Call::unlink, ENOENT, operating_error},
    {Call::unlink, ENOMEM, out_of_resources},
    {Call::unlink, ENOTDIR, operating_error},
    {Call::unlink, EPERM, operating_error},
    {Call::unlink, EROFS, operating_error},

    {Call::fcntl, EBADF, operating_error},
    {Call::fcntl, EINVAL, our_bug},
    {Call::fcntl, EMFILE, out_of_resources},
    {Call::fcntl, EPERM, operating_error},

    {Call::getsockopt, EBADF, our_bug},
    {Call::getsockopt, EFAULT, our_bug},
    {Call::getsockopt, EINVAL, our_bug},
    {Call::getsockopt, ENOPROTOOPT, operating_error},
    {Call::getsockopt, ENOTSOCK, operating_error},

    {Call::setsockopt, EBADF, our_bug},
    {Call::setsockopt, EFAULT, our_bug},
    {Call::setsockopt, EINVAL, operating_error},
    {Call::setsockopt, ENOPROTOOPT, operating_error},
    {Call::setsockopt, EOPNOTSUPP, operating_error},
    {Call::setsockopt, ENOTSOCK, our_bug},

    {Call::getsockname, EBADF, our_bug},
    {Call::getsockname, EFAULT, our_bug},
    {Call::getsockname, EINVAL, our_bug},
    {Call::getsockname, ENOBUFS, operating_error},
    {Call::getsockname, ENOTSOCK, operating_error},

    {Call::getpeername, EBADF, our_bug},
    {Call::getpeername, EFAULT, our_bug},
    {Call::getpeername, EINVAL, our_bug},
    {Call::getpeername, ENOBUFS, operating_error},
    {Call::getpeername, ENOTCONN, operating_error},
    {Call::getpeername, ENOTSOCK, operating_error},

    {Call::epoll_create, EINVAL, our_bug},
    {Call::epoll_create, EMFILE, out_of_resources},
    {Call::epoll_create, ENFILE, out_of_resources},
    {Call::epoll_create, ENOMEM, out_of_resources},

    {Call::epoll_ctl, EBADF, our_bug},
    {Call::epoll_ctl, EEXIST, our_bug},
    {Call::epoll_ctl, EINVAL, our_bug},
    {Call::epoll_ctl, ELOOP, operating_error},
    {Call::epoll_ctl, ENOENT, our_bug},
    {Call::epoll_ctl, ENOMEM, out_of_resources},
    {Call::epoll_ctl, ENOSPC, out_of_resources},
    // A file that is always ready, such as /dev/null.
    {Call::epoll_ctl, EPERM, operating_error},

    {Call::epoll_wait, EBADF, our_bug},
    {Call::epoll_wait, EFAULT, our_bug},
    {Call::epoll_wait, EINTR, retry},
    {Call::epoll_wait, EINVAL, our_bug},

    {Call::eventfd, EINVAL, our_bug},
    {Call::eventfd, EMFILE, out_of_resources},
    {Call::eventfd, ENFILE, out_of_resources},
    {Call::eventfd, ENODEV, operating_error},
    {Call::eventfd, ENOMEM, out_of_resources},

    {Call::pipe, EFAULT, our_bug},
    {Call::pipe, EINVAL, our_bug},
    {Call::pipe, EMFILE, out_of_resources},
    {Call::pipe, ENFILE, out_of_resources},

    {Call::sigaction, EFAULT, our_bug},
    // SIGKILL and SIGSTOP.
    {Call::sigaction, EINVAL, operating_error},

    {Call::pread, EBADF, operating_error},
    {Call::pread, EFAULT, our_bug},
    {Call::pread, EINTR, retry},
    {Call::pread, EINVAL, operating_error},
    {Call::pread, EIO, operating_error},
    {Call::pread, EISDIR, operating_error},
    {Call::pread, ENXIO, operating_error},
    {Call::pread, EOVERFLOW, operating_error},
    {Call::pread, ESPIPE, operating_error},

    // An operating error here is one of the file; what concerns the socket is peer_gone or
    // out_of_resources.
    {Call::sendfile, EAGAIN, would_block},
    {Call::sendfile, EBADF, operating_error},
    {Call::sendfile, EFAULT, our_bug},
    {Call::sendfile, EINTR, retry},
    {Call::sendfile, EINVAL, operating_error},
    {Call::sendfile, EIO, operating_error},
    {Call::sendfile, ENOMEM, out_of_resources},
    {Call::sendfile, EOVERFLOW, operating_error},
    // A sandbox.
    {Call::sendfile, EPERM, operating_error},
    {Call::sendfile, ESPIPE, operating_error},
    {Call::sendfile, ECONNRESET, peer_gone},
    {Call::sendfile, EHOSTUNREACH, peer_gone},
    {Call::sendfile, ENETDOWN, out_of_resources},
    {Call::sendfile, ENETUNREACH, peer_gone},
    {Call::sendfile, ENOBUFS, out_of_resources},
    {Call::sendfile, ENOTCONN, peer_gone},
    {Call::sendfile, EPIPE, peer_gone},
    {Call::sendfile, ETIMEDOUT, peer_gone},

    // Likewise; the errors of reading from a socket are those of recv.
    {Call::splice, EAGAIN, would_block},
    {Call::splice, EBADF, operating_error},
    {Call::splice, EINTR, retry},
    {Call::splice, EINVAL, operating_error},
    {Call::splice, EIO, operating_error},
    {Call::splice, ENOMEM, out_of_resources},
    {Call::splice, EPERM, operating_error},
    {Call::splice, ESPIPE, operating_error},
    {Call::splice, ECONNRESET, peer_gone},
    {Call::splice, EHOSTUNREACH, peer_gone},
    {Call::splice, ENETDOWN, out_of_resources},
    {Call::splice, ENETUNREACH, peer_gone},
    {Call::splice, ENOBUFS, out_of_resources},
    {Call::splice, ENOTCONN, peer_gone},
    {Call::splice, EPIPE, peer_gone},
    {Call::splice, ETIMEDOUT, peer_gone},

    {Call::open, EACCES, operating_error},
    {Call::open, EBUSY, operating_error},
    {Call::open, EDQUOT, operating_error},
    {Call::open, EEXIST, operating_error},
    {Call::open, EFAULT, our_bug},
    {Call::open, EFBIG, operating_error},
    // Of a file system that can be slow, such as one of the network.
    {Call::open, EINTR, retry},
    {Call::open, EINVAL, operating_error},
    {Call::open, EISDIR, operating_error},
    {Call::open, ELOOP, operating_error},
    {Call::open, EMFILE, out_of_resources},
    {Call::open, ENAMETOOLONG, operating_error},
    {Call::open, ENFILE, out_of_resources},
    {Call::open, ENODEV, operating_error},
    {Call::open, ENOENT, operating_error},
    {Call::open, ENOMEM, out_of_resources},
    {Call::open, ENOSPC, operating_error},
    {Call::open, ENOTDIR, operating_error},
    {Call::open, ENXIO, operating_error},
    {Call::open, EOPNOTSUPP, operating_error},
    {Call::open, EOVERFLOW, operating_error},
    {Call::open, EPERM, operating_error},
    {Call::open, EROFS, operating_error},
    {Call::open, ETXTBSY, operating_error},

    // What execve(2), clone(2) and pidfd_open(2) answer; the command is the user's.
    {Call::spawn, E2BIG, operating_error},
    {Call::spawn, EACCES, operating_error},
    {Call::spawn, EAGAIN, out_of_resources},
    {Call::spawn, EBADF, operating_error},
    {Call::spawn, EFAULT, our_bug},
    {Call::spawn, EINVAL, operating_error},
    {Call::spawn, EIO, operating_error},
    {Call::spawn, EISDIR, operating_error},
    {Call::spawn, ELIBBAD, operating_error},
    {Call::spawn, ELOOP, operating_error},
    {Call::spawn, EMFILE, out_of_resources},
    {Call::spawn, ENAMETOOLONG, operating_error},
    {Call::spawn, ENFILE, out_of_resources},
    {Call::spawn, ENODEV, operating_error},
    {Call::spawn, ENOENT, operating_error},
    {Call::spawn, ENOEXEC, operating_error},
    {Call::spawn, ENOMEM, out_of_resources},
    {Call::spawn, ENOSYS, operating_error},
    {Call::spawn, ENOTDIR, operating_error},
    {Call::spawn, EPERM, operating_error},
    {Call::spawn, ETXTBSY, operating_error},

    {Call::pidfd_send_signal, EBADF, our_bug},
    {Call::pidfd_send_signal, EINVAL, operating_error},
    {Call::pidfd_send_signal, EPERM, operating_error},
    // It has been collected, by us or by somebody else.
    {Call::pidfd_send_signal, ESRCH, peer_gone},

    // Somebody else has collected it.
    {Call::waitid, ECHILD, peer_gone},
    {Call::waitid, EINTR, retry},
    {Call::waitid, EINVAL, our_bug},

    {Call::lseek, EBADF, our_bug},
    // An offset that is larger than any file.
    {Call::lseek, EINVAL, operating_error},
    {Call::lseek, ENXIO, operating_error},
    {Call::lseek, EOVERFLOW, operating_error},
    {Call::lseek, ESPIPE, operating_error},

    {Call::fsync, EBADF, our_bug},
    {Call::fsync, EINTR, retry},
    {Call::fsync, EIO, operating_error},
    {Call::fsync, ENOSPC, operating_error},
    // A device or a file system that has nothing to synchronize.
    {Call::fsync, EROFS, operating_error},
    {Call::fsync, EINVAL, operating_error},
    {Call::fsync, EDQUOT, operating_error},

    {Call::fchmod, EBADF, our_bug},
    {Call::fchmod, EIO, operating_error},
    {Call::fchmod, ENOMEM, out_of_resources},
    {Call::fchmod, EPERM, operating_error},
    {Call::fchmod, EROFS, operating_error},

    {Call::rename, EACCES, operating_error},
    {Call::rename, EBUSY, operating_error},
    {Call::rename, EDQUOT, operating_error},
    {Call::rename, EFAULT, our_bug},
    {Call::rename, EINVAL, operating_error},
    {Call::rename, EISDIR, operating_error},
    {Call::rename, ELOOP, operating_error},
    {Call::rename, EMLINK, operating_error},
    {Call::rename, ENAMETOOLONG, operating_error},
    {Call::rename, ENOENT, operating_error},
    {Call::rename, ENOMEM, out_of_resources},
    {Call::rename, ENOSPC, operating_error},
    {Call::rename, ENOTDIR, operating_error},
    {Call::rename, ENOTEMPTY, operating_error},
    {Call::rename, EEXIST, operating_error},
    {Call::rename, EPERM, operating_error},
    {Call::rename, EROFS, operating_error},
    {Call::rename, EXDEV, operating_error},

    {Call::realpath, EACCES, operating_error},
    {Call::realpath, EINVAL, operating_error},
    {Call::realpath, EIO, operating_error},
    {Call::realpath, ELOOP, operating_error},
    {Call::realpath, ENAMETOOLONG, operating_error},
    {Call::realpath, ENOENT, operating_error},
    {Call::realpath, ENOMEM, out_of_resources},
    {Call::realpath, ENOTDIR, operating_error},
};

struct Name {
  Call call;
  std::string_view text;
};

constexpr Name names[] = {
    {Call::read, "read"},
    {Call::write, "write"},
    {Call::send, "send"},
    {Call::recv, "recv"},
    {Call::sendmmsg, "sendmmsg"},
    {Call::recvmmsg, "recvmmsg"},
    {Call::shutdown, "shutdown"},
    {Call::accept, "accept"},
    {Call::connect, "connect"},
    {Call::socket, "socket"},
    {Call::bind, "bind"},
    {Call::listen, "listen"},
    {Call::close, "close"},
    {Call::stat, "stat"},
    {Call::unlink, "unlink"},
    {Call::fcntl, "fcntl"},
    {Call::getsockopt, "getsockopt"},
    {Call::setsockopt, "setsockopt"},
    {Call::getsockname, "getsockname"},
    {Call::getpeername, "getpeername"},
    {Call::epoll_create, "epoll_create"},
    {Call::epoll_ctl, "epoll_ctl"},
    {Call::epoll_wait, "epoll_wait"},
    {Call::eventfd, "eventfd"},
    {Call::pipe, "pipe"},
    {Call::sigaction, "sigaction"},
    {Call::pread, "pread"},
    {Call::sendfile, "sendfile"},
    {Call::splice, "splice"},
    {Call::open, "open"},
    {Call::spawn, "spawn"},
    {Call::pidfd_send_signal, "pidfd_send_signal"},
    {Call::waitid, "waitid"},
    {Call::lseek, "lseek"},
    {Call::fsync, "fsync"},
    {Call::fchmod, "fchmod"},
    {Call::rename, "rename"},
    {Call::realpath, "realpath"},
};

}  // namespace

Verdict classify(Call call, int error) noexcept {
  const auto* row = std::find_if(std::begin(table), std::end(table), [&](const Row& candidate) {
    return candidate.call == call && candidate.error == error;
  });
  return row == std::end(table) ? operating_error : row->verdict;
}

Verdict judge(Call call, int error) noexcept {
  const Verdict verdict = classify(call, error);
#if defined(SLUICE_DEBUG_CHECKS) && SLUICE_DEBUG_CHECKS
  if (verdict == our_bug) {
    std::fprintf(stderr, "sluice: %s failed with errno %d, which only a bug of sluice can cause\n",
                 name_of(call).data(), error);
    std::abort();
  }
#endif
  return verdict;
}

std::string_view name_of(Call call) noexcept {
  const auto* named = std::find_if(std::begin(names), std::end(names),
                                   [&](const Name& candidate) { return candidate.call == call; });
  return named == std::end(names) ? std::string_view("a system call") : named->text;
}

}  // namespace sluice::sys
