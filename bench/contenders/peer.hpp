// What the servers on other libraries have in common: their options, and which writes a workload
// makes. How bytes are written is each library's own.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/messages.hpp"
#include "common/program.hpp"
#include "common/require.hpp"

namespace bench {

struct PeerOptions {
  std::string workload;
  std::string transport;
  std::string path;
  std::string certificate;
  std::string key;
  std::size_t size;
  std::size_t pieces;
  std::size_t pipes;
  std::uint16_t to;
  bool owned;
  bool gather;
};

// The workload, or a variant of it, is none for this library.
class UnknownWorkload : public std::runtime_error {
 public:
  explicit UnknownWorkload(const std::string& name)
      : std::runtime_error("unknown workload " + name) {}
};

inline PeerOptions read_options(CommandLine& line) {
  const std::string& workload = line.workload();
  PeerOptions options{.workload = workload,
                      .transport = line.text("transport", "tcp"),
                      .path = line.text("path"),
                      .certificate = line.text("cert"),
                      .key = line.text("key"),
                      .size = line.number("size", workload == "fanout" ? 16 * 1024 : 64 * 1024),
                      .pieces = line.number("pieces", 2),
                      .pipes = line.number("pipes", 1),
                      .to = static_cast<std::uint16_t>(line.number("to", 0)),
                      .owned = line.flag("owned"),
                      .gather = line.flag("gather")};
  // This belongs to a workload that none of these has; that is what will be said.
  (void)line.text("file");
  line.reject_the_rest();
  if (options.size == 0) {
    throw std::invalid_argument("--size must be positive");
  }
  return options;
}

// The whole of main: `serve` returns when standard input has ended.
template <class Serve>
int run_peer(int argc, char** argv, Serve serve) noexcept {
  bool known = true;
  const int status = run_program(argc, argv, [&](CommandLine& line) {
    try {
      serve(read_options(line));
    } catch (const UnknownWorkload& error) {
      std::fprintf(stderr, "%s\n", error.what());
      known = false;
    }
  });
  return known ? status : 2;
}

// When standard input is readable: true at its end.
inline bool stdin_has_ended() {
  std::array<char, 256> ignored;
  return read(STDIN_FILENO, ignored.data(), ignored.size()) == 0;
}

// Waits for the readers of the FIFOs.
inline std::vector<int> open_fifos(const PeerOptions& options) {
  std::vector<int> fifos;
  for (const std::string& path : fifo_paths(options.path, options.pipes)) {
    fifos.push_back(require(open(path.c_str(), O_WRONLY | O_CLOEXEC), "open"));
    require(fcntl(fifos.back(), F_SETFL, O_NONBLOCK), "fcntl");
  }
  return fifos;
}

// How many requests are whole now that `received` bytes came; `partial` is what is left over.
inline std::size_t whole_requests(std::size_t& partial, std::size_t received) {
  partial += received;
  const std::size_t whole = partial / request_bytes;
  partial %= request_bytes;
  return whole;
}

// One reply of the workload `pieces`, and the parts in which it is written.
struct Pieces {
  explicit Pieces(std::size_t count)
      : bytes(pattern(pieces_bytes)), parts(split(bytes, pieces_of(count))) {}
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  std::string bytes;
  std::vector<std::string_view> parts;
};

}  // namespace bench
