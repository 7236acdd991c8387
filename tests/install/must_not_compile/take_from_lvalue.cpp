// take() empties its argument, so the caller has to say std::move.
#include <sluice/buffer.hpp>

#include <string>
#include <utility>

sluice::Buffer taken(std::string text) {
#ifdef MUST_NOT_COMPILE
  return sluice::Buffer::take(text);
#else
  return sluice::Buffer::take(std::move(text));
#endif
}
