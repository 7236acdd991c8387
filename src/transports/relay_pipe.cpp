#include "transports/relay_pipe.hpp"

#include <tuple>
#include <utility>

namespace sluice::transports {

using core::ExternalEnd;
using core::ExternalResult;
using core::SourceResult;
using sys::Call;

std::shared_ptr<RelayPipe> RelayPipe::create(const std::shared_ptr<sys::SystemCalls>& system) {
  // Before there is anything that it must not lose.
  auto pipe = std::make_shared<RelayPipe>(system);
  const sys::Result<std::pair<int, int>> ends = system->pipe();
  if (!ends.ok()) {
    static_cast<void>(sys::judge(Call::pipe, ends.error));
    return nullptr;
  }
  std::tie(pipe->reading_, pipe->writing_) = ends.value;
  static_cast<void>(system->set_pipe_size(pipe->writing_, wanted_size));
  return pipe;
}

RelayPipe::RelayPipe(std::shared_ptr<sys::SystemCalls> system) noexcept
    : DescriptorRange(*system, 0), system_(std::move(system)) {}

RelayPipe::~RelayPipe() {
  if (reading_ >= 0) {
    static_cast<void>(system_->close(reading_));
    static_cast<void>(system_->close(writing_));
  }
}

SourceResult RelayPipe::fill(int fd, std::span<std::byte> memory) noexcept {
  const auto attempt = [&] {
    return filling_ == Filling::splice ? sys().fill_own_pipe(fd, writing_, memory.size())
                                       : sys().read(fd, memory);
  };
  const auto call = [&] { return filling_ == Filling::splice ? Call::splice : Call::read; };
  sys::Result<std::size_t> result = attempt();
  while (!result.ok()) {
    if (filling_ == Filling::splice && no_such_way(result.error)) {
      filling_ = Filling::memory;
    } else if (sys::judge(call(), result.error) != sys::Verdict::retry) {
      break;
    }
    result = attempt();
  }
  if (result.ok()) {
    return {result.value > 0 ? SourceResult::Kind::received : SourceResult::Kind::end,
            result.value};
  }
  if (sys::classify(call(), result.error) == sys::Verdict::would_block) {
    return {SourceResult::Kind::would_block};
  }
  return {SourceResult::Kind::failed, 0, sys::to_error_code(result.error)};
}

ExternalResult RelayPipe::to_socket(int fd, std::size_t most) noexcept {
  return judged(Call::splice, [&] { return sys().splice(reading_, std::nullopt, fd, most); });
}

ExternalResult RelayPipe::to_pipe(int fd, std::size_t most) noexcept {
  return to_socket(fd, most);
}

ExternalResult RelayPipe::read(std::span<std::byte> memory) noexcept {
  return judged(Call::read, [&] { return sys().read(reading_, memory); });
}

void RelayPipe::left(ExternalEnd end, std::error_code /*error*/) noexcept {
  if (end == ExternalEnd::sent && drained_) {
    drained_();
  }
}

}  // namespace sluice::transports
