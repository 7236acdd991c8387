#pragma once

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <bit>
#include <cstddef>

#include "sluice/socket_address.hpp"

namespace sluice::sys {

// The constants of system headers that other folders need, under names of ours: only sys/ includes
// those headers.

inline constexpr int nonblocking_flag = O_NONBLOCK;
/// Whether the flags of an open file, from get_status_flags, allow reading.
[[nodiscard]] constexpr bool opened_for_reading(int status_flags) noexcept {
  return (status_flags & O_ACCMODE) != O_WRONLY && (status_flags & O_PATH) == 0;
}
inline constexpr int open_for_writing = O_WRONLY;
inline constexpr int open_creating = O_WRONLY | O_CREAT;
inline constexpr int open_exclusively = O_EXCL;
inline constexpr int open_truncating = O_TRUNC;
inline constexpr int open_appending = O_APPEND;
inline constexpr int open_a_directory = O_RDONLY | O_DIRECTORY;
/// ELOOP for a symbolic link, wherever it leads.
inline constexpr int open_no_link = O_RDONLY | O_NOFOLLOW;
/// The bits of a mode that say who may do what.
inline constexpr mode_t permission_bits = S_IRWXU | S_IRWXG | S_IRWXO;
/// A call moves INT_MAX bytes at most, less what they are beyond a whole page, be it one of 64 KiB.
/// Who moves so many has not found the other end full.
inline constexpr std::size_t longest_transfer_bytes = 0x7fff0000;
inline constexpr int shut_write = SHUT_WR;
inline constexpr int stream_type = SOCK_STREAM;
/// What Resolved::error says when there is no memory for the answer.
inline constexpr int no_memory_to_resolve = EAI_MEMORY;
inline constexpr int datagram_type = SOCK_DGRAM;
inline constexpr int terminate_signal = SIGTERM;
inline constexpr int kill_signal = SIGKILL;

/// An option of setsockopt(2) and getsockopt(2).
struct SocketOption {
  int level;
  int name;
};
inline constexpr SocketOption no_delay{IPPROTO_TCP, TCP_NODELAY};
inline constexpr SocketOption keep_alive{SOL_SOCKET, SO_KEEPALIVE};
inline constexpr SocketOption reuse_address{SOL_SOCKET, SO_REUSEADDR};
inline constexpr SocketOption reuse_port{SOL_SOCKET, SO_REUSEPORT};
inline constexpr SocketOption broadcast{SOL_SOCKET, SO_BROADCAST};
inline constexpr SocketOption udp_segment{SOL_UDP, UDP_SEGMENT};
inline constexpr SocketOption ipv6_only{IPPROTO_IPV6, IPV6_V6ONLY};
inline constexpr SocketOption pending_error{SOL_SOCKET, SO_ERROR};
inline constexpr SocketOption socket_type{SOL_SOCKET, SO_TYPE};

/// The bytes of a sockaddr of IPv4 before anything is known: behind the family stand port and
/// address, side by side, and behind them zeros.
inline constexpr auto empty_ipv4_address =
    std::bit_cast<std::array<std::byte, sizeof(sockaddr_in)>>(sockaddr_in{.sin_family = AF_INET});
inline constexpr std::size_t ipv4_port_offset = offsetof(sockaddr_in, sin_port);

/// The kinds of file that a pipe transport can be made of, and the rest.
enum class FileKind { fifo, socket, character_device, directory, regular, block_device, other };

[[nodiscard]] inline FileKind file_kind(mode_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFIFO:
      return FileKind::fifo;
    case S_IFSOCK:
      return FileKind::socket;
    case S_IFCHR:
      return FileKind::character_device;
    case S_IFDIR:
      return FileKind::directory;
    case S_IFREG:
      return FileKind::regular;
    case S_IFBLK:
      return FileKind::block_device;
    default:
      return FileKind::other;
  }
}

/// AF_INET, AF_INET6, AF_UNIX of an address, for socket(2).
[[nodiscard]] inline int socket_domain(AddressFamily family) noexcept {
  switch (family) {
    case AddressFamily::ipv4:
      return AF_INET;
    case AddressFamily::ipv6:
      return AF_INET6;
    case AddressFamily::unix_path:
    case AddressFamily::unix_abstract:
    case AddressFamily::unix_unnamed:
      return AF_UNIX;
    case AddressFamily::unspecified:
      break;
  }
  return AF_UNSPEC;
}

}  // namespace sluice::sys
