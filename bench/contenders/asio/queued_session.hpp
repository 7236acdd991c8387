// A session that writes whenever it likes: since one async_write must have completed before the
// next is started, messages wait in a queue, as in the chat server of Asio's examples.
#pragma once

#include <array>
#include <asio.hpp>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/row.hpp"
#include "sessions.hpp"

namespace bench::with_asio {

enum class Queue {
  one_by_one,  // one async_write for each message
  gather,      // one async_write for all messages that wait, as a sequence of buffers
};

using SharedMessage = std::shared_ptr<const Row>;

inline asio::const_buffer bytes_of(const std::string& message) {
  return asio::buffer(message);
}
inline asio::const_buffer bytes_of(const SharedMessage& message) {
  return asio::buffer(*message);
}

template <class Message>
class QueuedSession : public std::enable_shared_from_this<QueuedSession<Message>> {
 public:
  QueuedSession(asio::ip::tcp::socket socket, Queue queue)
      : socket_(std::move(socket)), queue_(queue) {}
  virtual ~QueuedSession() = default;
  QueuedSession(const QueuedSession&) = delete;
  QueuedSession& operator=(const QueuedSession&) = delete;

  void start() {
    opened();
    read();
  }
  void write(Message message) {
    waiting_.push_back(std::move(message));
    if (!writing_) {
      write_waiting();
    }
  }

 protected:
  virtual void opened() {}
  virtual void received(std::string_view data) = 0;
  // Nothing more will be received.
  virtual void ended() {}

 private:
  void read() {
    socket_.async_read_some(asio::buffer(data_), [this, self = this->shared_from_this()](
                                                     std::error_code error, std::size_t size) {
      if (error) {
        ended();
        return;
      }
      received({data_.data(), size});
      read();
    });
  }
  void write_waiting() {
    writing_ = true;
    if (queue_ == Queue::gather) {
      write_all();
    } else {
      write_first();
    }
  }
  void write_first() {
    asio::async_write(
        socket_, bytes_of(waiting_.front()),
        [this, self = this->shared_from_this()](std::error_code error, std::size_t /*size*/) {
          waiting_.pop_front();
          written(error);
        });
  }
  void write_all() {
    under_way_.swap(waiting_);
    std::vector<asio::const_buffer> buffers;
    buffers.reserve(under_way_.size());
    for (const Message& message : under_way_) {
      buffers.push_back(bytes_of(message));
    }
    asio::async_write(
        socket_, std::move(buffers),
        [this, self = this->shared_from_this()](std::error_code error, std::size_t /*size*/) {
          under_way_.clear();
          written(error);
        });
  }
  void written(std::error_code error) {
    writing_ = false;
    if (error) {
      waiting_.clear();
      socket_.close(error);
    } else if (!waiting_.empty()) {
      write_waiting();
    }
  }

  asio::ip::tcp::socket socket_;
  Queue queue_;
  bool writing_ = false;
  std::deque<Message> waiting_;
  std::deque<Message> under_way_;
  std::array<char, read_bytes> data_;
};

}  // namespace bench::with_asio
