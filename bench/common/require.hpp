#pragma once

#include <cerrno>
#include <system_error>

namespace bench {

/// The result of a system call that must not fail.
template <class T>
T require(T result, const char* what) {
  if (result < 0) {
    throw std::system_error(errno, std::system_category(), what);
  }
  return result;
}

}  // namespace bench
