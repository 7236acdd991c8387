#pragma once

#include <stdexcept>
#include <string>

namespace sluice::testing {

/// Throws, with `what` was attempted, unless OpenSSL has done it.
inline void require(bool done, const char* what) {
  if (!done) {
    throw std::runtime_error(std::string("OpenSSL failed at ") + what);
  }
}

}  // namespace sluice::testing
