#pragma once

#include <memory>
#include <optional>
#include <string>

#include "loop/loop_core.hpp"
#include "sluice/detail/protocol_binding.hpp"
#include "sluice/fd.hpp"
#include "sluice/future.hpp"
#include "sluice/transport.hpp"
#include "transports/fd_transport.hpp"

namespace sluice::transports {

/// A Future of this loop.
template <class T>
[[nodiscard]] Future<T> make_future(loop::LoopCore& loop) {
  return Future<T>(std::make_shared<detail::FutureState<T>>(loop.scheduler()));
}

/// Closes by the loop's system what nobody took over. (Fd closes by the real one.)
class OwnedFd {
 public:
  OwnedFd() noexcept = default;
  OwnedFd(loop::LoopCore& loop, int fd) noexcept : sys_(&loop.sys()), fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : sys_(other.sys_), fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(sys_, other.sys_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd() {
    if (fd_ >= 0) {
      static_cast<void>(sys_->close(fd_));
    }
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] Fd release() noexcept { return Fd(std::exchange(fd_, -1)); }

 private:
  sys::SystemCalls* sys_ = nullptr;
  int fd_ = -1;
};

/// SocketAddress::from_unix_path with operating errors: throws std::system_error, invalid_argument
/// for no path at all and filename_too_long for one that does not fit.
[[nodiscard]] SocketAddress unix_address(const std::string& path);

/// Where a connected socket came from.
enum class SocketOrigin : std::uint8_t {
  ours,      ///< The library connected it.
  accepted,  ///< A listener of the library accepted it; it has inherited the listener's options.
  adopted,   ///< The user connected it; others may share it.
};

/// Probes a connected stream socket and takes it over, unless that throws. `peer` is its address if
/// that is known already.
[[nodiscard]] Birth stream_birth(loop::LoopCore& loop, OwnedFd& fd, SocketOrigin origin,
                                 std::optional<SocketAddress> peer);

/// Makes the transport and completes `future` once it has begun; cancelling the future closes it
/// (W-87). A protocol that cannot be served reaches the future, and the descriptor is closed.
template <class Kind>
void establish(loop::LoopCore& loop, Birth birth, std::shared_ptr<BaseProtocol> protocol,
               const Future<detail::Established<Kind>>& future) {
  try {
    const auto made = std::make_shared<std::weak_ptr<FdTransport>>();
    future.set_on_cancel([made] {
      if (const auto alive = made->lock()) {
        alive->close();
      }
    });
    const auto transport = FdTransport::create(
        loop, std::move(birth), protocol,
        [future, made, protocol] {
          if (!future.done()) {
            future.set_result(detail::Established<Kind>{made->lock(), protocol});
          }
        },
        [future](std::exception_ptr failure) {
          if (!future.done()) {
            future.set_exception(std::move(failure));
          }
        });
    *made = transport;
  } catch (...) {
    future.set_exception(std::current_exception());
  }
}

}  // namespace sluice::transports
