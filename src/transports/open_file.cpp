#include "transports/open_file.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <random>
#include <string_view>
#include <utility>

#include "sys/constants.hpp"
#include "sys/error_table.hpp"

namespace sluice::transports {
namespace {

using sys::Call;
using sys::Verdict;

// A name that somebody else has by chance is not had a hundred times.
constexpr int name_attempts = 100;
constexpr std::size_t suffix_length = 6;
// Names have at most 255 bytes on Linux.
constexpr std::size_t longest_kept_name = 240;

// Calls again as long as only a signal was in the way.
template <class Attempt>
auto uninterrupted(Call call, Attempt attempt) noexcept {
  auto result = attempt();
  while (!result.ok() && sys::judge(call, result.error) == Verdict::retry) {
    result = attempt();
  }
  return result;
}

sys::Result<int> open_with(sys::SystemCalls& sys, const std::string& path, int flags,
                           mode_t mode) noexcept {
  return uninterrupted(Call::open, [&] { return sys.open(path, flags, mode); });
}

WritableFile failed(sys::SystemCalls& sys, OpenFailure& failure, std::string attempt, int error) {
  failure = {std::move(attempt), sys::to_error_code(error)};
  return WritableFile(sys);
}

// "." of "name", "/" of "/name".
std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_in(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::string random_suffix() {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  std::uniform_int_distribution<std::size_t> index(0, letters.size() - 1);
  std::string suffix;
  for (std::size_t i = 0; i < suffix_length; ++i) {
    suffix += letters[index(random)];
  }
  return suffix;
}

int flags_for(IfExists if_exists) noexcept {
  switch (if_exists) {
    case IfExists::truncate:
      return sys::open_creating | sys::open_truncating;
    case IfExists::append:
      return sys::open_creating | sys::open_appending;
    case IfExists::overwrite:
    case IfExists::replace:
      return sys::open_creating;
    case IfExists::fail:
      return sys::open_creating | sys::open_exclusively;
  }
  return sys::open_creating;
}

WritableFile open_in_place(sys::SystemCalls& sys, const std::string& path,
                           const FileOptions& options, OpenFailure& failure) {
  WritableFile file(sys);
  const sys::Result<int> opened =
      open_with(sys, path, flags_for(options.if_exists), options.permissions);
  if (!opened.ok()) {
    return failed(sys, failure, "opening " + path + " for writing", opened.error);
  }
  file.fd = opened.value;
  const sys::Result<sys::FileStatus> status = sys.fstat(file.fd);
  sys::Status sought;
  if (options.if_exists == IfExists::overwrite && options.offset > 0) {
    sought = sys.seek(file.fd, options.offset);
  }
  if (!status.ok() || !sought.ok()) {
    return status.ok() ? failed(sys, failure,
                                "going to byte " + std::to_string(options.offset) + " of " + path,
                                sought.error)
                       : failed(sys, failure, "fstat of " + path, status.error);
  }
  file.mode = status.value.mode;
  if (options.fsync_on_close) {
    file.directory = directory_of(path);
  }
  return file;
}

// Where the file is in the end, links followed; empty, with the failure, when there is no such
// place. `existing` is what is there already, if it is a regular file.
std::string final_place(sys::SystemCalls& sys, const std::string& path,
                        std::optional<sys::FileStatus>& existing, OpenFailure& failure) {
  const auto fail = [&](std::string attempt, int error) {
    failure = {std::move(attempt), sys::to_error_code(error)};
    return std::string();
  };
  const sys::Result<std::string> found = sys.realpath(path);
  if (!found.ok() && found.error != ENOENT) {
    return fail("opening " + path + " for writing", found.error);
  }
  if (!found.ok()) {
    const sys::Result<std::string> directory = sys.realpath(directory_of(path));
    if (!directory.ok() || name_in(path).empty()) {
      return fail("opening " + path + " for writing", directory.ok() ? ENOENT : directory.error);
    }
    // What is there and leads nowhere is a link; renaming would replace the link itself.
    const sys::Result<int> there = open_with(sys, path, sys::open_no_link, 0);
    if (there.ok()) {
      static_cast<void>(sys.close(there.value));
    } else if (there.error == ELOOP) {
      return fail("replacing " + path + ", a symbolic link that leads to nothing", ENOENT);
    }
    return (directory.value == "/" ? "" : directory.value) + "/" + name_in(path);
  }
  const sys::Result<sys::FileStatus> status = sys.stat(found.value);
  if (!status.ok()) {
    return fail("stat of " + path, status.error);
  }
  if (const sys::FileKind kind = sys::file_kind(status.value.mode);
      kind != sys::FileKind::regular) {
    return fail("replacing " + path + ", which is no regular file",
                kind == sys::FileKind::directory ? EISDIR : EINVAL);
  }
  existing = status.value;
  return found.value;
}

WritableFile open_replacement(sys::SystemCalls& sys, const std::string& path,
                              const FileOptions& options, OpenFailure& failure) {
  std::optional<sys::FileStatus> existing;
  WritableFile file(sys);
  file.target = final_place(sys, path, existing, failure);
  if (file.target.empty()) {
    return file;
  }
  const std::string directory = directory_of(file.target);
  // Nobody may read through the new file what the old one's mode forbids.
  const mode_t mode = existing ? existing->mode & sys::permission_bits & ~mode_t{077}
                               : static_cast<mode_t>(options.permissions);
  // Not the file's before it is there: it may be somebody else's.
  std::string temporary;
  sys::Result<int> opened{-1, EEXIST};
  for (int i = 0; i < name_attempts && opened.error == EEXIST; ++i) {
    temporary = (directory == "/" ? "" : directory) + "/." +
                name_in(file.target).substr(0, longest_kept_name) + "." + random_suffix();
    opened = open_with(sys, temporary, sys::open_creating | sys::open_exclusively, mode);
  }
  if (!opened.ok()) {
    return failed(sys, failure, "creating a temporary file in " + directory + " for " + path,
                  opened.error);
  }
  file.fd = opened.value;
  file.temporary = std::move(temporary);
  file.mode = S_IFREG | mode;
  if (existing) {
    const sys::Status changed = sys.fchmod(file.fd, existing->mode & sys::permission_bits);
    if (!changed.ok()) {
      return failed(sys, failure, "giving the replacement of " + path + " its mode", changed.error);
    }
  }
  if (options.fsync_on_close) {
    file.directory = directory;
  }
  return file;
}

// Devices, and file systems without a disk, have nothing to synchronize.
std::error_code synchronize(sys::SystemCalls& sys, int fd) noexcept {
  const sys::Status status = uninterrupted(Call::fsync, [&] { return sys.fsync(fd); });
  const bool senseless = status.error == EINVAL || status.error == EROFS;
  return senseless ? std::error_code() : sys::to_error_code(status.error);
}

// close(2) tells what some file systems, such as NFS, learn late. It does so for a duplicate too,
// and the descriptor itself is needed until connection_lost has returned.
std::error_code late_error(sys::SystemCalls& sys, int fd) noexcept {
  const sys::Result<int> copy = sys.dup(fd);
  const int error = copy.ok() ? sys.close(copy.value).error : 0;
  return error == EINTR ? std::error_code() : sys::to_error_code(error);
}

std::error_code synchronize_directory(sys::SystemCalls& sys, const std::string& path) noexcept {
  const sys::Result<int> opened = open_with(sys, path, sys::open_a_directory, 0);
  if (!opened.ok()) {
    return sys::to_error_code(opened.error);
  }
  const std::error_code error = synchronize(sys, opened.value);
  static_cast<void>(sys.close(opened.value));
  return error;
}

}  // namespace

WritableFile::WritableFile(WritableFile&& other) noexcept
    : sys(other.sys),
      fd(std::exchange(other.fd, -1)),
      mode(other.mode),
      temporary(std::exchange(other.temporary, {})),
      target(std::move(other.target)),
      directory(std::move(other.directory)),
      fsync_on_close(other.fsync_on_close) {}

WritableFile& WritableFile::operator=(WritableFile&& other) noexcept {
  std::swap(sys, other.sys);
  std::swap(fd, other.fd);
  std::swap(mode, other.mode);
  std::swap(temporary, other.temporary);
  std::swap(target, other.target);
  std::swap(directory, other.directory);
  std::swap(fsync_on_close, other.fsync_on_close);
  return *this;
}

WritableFile::~WritableFile() {
  close_file(*this);
}

WritableFile open_writable(sys::SystemCalls& sys, const std::string& path,
                           const FileOptions& options, OpenFailure& failure) {
  if (path.find('\0') != std::string::npos) {
    return failed(sys, failure, "opening a path with a NUL byte in it for writing", EINVAL);
  }
  WritableFile file = options.if_exists == IfExists::replace
                          ? open_replacement(sys, path, options, failure)
                          : open_in_place(sys, path, options, failure);
  file.fsync_on_close = options.fsync_on_close;
  return file;
}

std::error_code complete_file(WritableFile& file, const std::atomic<bool>& unwanted) noexcept {
  sys::SystemCalls& sys = *file.sys;
  std::error_code error;
  if (file.fsync_on_close) {
    error = synchronize(sys, file.fd);
  }
  if (!error) {
    error = late_error(sys, file.fd);
  }
  if (!error && !file.temporary.empty()) {
    if (unwanted) {
      return std::make_error_code(std::errc::operation_canceled);
    }
    error = sys::to_error_code(sys.rename(file.temporary, file.target).error);
    if (!error) {
      file.temporary.clear();
      file.target.clear();
    }
  }
  if (!error && file.fsync_on_close && !file.directory.empty()) {
    error = synchronize_directory(sys, file.directory);
  }
  return error;
}

void remove_temporary(WritableFile& file) noexcept {
  if (!file.temporary.empty()) {
    static_cast<void>(file.sys->unlink(file.temporary));
    file.temporary.clear();
  }
}

void close_file(WritableFile& file) noexcept {
  remove_temporary(file);
  if (file.fd >= 0) {
    static_cast<void>(file.sys->close(std::exchange(file.fd, -1)));
  }
}

}  // namespace sluice::transports
