#include "loop/signals.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "loop/loop_core.hpp"
#include "sys/error_table.hpp"

namespace sluice::loop {
namespace {

constexpr int highest_signal = 64;

}  // namespace

void Signals::add(int number, detail::Callback callback) {
  if (number < 1 || number > highest_signal) {
    throw std::invalid_argument("invalid signal number " + std::to_string(number));
  }
  open_pipe();
  const sys::Status status = loop_->sys().watch_signal(number, write_end_);
  if (!status.ok()) {
    static_cast<void>(sys::judge(sys::Call::sigaction, status.error));
    throw std::system_error(sys::to_error_code(status.error),
                            "sig " + std::to_string(number) + " cannot be caught");
  }
  handlers_[number] = std::make_shared<detail::Callback>(std::move(callback));
}

bool Signals::remove(int number) {
  const auto removed = handlers_.extract(number);
  if (!removed) {
    return false;
  }
  static_cast<void>(loop_->sys().unwatch_signal(number, write_end_));
  return true;
}

void Signals::close() noexcept {
  // The destructor of what a handler captured may come back to remove().
  const auto removed = std::exchange(handlers_, {});
  for (const auto& [number, callback] : removed) {
    static_cast<void>(loop_->sys().unwatch_signal(number, write_end_));
  }
  if (read_end_ >= 0) {
    loop_->reactor().remove(read_end_);
    static_cast<void>(loop_->sys().close(std::exchange(read_end_, -1)));
    static_cast<void>(loop_->sys().close(std::exchange(write_end_, -1)));
  }
}

void Signals::open_pipe() {
  if (read_end_ >= 0) {
    return;
  }
  const sys::Result<std::pair<int, int>> ends = loop_->sys().pipe();
  if (!ends.ok()) {
    throw std::system_error(sys::to_error_code(ends.error), "pipe2 for signal handlers");
  }
  if (const std::error_code error = loop_->reactor().add(ends.value.first, *this)) {
    static_cast<void>(loop_->sys().close(ends.value.first));
    static_cast<void>(loop_->sys().close(ends.value.second));
    throw std::system_error(error, "epoll_ctl for signal handlers");
  }
  std::tie(read_end_, write_end_) = ends.value;
}

void Signals::on_io(IoEvents /*events*/) {
  std::array<std::byte, 256> numbers{};
  const sys::Result<std::size_t> got = loop_->sys().read(read_end_, numbers);
  if (!got.ok()) {
    return;
  }
  if (got.value == numbers.size()) {
    loop_->request_service(*this, {.readable = true});
  }
  for (const std::byte number : std::span(numbers).first(got.value)) {
    deliver(std::to_integer<int>(number));
  }
  // Those that did not fit are not kept waiting for the bytes before them.
  std::uint64_t missed = loop_->sys().take_missed_signals(write_end_);
  for (; missed != 0; missed &= missed - 1) {
    deliver(std::countr_zero(missed) + 1);
  }
}

// A handler runs as an ordinary callback of the next turn, if it is still there then.
void Signals::deliver(int number) {
  const auto found = handlers_.find(number);
  if (found == handlers_.end()) {
    return;
  }
  loop_->soon([this, number, handler = found->second] {
    const auto now = handlers_.find(number);
    if (now != handlers_.end() && now->second == handler) {
      (*handler)();
    }
  });
}

}  // namespace sluice::loop
