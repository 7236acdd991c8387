#include "sluice/version.hpp"

#include <string>

namespace sluice {

const char* version() noexcept {
  static const std::string text = std::to_string(version_major) + "." +
                                  std::to_string(version_minor) + "." +
                                  std::to_string(version_patch);
  return text.c_str();
}

}  // namespace sluice
