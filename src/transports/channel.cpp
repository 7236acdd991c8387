#include "transports/channel.hpp"

#include <array>
#include <cerrno>

#include "sys/constants.hpp"
#include "sys/error_table.hpp"
#include "transports/descriptor_range.hpp"

namespace sluice::transports {
namespace {

using core::SinkResult;
using core::SourceResult;
using sys::Call;
using sys::Verdict;
using Count = sys::Result<std::size_t>;

// Calls again as long as only a signal was in the way (P-2).
template <class Attempt>
Count uninterrupted(Call call, Attempt attempt) noexcept {
  Count result = attempt();
  while (!result.ok() && sys::judge(call, result.error) == Verdict::retry) {
    result = attempt();
  }
  return result;
}

template <class Gathered>
Count gather(Call call, std::span<const Bytes> pieces, Gathered gathered) noexcept {
  std::array<iovec, core::Sink::max_pieces> vectors;  // filled as far as it is used: it is large
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    // The system only reads what a vector of a write points to.
    vectors[i] = {const_cast<std::byte*>(pieces[i].data()), pieces[i].size()};
  }
  const std::span<const iovec> filled(vectors.data(), pieces.size());
  return uninterrupted(call, [&] { return gathered(filled); });
}

// One attempt to send the pieces: `single` takes one, `gathered` several.
template <class Single, class Gathered>
SinkResult offer(Call call, std::span<const Bytes> pieces, Single single,
                 Gathered gathered) noexcept {
  Count result;
  if (pieces.size() == 1) {
    result = uninterrupted(call, [&] { return single(pieces.front()); });
  } else {
    result = gather(call, pieces, gathered);
  }
  if (result.ok()) {
    using Kind = SinkResult::Kind;
    return {result.value < sys::longest_transfer_bytes ? Kind::accepted : Kind::enough,
            result.value};
  }
  return sys::classify(call, result.error) == Verdict::would_block
             ? SinkResult::would_block()
             : SinkResult::failed(sys::to_error_code(result.error));
}

template <class Attempt>
SourceResult take(Call call, Attempt attempt) noexcept {
  const Count result = uninterrupted(call, attempt);
  if (result.ok()) {
    return {result.value > 0 ? SourceResult::Kind::received : SourceResult::Kind::end,
            result.value};
  }
  if (sys::classify(call, result.error) == Verdict::would_block) {
    return {SourceResult::Kind::would_block};
  }
  return {SourceResult::Kind::failed, 0, sys::to_error_code(result.error)};
}

}  // namespace

SinkResult DescriptorChannel::write(std::span<const Bytes> pieces) noexcept {
  if (calls_ != DescriptorCalls::pipe) {
    return offer(
        calls_ == DescriptorCalls::socket ? Call::send : Call::write, pieces,
        [this](Bytes piece) { return sys_->send(fd_, piece); },
        [this](std::span<const iovec> vectors) { return sys_->sendmsg(fd_, vectors); });
  }
  return offer(
      Call::write, pieces, [this](Bytes piece) { return sys_->write(fd_, piece); },
      [this](std::span<const iovec> vectors) { return sys_->writev(fd_, vectors); });
}

core::ExternalResult DescriptorChannel::write_external(core::External& range,
                                                       std::size_t most) noexcept {
  if (!plain()) {
    return core::ExternalResult::unsupported();
  }
  auto& known = static_cast<DescriptorRange&>(range);
  return calls_ == DescriptorCalls::socket ? known.to_socket(fd_, most) : known.to_pipe(fd_, most);
}

std::error_code DescriptorChannel::shutdown() noexcept {
  if (calls_ != DescriptorCalls::socket) {
    return std::make_error_code(std::errc::operation_not_supported);
  }
  const sys::Status status = sys_->shutdown(fd_, sys::shut_write);
  if (status.ok()) {
    return {};
  }
  static_cast<void>(sys::judge(Call::shutdown, status.error));
  return why_not_connected(status.error);
}

// A connection that was lost before anybody read of it: the socket knows why.
std::error_code DescriptorChannel::why_not_connected(int error) noexcept {
  if (error != ENOTCONN) {
    return sys::to_error_code(error);
  }
  const sys::Result<int> reason =
      sys_->getsockopt(fd_, sys::pending_error.level, sys::pending_error.name);
  return sys::to_error_code(reason.ok() && reason.value != 0 ? reason.value : error);
}

SourceResult DescriptorChannel::read(std::span<std::byte> memory) noexcept {
  // What the user brings as a pipe need not be fit for it, so its errors are those of a pipe.
  const Call judged = calls_ == DescriptorCalls::socket ? Call::recv : Call::read;
  return calls_ == DescriptorCalls::pipe ? take(judged, [&] { return sys_->read(fd_, memory); })
                                         : take(judged, [&] { return sys_->recv(fd_, memory); });
}

}  // namespace sluice::transports
