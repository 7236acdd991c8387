#include "file_source.hpp"

#include <unistd.h>

#include <cerrno>
#include <span>
#include <utility>

#include "errors.hpp"

namespace sluice::cli {

FileSource::FileSource(EventLoop& loop, OpenFile file, std::string name, SourceListener& listener)
    : loop_(loop), file_(std::move(file)), name_(std::move(name)), listener_(listener) {}

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
  if (state_ == State::paused) {
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

void FileSource::read_one() {
  const std::span<std::byte> memory = block_.prepare(listener_.read_limit());
  ssize_t count = 0;
  do {
    count = read(file_.fd.get(), memory.data(), memory.size());
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
  file_.fd.reset();
  listener_.source_done(end, error);
}

}  // namespace sluice::cli
