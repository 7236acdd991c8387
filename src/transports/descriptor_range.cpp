#include "transports/descriptor_range.hpp"

#include <cerrno>

namespace sluice::transports {

using core::ExternalResult;
using sys::Call;
using sys::Verdict;

// Not for this kind of file, or not in this sandbox: some answer ENOSYS, others EPERM. What another
// way finds wrong it will say itself.
bool DescriptorRange::no_such_way(int error) noexcept {
  return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == ESPIPE ||
         error == EPERM;
}

ExternalResult DescriptorRange::failure(Call call, int error) noexcept {
  const std::error_code code = sys::to_error_code(error);
  if (call == Call::pread || call == Call::read) {
    return ExternalResult::source_failed(code);
  }
  switch (sys::classify(call, error)) {
    case Verdict::would_block:
      return ExternalResult::would_block();
    case Verdict::peer_gone:
    case Verdict::out_of_resources:
      return ExternalResult::sink_failed(code);
    default:
      break;
  }
  return no_such_way(error) ? ExternalResult::unsupported() : ExternalResult::source_failed(code);
}

}  // namespace sluice::transports
