#pragma once

#include <cstddef>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "messages.hpp"

namespace bench {

/// Memory that begins at a line of the cache, for whoever sends much of it or reads much into it:
/// where it begins decides on a seventh of what the system's copy costs, and is to be the same for
/// all contenders.
template <class T>
struct AtCacheLine {
  using value_type = T;
  static constexpr std::align_val_t alignment{64};

  AtCacheLine() noexcept = default;
  template <class U>
  explicit AtCacheLine(const AtCacheLine<U>& /*other*/) noexcept {}
  [[nodiscard]] T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), alignment));
  }
  void deallocate(T* memory, std::size_t /*count*/) noexcept {
    ::operator delete(memory, alignment);
  }
  friend bool operator==(const AtCacheLine& /*a*/, const AtCacheLine& /*b*/) noexcept {
    return true;
  }
};

/// Bytes that are sent.
using Row = std::basic_string<char, std::char_traits<char>, AtCacheLine<char>>;
/// One for all connections of a thread.
using ReadBuffer = std::vector<char, AtCacheLine<char>>;

/// pattern() as a row.
inline Row row_pattern(std::size_t size) {
  return Row(std::string_view(pattern(size)));
}

/// The chunk over and over, always whole, in at least 64 KiB: who sends chunks without end need not
/// make a call for each.
inline Row row_of(std::string_view chunk) {
  constexpr std::size_t at_least = 64 * 1024;
  Row row;
  do {
    row += chunk;
  } while (!chunk.empty() && row.size() < at_least);
  return row;
}

}  // namespace bench
