#pragma once

#include <sys/types.h>

#include <cstdio>
#include <span>
#include <string>
#include <vector>

namespace sluice::oracle {

/// One trace: what happened, a line each.
using Trace = std::vector<std::string>;

/// An entry of the table of deliberate differences.
struct Difference {
  std::string clause;
  std::string sentence;
};

/// One scenario to run, on CPython amended by these clauses: "" for CPython as it is, "*" for all.
struct Request {
  std::string scenario;
  std::string clauses;
};

struct Reply {
  Trace trace;
  /// The amendments that changed something, in the order of the table.
  std::vector<std::string> fired;
};

/// The Python process that runs scenarios on asyncio's transports; it lives as long as this.
class CpythonSide {
 public:
  /// Throws std::runtime_error when it does not start.
  CpythonSide();
  CpythonSide(const CpythonSide&) = delete;
  CpythonSide& operator=(const CpythonSide&) = delete;
  ~CpythonSide();

  /// As in "3.11.2".
  [[nodiscard]] const std::string& version() const noexcept { return version_; }
  /// The differences that apply to this version.
  [[nodiscard]] const std::vector<Difference>& differences() const noexcept { return differences_; }

  /// Sends the requests; receive() must follow, and Sluice may run meanwhile.
  void send(std::span<const Request> requests);
  std::vector<Reply> receive();

  std::vector<Reply> run(std::span<const Request> requests) {
    send(requests);
    return receive();
  }
  Reply run(const Request& request) { return run(std::span(&request, 1)).front(); }

 private:
  [[nodiscard]] std::string read_line();
  void read_greeting();

  pid_t process_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  std::size_t awaited_ = 0;
  std::string version_;
  std::vector<Difference> differences_;
};

}  // namespace sluice::oracle
