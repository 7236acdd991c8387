#include "relay.hpp"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>

#include "common/listening_socket.hpp"

namespace bench::libevent {
namespace {

constexpr std::size_t most_waiting = 512 * 1024;

struct Relay;

struct End {
  bufferevent* events = nullptr;
  End* other = nullptr;
  Relay* relay = nullptr;
  // Its peer sends no more.
  bool ended = false;
};

// Owns itself until both ways are through.
struct Relay {
  std::array<End, 2> ends;

  ~Relay() {
    for (const End& end : ends) {
      bufferevent_free(end.events);
    }
  }
};

evbuffer* waiting_for(const End& end) {
  return bufferevent_get_output(end.events);
}

bool through(const End& end) {
  return end.ended && evbuffer_get_length(waiting_for(*end.other)) == 0;
}

// After the last byte of one way; true when there is no other way either.
bool carry_end_over(End& from) {
  if (through(from)) {
    shutdown(bufferevent_getfd(from.other->events), SHUT_WR);
    if (through(*from.other)) {
      delete from.relay;
      return true;
    }
  }
  return false;
}

void on_read(bufferevent* events, void* data) {
  End& end = *static_cast<End*>(data);
  evbuffer_add_buffer(waiting_for(*end.other), bufferevent_get_input(events));
  if (evbuffer_get_length(waiting_for(*end.other)) >= most_waiting) {
    bufferevent_setwatermark(end.other->events, EV_WRITE, most_waiting / 2, most_waiting);
    bufferevent_disable(events, EV_READ);
  }
}

void on_drained(bufferevent* events, void* data) {
  End& end = *static_cast<End*>(data);
  if (end.other->ended) {
    (void)carry_end_over(*end.other);
    return;
  }
  bufferevent_setwatermark(events, EV_WRITE, 0, 0);
  bufferevent_enable(end.other->events, EV_READ);
}

void on_event(bufferevent* /*events*/, short what, void* data) {
  End& end = *static_cast<End*>(data);
  if ((what & BEV_EVENT_ERROR) != 0) {
    delete end.relay;
  } else if ((what & BEV_EVENT_EOF) != 0) {
    end.ended = true;
    // To be told when the last byte has gone.
    bufferevent_setwatermark(end.other->events, EV_WRITE, 0, 0);
    (void)carry_end_over(end);
  }
}

}  // namespace

void relay(event_base* base, evutil_socket_t client, std::uint16_t to) {
  auto* const self = new Relay;
  self->ends[0] = {bufferevent_socket_new(base, client, BEV_OPT_CLOSE_ON_FREE), &self->ends[1],
                   self};
  self->ends[1] = {bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE), self->ends.data(),
                   self};
  for (End& end : self->ends) {
    bufferevent_setcb(end.events, on_read, on_drained, on_event, &end);
  }
  sockaddr_in address = loopback_address(to);
  if (bufferevent_socket_connect(self->ends[1].events, reinterpret_cast<sockaddr*>(&address),
                                 sizeof address) < 0) {
    delete self;
    return;
  }
  for (const End& end : self->ends) {
    send_without_delay(bufferevent_getfd(end.events));
    bufferevent_enable(end.events, EV_READ | EV_WRITE);
  }
}

}  // namespace bench::libevent
