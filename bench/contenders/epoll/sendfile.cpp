// Answers each request with the whole file, by sendfile.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "common/messages.hpp"
#include "common/require.hpp"
#include "server.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

struct File {
  explicit File(const std::string& path)
      : descriptor(require(open(path.c_str(), O_RDONLY | O_CLOEXEC), "open --file")) {
    struct stat status {};
    require(fstat(descriptor.get(), &status), "fstat");
    size = status.st_size;
  }
  Descriptor descriptor;
  off_t size = 0;
};

class FileSender final : public Watched {
 public:
  FileSender(Descriptor socket, const File& file) noexcept
      : Watched(std::move(socket)), file_(file), offset_(file.size) {}

  bool ready(std::uint32_t events) override {
    const bool anything_new = (events & (EPOLLIN | hang_up)) != 0;
    return (!anything_new || read_requests()) && send_files();
  }

 private:
  bool read_requests() {
    std::array<char, 64 * request_bytes> bytes{};
    for (;;) {
      const ssize_t got = recv(fd(), bytes.data(), bytes.size(), 0);
      if (got <= 0) {
        return got < 0 && errno == EAGAIN;
      }
      requested_ += static_cast<std::size_t>(got);
    }
  }
  bool send_files() {
    for (;;) {
      if (offset_ == file_.size) {
        if (requested_ < request_bytes) {
          return true;
        }
        requested_ -= request_bytes;
        offset_ = 0;
      }
      const auto rest = static_cast<std::size_t>(file_.size - offset_);
      const ssize_t sent = sendfile(fd(), file_.descriptor.get(), &offset_, rest);
      if (sent <= 0) {
        return sent < 0 && errno == EAGAIN;
      }
    }
  }

  const File& file_;
  off_t offset_;
  std::size_t requested_ = 0;
};

}  // namespace

void serve_sendfile(CommandLine& options) {
  const File file(options.text("file"));
  options.reject_the_rest();
  serve_tcp(
      [&] {
        return [&](Descriptor socket) {
          return std::make_unique<FileSender>(std::move(socket), file);
        };
      },
      1, edges);
}

}  // namespace bench
