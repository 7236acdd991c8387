// from_static keeps no copy, so a string that is about to die must be refused.
#include <sluice/buffer.hpp>

#include <string>

sluice::Buffer greeting() {
#ifdef MUST_NOT_COMPILE
  return sluice::Buffer::from_static(std::string("hello"));
#else
  return sluice::Buffer::from_static("hello");
#endif
}
