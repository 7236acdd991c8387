#include "sluice/error.hpp"

namespace sluice {
namespace {

class SluiceCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "sluice"; }

  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::callback_failed:
        return "a callback of the protocol threw an exception";
      case Errc::loop_stopped:
        return "the event loop was stopped before the future was done";
      case Errc::cancelled:
        return "the operation was cancelled";
      case Errc::no_address:
        return "the name has no usable address";
      case Errc::all_attempts_failed:
        return "every address that was tried failed";
    }
    return "unknown error of sluice";
  }
};

}  // namespace

const std::error_category& sluice_category() noexcept {
  static const SluiceCategory category;
  return category;
}

}  // namespace sluice
