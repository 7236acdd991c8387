#pragma once

#include <atomic>
#include <string>
#include <system_error>

#include "sluice/options.hpp"
#include "sys/system_calls.hpp"

namespace sluice::transports {

/// A file that is open for writing, and what is to be done at its end. What dies unfinished closes
/// the descriptor and removes the temporary file.
struct WritableFile {
  explicit WritableFile(sys::SystemCalls& system) noexcept : sys(&system) {}
  WritableFile(WritableFile&& other) noexcept;
  WritableFile& operator=(WritableFile&& other) noexcept;
  ~WritableFile();

  sys::SystemCalls* sys;  ///< Must outlive it.
  int fd = -1;
  mode_t mode = 0;  ///< As fstat(2) tells it.
  /// Where the bytes are until the end, and the name that the file gets then; both empty for a file
  /// that is written in its place.
  std::string temporary{};
  std::string target{};
  /// The directory that holds the name; to be synchronized with the file. Empty: neither is.
  std::string directory{};
  bool fsync_on_close = false;
};

/// What was attempted on what, and why it did not work.
struct OpenFailure {
  std::string attempt;
  std::error_code error;
};

/// Opens `path` as `options` ask. Any thread; blocks. Returns the file or, with an error in
/// `failure`, one without a descriptor: nothing is left behind then.
[[nodiscard]] WritableFile open_writable(sys::SystemCalls& sys, const std::string& path,
                                         const FileOptions& options, OpenFailure& failure);

/// Makes the file what it was opened for, after its last byte: synchronized, checked for errors
/// that the file system tells late, under its name. Blocks. The descriptor stays open. A file that
/// has got its name has no `temporary` any more; it does not get it once it is `unwanted`.
[[nodiscard]] std::error_code complete_file(WritableFile& file,
                                            const std::atomic<bool>& unwanted) noexcept;

/// Removes what will never be complete. The descriptor stays open. Blocks.
void remove_temporary(WritableFile& file) noexcept;

/// Closes the file and removes what is not complete. Blocks.
void close_file(WritableFile& file) noexcept;

}  // namespace sluice::transports
