// A client of a server on libevent: a bufferevent, which has the queues of both directions. What is
// above the write marks is the program's to hold back, as libevent's book shows.
#pragma once

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <cstddef>
#include <memory>
#include <string_view>

namespace bench::libevent {

// Owns itself, and the bufferevent, from adopt() on until the peer is gone.
class Connection {
 public:
  virtual ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  static void adopt(std::unique_ptr<Connection> connection, bufferevent* events);

  void write(std::string_view data) { bufferevent_write(events_, data.data(), data.size()); }
  // The caller keeps the bytes.
  void write_borrowed(std::string_view data);

 protected:
  Connection() = default;

  virtual void opened() {}
  virtual void received(evbuffer* input) = 0;
  // No more than the low mark is left to write.
  virtual void drained() {}

  // drained() is called at this many bytes or less.
  void set_low_mark(std::size_t bytes) { bufferevent_setwatermark(events_, EV_WRITE, bytes, 0); }
  [[nodiscard]] evbuffer* output() const { return bufferevent_get_output(events_); }
  [[nodiscard]] std::size_t buffered() const { return evbuffer_get_length(output()); }

 private:
  static void on_read(bufferevent* events, void* self);
  static void on_write(bufferevent* events, void* self);
  static void on_event(bufferevent* events, short what, void* self);

  bufferevent* events_ = nullptr;
  bool peer_has_ended_ = false;
};

}  // namespace bench::libevent
