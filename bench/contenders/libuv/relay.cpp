#include "relay.hpp"

#include <array>
#include <cstddef>
#include <memory>

#include "connection.hpp"

namespace bench::libuv {
namespace {

struct Relay;

// One of the two connections.
struct End {
  uv_tcp_t socket{};
  uv_shutdown_t shutdown{};
  Relay* relay = nullptr;
  End* other = nullptr;
  // Its peer sends no more.
  bool ended = false;
};

// Owns itself until both its handles are closed.
struct Relay {
  std::array<End, 2> ends;
  uv_connect_t connect{};
  int open = 2;
  int ended = 0;
};

struct WriteRequest {
  uv_write_t request;
  End* from;
  std::unique_ptr<char[]> bytes;
};

End& end_of(void* data) {
  return *static_cast<End*>(data);
}

template <class Handle>
uv_stream_t* stream_of(Handle& socket) {
  return reinterpret_cast<uv_stream_t*>(&socket);
}

void close(Relay& relay) {
  for (End& end : relay.ends) {
    auto* const handle = reinterpret_cast<uv_handle_t*>(&end.socket);
    if (uv_is_closing(handle) == 0) {
      uv_close(handle, [](uv_handle_t* closed) {
        Relay* const self = end_of(closed->data).relay;
        if (--self->open == 0) {
          delete self;
        }
      });
    }
  }
}

void read(End& end);

void on_written(uv_write_t* request, int status) {
  const std::unique_ptr<WriteRequest> owned(static_cast<WriteRequest*>(request->data));
  End& from = *owned->from;
  if (status < 0) {
    close(*from.relay);
  } else if (!from.ended && uv_stream_get_write_queue_size(stream_of(from.other->socket)) == 0) {
    read(from);
  }
}

void pass_on(End& from, std::unique_ptr<char[]> bytes, std::size_t size) {
  uv_stream_t* const to = stream_of(from.other->socket);
  std::unique_ptr<WriteRequest> request(new WriteRequest{{}, &from, std::move(bytes)});
  const uv_buf_t buffer = uv_buf_init(request->bytes.get(), static_cast<unsigned>(size));
  request->request.data = request.get();
  if (uv_write(&request->request, to, &buffer, 1, on_written) < 0) {
    close(*from.relay);
    return;
  }
  (void)request.release();
  if (uv_stream_get_write_queue_size(to) > 0) {
    uv_read_stop(stream_of(from.socket));
  }
}

void on_end(End& from) {
  from.ended = true;
  const auto after = [](uv_shutdown_t* request, int status) {
    Relay& relay = *end_of(request->handle->data).relay;
    if (status < 0 || ++relay.ended == 2) {
      close(relay);
    }
  };
  if (uv_shutdown(&from.other->shutdown, stream_of(from.other->socket), after) < 0) {
    close(*from.relay);
  }
}

void read(End& end) {
  const auto allocate = [](uv_handle_t* /*handle*/, std::size_t suggested, uv_buf_t* buffer) {
    *buffer = uv_buf_init(new char[suggested], static_cast<unsigned>(suggested));
  };
  const auto on_read = [](uv_stream_t* stream, ssize_t got, const uv_buf_t* buffer) {
    std::unique_ptr<char[]> bytes(buffer->base);
    End& self = end_of(stream->data);
    if (got > 0) {
      pass_on(self, std::move(bytes), static_cast<std::size_t>(got));
    } else if (got == UV_EOF) {
      on_end(self);
    } else if (got < 0) {
      close(*self.relay);
    }
  };
  // That it reads already is told by the status, and all is well.
  (void)uv_read_start(stream_of(end.socket), allocate, on_read);
}

}  // namespace

void accept_relayed(uv_stream_t* listener, std::uint16_t to) {
  auto* const relay = new Relay;
  for (End& end : relay->ends) {
    end.relay = relay;
    end.other = &end == relay->ends.data() ? &relay->ends[1] : relay->ends.data();
    uv_tcp_init(listener->loop, &end.socket);
    end.socket.data = &end;
  }
  sockaddr_in address{};
  uv_ip4_addr("127.0.0.1", to, &address);
  const auto on_connected = [](uv_connect_t* request, int status) {
    Relay& self = *end_of(request->handle->data).relay;
    if (status < 0) {
      close(self);
      return;
    }
    for (End& end : self.ends) {
      uv_tcp_nodelay(&end.socket, 1);
      read(end);
    }
  };
  if (uv_accept(listener, stream_of(relay->ends[0].socket)) < 0 ||
      uv_tcp_connect(&relay->connect, &relay->ends[1].socket,
                     reinterpret_cast<const sockaddr*>(&address), on_connected) < 0) {
    close(*relay);
  }
}

}  // namespace bench::libuv
