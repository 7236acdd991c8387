#include "server_process.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>

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
