// Answers each request with the whole file.

#include <fcntl.h>

#include <cstddef>
#include <memory>
#include <sluice/sluice.hpp>
#include <string>
#include <system_error>
#include <utility>

#include "common/messages.hpp"
#include "common/require.hpp"
#include "serving.hpp"
#include "workloads.hpp"

namespace bench {
namespace {

using SharedFile = std::shared_ptr<const sluice::Fd>;

class FileSender : public sluice::Protocol {
 public:
  FileSender(sluice::EventLoop& loop, SharedFile file) : loop_(loop), file_(std::move(file)) {}
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
  }
  void data_received(sluice::Bytes data) override {
    partial_ += data.size();
    for (; partial_ >= request_bytes; partial_ -= request_bytes) {
      loop_.sendfile(transport_, file_);
    }
  }
  void connection_lost(std::error_code /*error*/) override { transport_.reset(); }

 private:
  sluice::EventLoop& loop_;
  SharedFile file_;
  std::size_t partial_ = 0;
  std::shared_ptr<sluice::Transport> transport_;
};

}  // namespace

void serve_sendfile(CommandLine& options) {
  const std::string path = options.text("file");
  options.reject_the_rest();
  const auto file = std::make_shared<const sluice::Fd>(
      require(open(path.c_str(), O_RDONLY | O_CLOEXEC), "open --file"));
  sluice::EventLoop loop;
  serve_in(loop, [&loop, file] { return std::make_shared<FileSender>(loop, file); });
}

}  // namespace bench
