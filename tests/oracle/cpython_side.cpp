#include "oracle/cpython_side.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace sluice::oracle {
namespace {

constexpr std::string_view end_of_reply = ".";

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error("cannot make a pipe to Python");
  }
  return ends;
}

pid_t start_python(int input, int output) {
  std::string python = SLUICE_ORACLE_PYTHON;
  if (const char* other = std::getenv("SLUICE_ORACLE_PYTHON")) {
    python = other;
  }
  std::string worker = SLUICE_ORACLE_FOLDER "/worker.py";
  std::string isolated = "-B";
  std::array<char*, 4> arguments{python.data(), isolated.data(), worker.data(), nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  pid_t process = -1;
  const int error =
      ::posix_spawn(&process, python.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw std::runtime_error("cannot start " + python);
  }
  return process;
}

std::vector<std::string> split(std::string_view list, char separator) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(separator), list.size());
    parts.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return parts;
}

}  // namespace

CpythonSide::CpythonSide() {
  // When Python ends early, it says why; a signal would only end us too.
  std::signal(SIGPIPE, SIG_IGN);
  const auto [input, to] = make_pipe();
  const auto [from, output] = make_pipe();
  process_ = start_python(input, output);
  ::close(input);
  ::close(output);
  to_ = ::fdopen(to, "w");
  from_ = ::fdopen(from, "r");
  read_greeting();
}

CpythonSide::~CpythonSide() {
  static_cast<void>(std::fclose(to_));
  static_cast<void>(std::fclose(from_));
  ::waitpid(process_, nullptr, 0);
}

std::string CpythonSide::read_line() {
  char* text = nullptr;
  std::size_t capacity = 0;
  const ssize_t size = ::getline(&text, &capacity, from_);
  std::string line =
      size > 0 ? std::string(text, static_cast<std::size_t>(size) - 1) : std::string();
  std::free(text);
  if (size <= 0) {
    throw std::runtime_error("the Python side ended; what it said is above");
  }
  return line;
}

void CpythonSide::read_greeting() {
  version_ = read_line();
  for (std::string line = read_line(); line != end_of_reply; line = read_line()) {
    const std::size_t tab = line.find('\t');
    differences_.push_back({line.substr(0, tab), line.substr(tab + 1)});
  }
}

void CpythonSide::send(std::span<const Request> requests) {
  for (const Request& request : requests) {
    std::fprintf(to_, "%s\t%s\n", request.clauses.c_str(), request.scenario.c_str());
  }
  std::fputs("\n", to_);
  std::fflush(to_);
  awaited_ = requests.size();
}

std::vector<Reply> CpythonSide::receive() {
  std::vector<Reply> replies;
  while (awaited_ > 0) {
    Reply reply;
    std::string line = read_line();
    for (; !line.starts_with(end_of_reply); line = read_line()) {
      reply.trace.push_back(std::move(line));
    }
    reply.fired = split(std::string_view(line).substr(end_of_reply.size()), ' ');
    replies.push_back(std::move(reply));
    --awaited_;
  }
  return replies;
}

}  // namespace sluice::oracle
