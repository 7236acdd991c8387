#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "console.hpp"
#include "endpoint.hpp"
#include "sluice/fd.hpp"

namespace sluice::cli {

/// How the bytes of a descriptor travel.
enum class FileKind : std::uint8_t {
  regular,  ///< a file or a block device: read by the program itself, written by a transport
  fifo,     ///< a pipe or FIFO: has a transport
  device,   ///< a character device or inherited socket: has a transport
};

/// Which file a descriptor stands for.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// A descriptor and what is behind it.
struct OpenFile {
  Fd fd;
  FileKind kind = FileKind::device;
  FileIdentity identity;
  std::optional<std::uint64_t> size;  ///< what is left to read, of a regular file with a known size
};

/// A duplicate of standard input or output; of a terminal or a pipe, where that can be, one whose
/// flags are not shared. Throws RunError when it is closed, a directory, or there are no
/// descriptors left.
[[nodiscard]] OpenFile open_standard(StandardStream stream);

/// Opens a path for reading, never blocking. Throws RunError that says why not.
[[nodiscard]] OpenFile open_source(const Endpoint& endpoint);

/// Which file a path names; empty if it names none.
[[nodiscard]] std::optional<FileIdentity> identity_of(const std::string& path);

/// Which regular file standard output was redirected to, if it was.
[[nodiscard]] std::optional<FileIdentity> redirected_output();

/// Whether a path names a FIFO, a character device or a socket.
[[nodiscard]] bool is_stream(const std::string& path);

/// Whether a descriptor, or a path, is a pipe or FIFO: what the kernel can send a file into.
[[nodiscard]] bool is_fifo(const Fd& fd);
[[nodiscard]] bool is_fifo(const std::string& path);

/// Opens a FIFO or character device for writing, never blocking. Empty when a FIFO has no reader
/// yet: try again. Throws RunError that says why not.
[[nodiscard]] std::optional<OpenFile> open_sink(const Endpoint& endpoint);

}  // namespace sluice::cli
