// A Buffer is immutable, because others may share its bytes.
#include <sluice/buffer.hpp>

std::byte first_byte(const sluice::Buffer& buffer) {
#ifdef MUST_NOT_COMPILE
  buffer.bytes()[0] = std::byte{1};
#endif
  return buffer.bytes()[0];
}
