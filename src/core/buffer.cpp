#include "sluice/buffer.hpp"

#include <algorithm>
#include <cstring>

namespace sluice {

Buffer Buffer::copy_of(Bytes bytes) {
  if (bytes.empty()) {
    return {};
  }
  auto storage = std::make_shared_for_overwrite<std::byte[]>(bytes.size());
  std::memcpy(storage.get(), bytes.data(), bytes.size());
  const Bytes copied(storage.get(), bytes.size());
  return {std::move(storage), copied};
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
