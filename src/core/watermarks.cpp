#include "core/watermarks.hpp"

#include <stdexcept>
#include <string>

namespace sluice::core {

void Watermarks::set_limits(std::optional<std::size_t> high, std::optional<std::size_t> low) {
  WriteBufferLimits wanted = default_write_buffer_limits;
  if (high) {
    wanted = {low.value_or(*high == unlimited ? 0 : *high / 4), *high};
  } else if (low) {
    wanted = {*low, *low > unlimited / 4 ? unlimited : *low * 4};
  }
  if (wanted.high < wanted.low) {
    throw std::invalid_argument("high (" + std::to_string(wanted.high) + ") must be >= low (" +
                                std::to_string(wanted.low) + ") must be >= 0");
  }
  limits_ = wanted;
}

}  // namespace sluice::core
