#include "transports/socket_path.hpp"

#include <cerrno>
#include <system_error>

#include "sys/constants.hpp"
#include "sys/error_table.hpp"

namespace sluice::transports {

void remove_stale_socket(sys::SystemCalls& sys, const std::string& path) {
  const sys::Result<sys::FileStatus> status = sys.stat(path);
  if (!status.ok()) {
    return;
  }
  if (sys::file_kind(status.value.mode) != sys::FileKind::socket) {
    throw std::system_error(
        sys::to_error_code(EADDRINUSE),
        "Address '" + path + "' is already in use by a file that is not a socket");
  }
  const sys::Status removed = sys.unlink(path);
  if (!removed.ok()) {
    throw std::system_error(sys::to_error_code(removed.error),
                            "removing the old socket '" + path + "'");
  }
}

void SocketPath::own(sys::SystemCalls& sys, const std::string& path) {
  const sys::Result<sys::FileStatus> status = sys.stat(path);
  if (status.ok()) {
    path_ = path;
    status_ = status.value;
  }
}

void SocketPath::remove(sys::SystemCalls& sys) noexcept {
  if (path_.empty()) {
    return;
  }
  const sys::Result<sys::FileStatus> status = sys.stat(path_);
  if (status.ok() && status.value.device == status_.device && status.value.inode == status_.inode) {
    static_cast<void>(sys.unlink(path_));
  }
  path_.clear();
}

}  // namespace sluice::transports
