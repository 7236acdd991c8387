#pragma once

#include <string>

namespace sluice::cli {

/// Why a path that somebody_listens() on is not taken from him.
inline constexpr const char* socket_in_use = "address in use: somebody listens on it";

/// Whether a Unix socket path is that of a live server: asyncio, and so the library, would take it
/// over. Tries to connect, which a live server sees as a client that leaves at once.
[[nodiscard]] bool somebody_listens(const std::string& path);

}  // namespace sluice::cli
