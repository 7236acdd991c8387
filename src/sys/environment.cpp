#include "sluice/environment.hpp"

#include <unistd.h>

#include <string_view>

namespace sluice {

Environment current_environment() {
  Environment variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos && equals > 0) {
      // Of two with one name, getenv(3) finds the first.
      variables.try_emplace(std::string(text.substr(0, equals)), text.substr(equals + 1));
    }
  }
  return variables;
}

}  // namespace sluice
