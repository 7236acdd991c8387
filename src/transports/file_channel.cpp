#include "transports/file_channel.hpp"

#include <algorithm>
#include <utility>

#include "sys/error_table.hpp"

namespace sluice::transports {

using core::SinkResult;

FileChannel::~FileChannel() {
  if (host_ == nullptr) {
    file_.fd = -1;
  }
}

// The worker owns a share of the transport until it has given everything back.
std::error_code FileChannel::start(Task task) noexcept {
  task_ = task;
  try {
    std::shared_ptr<void> share = share_.lock();
    if (share == nullptr) {
      share_ = share = host_->share();
    }
    workers_->submit({std::move(share), static_cast<loop::Workers::Job*>(this)});
    return {};
  } catch (const std::system_error& error) {
    task_ = Task::none;
    return error.code();
  } catch (...) {
    task_ = Task::none;
    return std::make_error_code(std::errc::not_enough_memory);
  }
}

SinkResult FileChannel::write(std::span<const Bytes> pieces) noexcept {
  vectors_.clear();
  written_ = SinkResult::accepted(0);
  std::size_t count = 0;
  try {
    for (const Bytes& piece : pieces) {
      const std::size_t part = std::min(piece.size(), most_at_once - count);
      if (part == 0) {
        break;
      }
      // The system only reads what a vector of a write points to.
      vectors_.push_back({const_cast<std::byte*>(piece.data()), part});
      count += part;
    }
  } catch (const std::bad_alloc&) {
    return SinkResult::failed(std::make_error_code(std::errc::not_enough_memory));
  }
  if (const std::error_code error = start(Task::writing)) {
    return SinkResult::failed(error);
  }
  return SinkResult::in_flight(count);
}

std::error_code FileChannel::shutdown() noexcept {
  return std::make_error_code(std::errc::operation_not_supported);
}

core::SourceResult FileChannel::read(std::span<std::byte> /*memory*/) noexcept {
  return {core::SourceResult::Kind::failed, 0,
          std::make_error_code(std::errc::operation_not_supported)};
}

std::optional<std::error_code> FileChannel::finish() noexcept {
  finish_error_ = std::make_error_code(std::errc::operation_canceled);
  if (const std::error_code error = start(Task::finishing)) {
    return error;
  }
  return std::nullopt;
}

bool FileChannel::takes_descriptor() noexcept {
  abandoned_ = true;
  if (task_ == Task::none) {
    let_go();
  }
  return true;
}

// A file that did not get its name goes with its last link or its descriptor, and a large one takes
// its time.
void FileChannel::let_go() noexcept {
  if (file_.fd >= 0 && (file_.target.empty() || start(Task::closing))) {
    close_file(file_);
  }
}

void FileChannel::run() noexcept {
  switch (task_) {
    case Task::writing:
      write_once();
      break;
    case Task::finishing:
      finish_error_ = complete_file(file_, abandoned_);
      if (finish_error_) {
        remove_temporary(file_);
      }
      break;
    case Task::closing:
      close_file(file_);
      break;
    case Task::none:
      break;
  }
}

// What a short write has left is offered again, so an error is never without its byte count.
void FileChannel::write_once() noexcept {
  sys::Result<std::size_t> result;
  do {
    result = sys_->writev(file_.fd, vectors_);
  } while (!result.ok() && sys::judge(sys::Call::write, result.error) == sys::Verdict::retry);
  if (result.ok() && result.value > 0) {
    written_ = SinkResult::accepted(result.value);
  } else {
    // A file that takes nothing and does not say why would be offered the same for ever.
    written_ = SinkResult::failed(result.ok() ? std::make_error_code(std::errc::io_error)
                                              : sys::to_error_code(result.error));
    // The connection is as good as lost, and whoever hears of it finds nothing left over.
    remove_temporary(file_);
  }
}

void FileChannel::done() {
  const Task task = std::exchange(task_, Task::none);
  if (abandoned_) {
    // The transport has let go of the descriptor meanwhile.
    if (task == Task::writing) {
      host_->write_completed(written_);
    }
    let_go();
  } else if (task == Task::writing) {
    host_->write_completed(written_);
  } else if (task == Task::finishing) {
    host_->finished(finish_error_);
  }
}

// The loop is closing, and the transport was dropped before.
void FileChannel::dropped() noexcept {
  if (std::exchange(task_, Task::none) == Task::writing) {
    host_->write_completed(written_);
  }
  close_file(file_);
}

}  // namespace sluice::transports
