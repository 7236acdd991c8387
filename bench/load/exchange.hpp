#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sha256.hpp"

namespace bench {

/// Sends `bytes` while it receives `awaited` bytes, in whatever order the server takes and gives
/// them, and adds what came to `sum`. Throws when nothing moves for a minute, or the peer is gone.
void exchange(int fd, std::string_view bytes, std::size_t awaited, Sha256& sum);

/// `text` so many times.
std::string repeat(std::string_view text, std::size_t times);

}  // namespace bench
