#include "file_source.hpp"

#include <unistd.h>

#include <cerrno>
#include <span>
#include <utility>

#include "errors.hpp"

namespace sluice::cli {

FileSource::FileSource(EventLoop& loop, OpenFile file, std::string name, SourceListener& listener)
    : loop_(loop),
      file_(std::move(file)),
      fd_(std::make_shared<const Fd>(std::move(file_.fd))),
      name_(std::move(name)),
      listener_(listener) {}

void FileSource::open() {
  loop_.call_soon([this] {
    if (state_ != State::done) listener_.source_ready();
  });
}

void FileSource::pause() {
  if (state_ == State::reading) {
    state_ = State::paused;
    next_read_.cancel();
  }
}

void FileSource::resume() {
  if (state_ != State::paused) {
    return;
  }
  if (listener_.sends_file()) {
    send_rest();
  } else {
    state_ = State::reading;
    next_read_ = loop_.call_soon([this] { read_one(); });
  }
}

void FileSource::abort() {
  if (state_ != State::done) {
    next_read_.cancel();
    state_ = State::done;
    loop_.call_soon([this] { finish(SourceEnd::aborted, {}); });
  }
}

// A file that grows meanwhile is sent as far as it has grown, as it would be read.
void FileSource::send_rest() {
  state_ = State::sending;
  const off_t position = lseek(fd_->get(), 0, SEEK_CUR);
  offset_ = position > 0 ? static_cast<std::uint64_t>(position) : 0;
  listener_.source_file(fd_, offset_).add_done_callback([this](const Future<std::uint64_t>& done) {
    sent(done);
  });
}

void FileSource::sent(const Future<std::uint64_t>& result) {
  const bool failed = result.cancelled() || result.exception() != nullptr;
  if (state_ != State::sending) {
    return;
  }
  if (failed) {
    // Either the connection is lost, which ends the copy before anything is read, or nothing was
    // sent since this file has to be read.
    state_ = State::reading;
    next_read_ = loop_.call_soon([this] { read_one(); });
    return;
  }
  if (result.get() == 0) {
    finish(SourceEnd::end_of_file, {});
    return;
  }
  // Whoever shares the open file, as a shell does, finds it as if it had been read.
  lseek(fd_->get(), static_cast<off_t>(offset_ + result.get()), SEEK_SET);
  send_rest();
}

void FileSource::read_one() {
  const std::span<std::byte> memory = block_.prepare(listener_.read_limit());
  ssize_t count = 0;
  do {
    count = read(fd_->get(), memory.data(), memory.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    finish(SourceEnd::failed, "cannot read " + name_ + ": " + error_text(errno));
    return;
  }
  if (count == 0) {
    finish(SourceEnd::end_of_file, {});
    return;
  }
  listener_.source_block(block_.take(static_cast<std::size_t>(count)));
  if (state_ == State::reading) {
    next_read_ = loop_.call_soon([this] { read_one(); });
  }
}

void FileSource::finish(SourceEnd end, const std::string& error) {
  state_ = State::done;
  fd_.reset();
  listener_.source_done(end, error);
}

}  // namespace sluice::cli
