#include "sluice/buffer.hpp"

#include <algorithm>
#include <cstring>

#include "core/fast_copy.hpp"

namespace sluice {
namespace {

// From here on it is worth the room in front of it.
constexpr std::size_t large_bytes = 4096;

}  // namespace

Buffer Buffer::copy_of(Bytes bytes) {
  if (bytes.empty()) {
    return {};
  }
  const bool large = bytes.size() >= large_bytes;
  auto storage = std::make_shared_for_overwrite<std::byte[]>(bytes.size() +
                                                             (large ? core::fast_copy_slack : 0));
  std::byte* const begin = large ? core::fast_copy_begin(storage.get()) : storage.get();
  std::memcpy(begin, bytes.data(), bytes.size());
  return {std::move(storage), Bytes(begin, bytes.size())};
}

Buffer Buffer::take(std::string&& text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  const Bytes bytes = as_bytes(*owner);
  return {std::move(owner), bytes};
}

Buffer Buffer::take(std::vector<std::byte>&& bytes) {
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  const Bytes view(*owner);
  return {std::move(owner), view};
}

Buffer Buffer::slice(std::size_t offset, std::size_t count) const {
  const std::size_t start = std::min(offset, size());
  return {owner_, bytes_.subspan(start, std::min(count, size() - start))};
}

}  // namespace sluice
