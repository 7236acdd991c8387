// An Fd closes its descriptor, so two of them must not own the same one.
#include <sluice/fd.hpp>

#include <utility>

sluice::Fd passed_on(sluice::Fd fd) {
#ifdef MUST_NOT_COMPILE
  sluice::Fd copy = fd;
  return copy;
#else
  sluice::Fd moved = std::move(fd);
  return moved;
#endif
}
