#pragma once

#include <string>

#include "sys/system_calls.hpp"

namespace sluice::transports {

/// Removes a socket file that is in the way of a bind, as asyncio does, even if somebody still uses
/// it (W-191). Throws std::system_error for a file of another kind, and when it cannot be removed.
void remove_stale_socket(sys::SystemCalls& sys, const std::string& path);

/// The file of a bound Unix socket, to be removed with it; or none.
class SocketPath {
 public:
  /// Removes `path` on remove() as long as it is the file that it is now (W-191).
  void own(sys::SystemCalls& sys, const std::string& path);
  /// Once; somebody else may have bound the same path since.
  void remove(sys::SystemCalls& sys) noexcept;

 private:
  std::string path_;
  sys::FileStatus status_;
};

}  // namespace sluice::transports
