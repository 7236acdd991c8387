#include "file_sink.hpp"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "errors.hpp"

namespace sluice::cli {

FileSink::FileSink(EventLoop& loop, const Endpoint& endpoint, OpenFile file, SinkListener& listener)
    : Sink(loop, endpoint, listener), file_(std::move(file)) {}

void FileSink::open() {
  loop_.call_soon([this] {
    if (state_ == SinkState::opening) {
      state_ = SinkState::open;
      listener_.sink_ready(*this);
    }
  });
}

void FileSink::write(const Buffer& block) {
  if (state_ != SinkState::open) {
    return;
  }
  Bytes rest = block.bytes();
  while (!rest.empty()) {
    const ssize_t count = ::write(file_.fd.get(), rest.data(), rest.size());
    ++statistics_.send_calls;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      fail(errno);
      return;
    }
    const auto taken = static_cast<std::size_t>(count);
    statistics_.bytes_written += taken;
    if (taken < rest.size()) ++statistics_.short_writes;
    rest = rest.subspan(taken);
  }
}

void FileSink::finish() {
  if (state_ != SinkState::open) {
    return;
  }
  // Some file systems report only here that the bytes found no room.
  const int failure = ::close(file_.fd.release()) == 0 ? 0 : errno;
  if (failure != 0 && failure != EINTR) {
    fail(failure);
  } else {
    end_as(SinkState::closed);
  }
}

void FileSink::abort() {
  if (!is_gone()) {
    end_as(SinkState::aborted);
  }
}

void FileSink::fail(int error_number) {
  error_ = "cannot write to " + endpoint().name + ": " + error_text(error_number);
  end_as(SinkState::failed);
}

void FileSink::end_as(SinkState state) {
  state_ = state;
  file_.fd.reset();
  loop_.call_soon([this] { listener_.sink_gone(*this); });
}

}  // namespace sluice::cli
