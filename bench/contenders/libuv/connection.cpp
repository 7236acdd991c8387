#include "connection.hpp"

#include <cstring>
#include <stdexcept>
#include <string>

namespace bench::libuv {

void check(int status, const char* what) {
  if (status < 0) {
    throw std::runtime_error(std::string(what) + ": " + uv_strerror(status));
  }
}

void Connection::accept(std::unique_ptr<Connection> connection, uv_stream_t* listener) {
  Connection* const self = connection.release();
  if (listener->type == UV_TCP) {
    uv_tcp_init(listener->loop, &self->handle_.tcp);
  } else {
    uv_pipe_init(listener->loop, &self->handle_.pipe, 0);
  }
  self->handle_.any.data = self;
  if (uv_accept(listener, &self->handle_.stream) < 0) {
    self->close();
    return;
  }
  if (listener->type == UV_TCP) {
    uv_tcp_nodelay(&self->handle_.tcp, 1);
  }
  uv_read_start(&self->handle_.stream, on_allocate, on_read);
  self->opened();
}

void Connection::open_pipe(std::unique_ptr<Connection> connection, uv_loop_t* loop, uv_file file) {
  Connection* const self = connection.release();
  uv_pipe_init(loop, &self->handle_.pipe, 0);
  self->handle_.any.data = self;
  check(uv_pipe_open(&self->handle_.pipe, file), "uv_pipe_open");
  self->opened();
}

void Connection::write_copy(std::string_view data) {
  std::unique_ptr<char[]> bytes(new char[data.size()]);
  std::memcpy(bytes.get(), data.data(), data.size());
  write_owned(std::move(bytes), data.size());
}

void Connection::write_owned(std::unique_ptr<char[]> bytes, std::size_t size) {
  std::unique_ptr<WriteRequest> request(new WriteRequest);
  const std::string_view data(bytes.get(), size);
  request->bytes = std::move(bytes);
  write(std::move(request), data);
}

void Connection::write_borrowed(std::string_view data) {
  write(std::unique_ptr<WriteRequest>(new WriteRequest), data);
}

void Connection::write(std::unique_ptr<WriteRequest> request, std::string_view data) {
  // libuv does not write to the bytes; its type serves reads as well.
  request->buffer = uv_buf_init(const_cast<char*>(data.data()), static_cast<unsigned>(data.size()));
  request->request.data = request.get();
  if (uv_write(&request->request, &handle_.stream, &request->buffer, 1, on_written) < 0) {
    close();
    return;
  }
  // on_written deletes it.
  (void)request.release();
}

void Connection::received(std::unique_ptr<char[]> /*bytes*/, std::size_t /*size*/) {}

void Connection::on_allocate(uv_handle_t* /*handle*/, std::size_t suggested, uv_buf_t* buffer) {
  *buffer = uv_buf_init(new char[suggested], static_cast<unsigned>(suggested));
}

void Connection::on_read(uv_stream_t* stream, ssize_t got, const uv_buf_t* buffer) {
  std::unique_ptr<char[]> bytes(buffer->base);
  Connection& self = of(stream->data);
  if (got > 0) {
    self.received(std::move(bytes), static_cast<std::size_t>(got));
  } else if (got == UV_EOF) {
    self.finish();
  } else if (got < 0) {
    self.close();
  }
}

void Connection::on_written(uv_write_t* request, int status) {
  const std::unique_ptr<WriteRequest> owned(static_cast<WriteRequest*>(request->data));
  Connection& self = of(request->handle->data);
  if (status < 0) {
    self.close();
  } else {
    self.written();
  }
}

// What was written before the end of the peer's bytes still goes out.
void Connection::finish() {
  const auto close_after = [](uv_shutdown_t* request, int /*status*/) {
    of(request->handle->data).close();
  };
  if (uv_shutdown(&shutdown_, &handle_.stream, close_after) < 0) {
    close();
  }
}

void Connection::close() {
  if (uv_is_closing(&handle_.any) != 0) {
    return;
  }
  closing();
  uv_close(&handle_.any, [](uv_handle_t* handle) { delete &of(handle->data); });
}

}  // namespace bench::libuv
