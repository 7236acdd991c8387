#include "transports/relay_pipe.hpp"

#include <cerrno>

namespace sluice::transports {

using core::ExternalEnd;
using core::ExternalResult;
using core::SourceResult;
using sys::Call;

std::shared_ptr<RelayPipe> RelayPipe::create(const std::shared_ptr<sys::SystemCalls>& system) {
  const sys::Result<std::pair<int, int>> ends = system->pipe();
  if (!ends.ok()) {
    static_cast<void>(sys::judge(Call::pipe, ends.error));
    return nullptr;
  }
  static_cast<void>(system->set_pipe_size(ends.value.second, wanted_size));
  return std::make_shared<RelayPipe>(system, ends.value);
}

RelayPipe::RelayPipe(std::shared_ptr<sys::SystemCalls> system, std::pair<int, int> ends) noexcept
    : DescriptorRange(*system, 0),
      system_(std::move(system)),
      reading_(ends.first),
      writing_(ends.second) {}

RelayPipe::~RelayPipe() {
  static_cast<void>(system_->close(reading_));
  static_cast<void>(system_->close(writing_));
}

SourceResult RelayPipe::fill(int fd, std::span<std::byte> memory) noexcept {
  const auto attempt = [&] {
    return way_ == Way::splice ? sys().splice(fd, std::nullopt, writing_, memory.size())
                               : sys().read(fd, memory);
  };
  const auto call = [&] { return way_ == Way::splice ? Call::splice : Call::read; };
  sys::Result<std::size_t> result = attempt();
  while (!result.ok()) {
    if (way_ == Way::splice && (result.error == EINVAL || result.error == ENOSYS)) {
      way_ = Way::memory;
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
