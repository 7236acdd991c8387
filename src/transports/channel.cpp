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

// Enough for nearly every flush; filling more slots than are used costs time on each one.
constexpr std::size_t few_pieces = 16;

// Calls again as long as only a signal was in the way (P-2).
template <class Attempt>
Count uninterrupted(Call call, Attempt attempt) noexcept {
  Count result = attempt();
  while (!result.ok() && sys::judge(call, result.error) == Verdict::retry) {
    result = attempt();
  }
  return result;
}

// One gathered call; `slots` bounds the pieces.
template <std::size_t slots, class Gathered>
Count gather(Call call, std::span<const Bytes> pieces, Gathered gathered) noexcept {
  std::array<iovec, slots> vectors;  // filled as far as it is used: it is large
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
  } else if (pieces.size() <= few_pieces) {
    result = gather<few_pieces>(call, pieces, gathered);
  } else {
    result = gather<core::Sink::max_pieces>(call, pieces, gathered);
  }
  if (result.ok()) {
    return SinkResult::accepted(result.value);
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

SinkResult SocketChannel::write(std::span<const Bytes> pieces) noexcept {
  return offer(
      Call::send, pieces, [this](Bytes piece) { return sys_->send(fd_, piece); },
      [this](std::span<const iovec> vectors) { return sys_->sendmsg(fd_, vectors); });
}

core::ExternalResult SocketChannel::write_external(core::External& range,
                                                   std::size_t most) noexcept {
  return static_cast<DescriptorRange&>(range).to_socket(fd_, most);
}

std::error_code SocketChannel::shutdown() noexcept {
  const sys::Status status = sys_->shutdown(fd_, sys::shut_write);
  if (status.ok()) {
    return {};
  }
  static_cast<void>(sys::judge(Call::shutdown, status.error));
  if (status.error != ENOTCONN) {
    return sys::to_error_code(status.error);
  }
  // The connection is lost, and nobody has read of it yet; the socket knows why.
  const sys::Result<int> reason =
      sys_->getsockopt(fd_, sys::pending_error.level, sys::pending_error.name);
  return sys::to_error_code(reason.ok() && reason.value != 0 ? reason.value : status.error);
}

SourceResult SocketChannel::read(std::span<std::byte> memory) noexcept {
  return take(Call::recv, [&] { return sys_->recv(fd_, memory); });
}

SinkResult PipeChannel::write(std::span<const Bytes> pieces) noexcept {
  return offer(
      Call::write, pieces, [this](Bytes piece) { return sys_->write(fd_, piece); },
      [this](std::span<const iovec> vectors) { return sys_->writev(fd_, vectors); });
}

core::ExternalResult PipeChannel::write_external(core::External& range, std::size_t most) noexcept {
  return plain() ? static_cast<DescriptorRange&>(range).to_pipe(fd_, most)
                 : core::ExternalResult::unsupported();
}

std::error_code PipeChannel::shutdown() noexcept {
  return std::make_error_code(std::errc::operation_not_supported);
}

SourceResult PipeChannel::read(std::span<std::byte> memory) noexcept {
  return take(Call::read, [&] { return sys_->read(fd_, memory); });
}

}  // namespace sluice::transports
