// A client of a server on libuv, written as libuv's guide does: a buffer is allocated for each
// read, and each uv_write has a request that lives, with its bytes, until the callback.
#pragma once

#include <uv.h>

#include <cstddef>
#include <memory>
#include <string_view>

namespace bench::libuv {

// Throws what libuv says if `status` is an error.
void check(int status, const char* what);

// Owns itself from open() on, until its handle is closed.
class Connection {
 public:
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Takes the next client of the listener.
  static void accept(std::unique_ptr<Connection> connection, uv_stream_t* listener);
  // Writes to a pipe, which is not read.
  static void open_pipe(std::unique_ptr<Connection> connection, uv_loop_t* loop, uv_file file);

  // What the bytes were copied to lives until they are written.
  void write_copy(std::string_view data);
  void write_owned(std::unique_ptr<char[]> bytes, std::size_t size);
  // The caller keeps the bytes.
  void write_borrowed(std::string_view data);

 protected:
  Connection() = default;

  virtual void opened() {}
  virtual void received(std::unique_ptr<char[]> bytes, std::size_t size);
  // A write is complete.
  virtual void written() {}
  // It is about to go.
  virtual void closing() {}

 private:
  union Handle {
    uv_handle_t any;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  struct WriteRequest {
    uv_write_t request;
    uv_buf_t buffer;
    std::unique_ptr<char[]> bytes;
  };

  static Connection& of(void* data) { return *static_cast<Connection*>(data); }
  static void on_allocate(uv_handle_t* handle, std::size_t suggested, uv_buf_t* buffer);
  static void on_read(uv_stream_t* stream, ssize_t got, const uv_buf_t* buffer);
  static void on_written(uv_write_t* request, int status);

  void write(std::unique_ptr<WriteRequest> request, std::string_view data);
  void finish();
  void close();

  Handle handle_{};
  uv_shutdown_t shutdown_{};
};

}  // namespace bench::libuv
