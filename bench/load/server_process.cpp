#include "server_process.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "common/require.hpp"

namespace bench {

ServerProcess::ServerProcess(pid_t pid) : pid_(pid) {
  if (const int error = clock_getcpuclockid(pid, &clock_); error != 0) {
    throw std::system_error(error, std::system_category(), "the clock of --server-pid");
  }
}

std::chrono::nanoseconds ServerProcess::cpu_time() const {
  timespec time{};
  require(clock_gettime(clock_, &time), "clock_gettime of the server");
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

template <class Condition>
void ServerProcess::wait_until(Condition condition, const char* failure) const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error(failure);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

std::chrono::nanoseconds ServerProcess::cpu_time_at_rest() const {
  wait_until([this] { return rests(); }, "the server has nothing to do and does not come to rest");
  return cpu_time();
}

std::size_t ServerProcess::descriptors() const {
  const std::filesystem::directory_iterator open("/proc/" + std::to_string(pid_) + "/fd");
  return static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

void ServerProcess::wait_for_descriptors(std::size_t count) const {
  wait_until([&] { return descriptors() >= count && rests(); },
             "the server does not accept all connections and come to rest");
}

bool ServerProcess::rests() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string stat;
  std::getline(file, stat);
  // The name in parentheses, which may hold anything, stands before the state.
  const std::size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && stat.compare(name_end, 3, ") S") == 0;
}

std::size_t ServerProcess::value(const char* file, const char* name) const {
  const std::string path = "/proc/" + std::to_string(pid_) + "/" + file;
  std::ifstream lines(path);
  const std::string prefix = std::string(name) + ":";
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(prefix)) {
      std::istringstream words(line.substr(prefix.size()));
      std::size_t kib = 0;
      words >> kib;
      return kib;
    }
  }
  throw std::runtime_error("no " + std::string(name) + " in " + path);
}

}  // namespace bench
