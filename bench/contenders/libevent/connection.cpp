#include "connection.hpp"

namespace bench::libevent {

Connection::~Connection() {
  if (events_ != nullptr) {
    bufferevent_free(events_);
  }
}

void Connection::adopt(std::unique_ptr<Connection> connection, bufferevent* events) {
  Connection* const self = connection.release();
  self->events_ = events;
  bufferevent_setcb(events, on_read, on_write, on_event, self);
  bufferevent_enable(events, EV_READ | EV_WRITE);
  self->opened();
}

void Connection::write_borrowed(std::string_view data) {
  evbuffer_add_reference(output(), data.data(), data.size(), nullptr, nullptr);
}

void Connection::on_read(bufferevent* events, void* self) {
  static_cast<Connection*>(self)->received(bufferevent_get_input(events));
}

void Connection::on_write(bufferevent* /*events*/, void* self) {
  auto* const connection = static_cast<Connection*>(self);
  if (!connection->peer_has_ended_) {
    connection->drained();
  } else if (connection->buffered() == 0) {
    delete connection;
  }
}

// What was written before the end of the peer's bytes still goes out.
void Connection::on_event(bufferevent* events, short what, void* self) {
  if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0) {
    return;
  }
  auto* const connection = static_cast<Connection*>(self);
  if ((what & BEV_EVENT_ERROR) != 0 || connection->buffered() == 0) {
    delete connection;
    return;
  }
  connection->peer_has_ended_ = true;
  connection->set_low_mark(0);
  bufferevent_disable(events, EV_READ);
}

}  // namespace bench::libevent
