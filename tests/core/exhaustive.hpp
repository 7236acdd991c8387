#pragma once

#include <cstddef>
#include <vector>

namespace sluice::testing {

/// All combinations of choices, by ordinary loop code:
///
///     Exhaustive all;
///     while (all.next()) { const auto a = all.pick(3); const auto b = all.pick(2); ... }
///
/// runs the body once for each of the six. How many choices there are, and of how many, may depend
/// on earlier ones.
class Exhaustive {
 public:
  /// Moves to the next combination; false after the last.
  bool next() {
    position_ = 0;
    if (!begun_) {
      begun_ = true;
      return true;
    }
    while (!digits_.empty() && digits_.back().value + 1 == digits_.back().bound) {
      digits_.pop_back();
    }
    if (digits_.empty()) {
      return false;
    }
    ++digits_.back().value;
    return true;
  }

  /// One of 0 ... bound - 1.
  std::size_t pick(std::size_t bound) {
    if (position_ == digits_.size()) {
      digits_.push_back({0, bound});
    }
    return digits_[position_++].value;
  }

 private:
  struct Digit {
    std::size_t value;
    std::size_t bound;
  };
  std::vector<Digit> digits_;
  std::size_t position_ = 0;
  bool begun_ = false;
};

}  // namespace sluice::testing
