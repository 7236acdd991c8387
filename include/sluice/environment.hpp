#pragma once

#include <map>
#include <string>

namespace sluice {

/// Variables by name. asyncio: the dictionary of env.
using Environment = std::map<std::string, std::string>;

/// The variables of this process by name: a copy to change and to give to a child. Entries that are
/// no NAME=value are left out. Not to be called while another thread changes the environment.
/// asyncio: os.environ.copy().
[[nodiscard]] Environment current_environment();

}  // namespace sluice
