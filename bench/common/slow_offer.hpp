#pragma once

#include <cstddef>

namespace bench {

/// What `slow` offers to a client that begins with 'S': 100 MB in whole chunks.
inline constexpr std::size_t slow_chunk_bytes = 16 * 1024;
inline constexpr std::size_t slow_chunks = 100 * 1000 * 1000 / slow_chunk_bytes;

}  // namespace bench
