#include "distinct_sinks.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include "errors.hpp"
#include "open_file.hpp"

namespace sluice::cli {

namespace {

namespace fs = std::filesystem;

struct SinkFile {
  std::string path;                      // without links; empty: standard output
  std::optional<FileIdentity> identity;  // of what is there
};

// Empty for what is not the name of a regular file that is there, or will be.
std::optional<SinkFile> file_of(const Endpoint& sink) {
  if (sink.kind == EndpointKind::standard_stream) {
    const std::optional<FileIdentity> identity = redirected_output();
    return identity ? std::optional(SinkFile{.path = {}, .identity = identity}) : std::nullopt;
  }
  if (sink.kind != EndpointKind::file) return std::nullopt;
  std::error_code unknown;  // what cannot be looked at fails when it is opened
  const fs::path path = fs::weakly_canonical(sink.path, unknown);
  const fs::file_type type = fs::status(path, unknown).type();
  if (type != fs::file_type::regular && type != fs::file_type::not_found) return std::nullopt;
  return SinkFile{.path = path, .identity = identity_of(path)};
}

// Another name of a file is another file as soon as the one behind it has been replaced.
bool are_one(const SinkFile& one, const SinkFile& other, bool in_place) {
  const bool is_output = one.path.empty() || other.path.empty();
  return one.path == other.path ||
         ((is_output || in_place) && one.identity && one.identity == other.identity);
}

}  // namespace

void refuse_the_same_file(const std::vector<Endpoint>& sinks, bool in_place) {
  std::vector<SinkFile> files;
  for (const Endpoint& sink : sinks) {
    const std::optional<SinkFile> file = file_of(sink);
    if (!file) continue;
    const bool is_there = std::ranges::any_of(
        files, [&](const SinkFile& other) { return are_one(*file, other, in_place); });
    if (is_there) {
      throw UsageError("'" + sink.text + "': the same file can be a sink only once");
    }
    files.push_back(*file);
  }
}

}  // namespace sluice::cli
