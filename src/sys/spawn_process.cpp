#include "sys/spawn_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <string_view>
#include <utility>

#include "sluice/fd.hpp"

namespace sluice::sys {
namespace {

constexpr int first_free_number = 3;

// The header of glibc 2.36 that declares it is C that C++ cannot include.
int open_pidfd(int pid) noexcept {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

// The work that the child does before the program starts. posix_spawn does it in a child that
// shares our memory and runs alone, so no lock of another thread can be in its way.
class Preparation {
 public:
  Preparation() noexcept : error_(::posix_spawn_file_actions_init(&actions_)) {
    note(::posix_spawnattr_init(&attributes_));
  }
  Preparation(const Preparation&) = delete;
  Preparation& operator=(const Preparation&) = delete;
  ~Preparation() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  // Returns an errno.
  [[nodiscard]] int prepare(const SpawnRequest& request) {
    move_sources_out_of_the_way(request);
    if (request.directory_fd >= 0) {
      note(::posix_spawn_file_actions_addfchdir_np(&actions_, request.directory_fd));
    }
    for (int slot = 0; slot < first_free_number; ++slot) {
      fill(slot, sources_[static_cast<std::size_t>(slot)]);
    }
    note(::posix_spawn_file_actions_addclosefrom_np(&actions_, first_free_number));
    set_attributes(request);
    return error_;
  }

  [[nodiscard]] int start(const char* path, char* const* argv, char* const* environment,
                          int& pid) const noexcept {
    return ::posix_spawn(&pid, path, &actions_, &attributes_, argv, environment);
  }

 private:
  void note(int error) noexcept { error_ = error_ != 0 ? error_ : error; }

  // A source below 3 would be overwritten by the one that goes to its number before it is used.
  void move_sources_out_of_the_way(const SpawnRequest& request) {
    for (std::size_t slot = 0; slot < sources_.size(); ++slot) {
      sources_[slot] = request.stdio[slot];
      if (sources_[slot] >= 0 && sources_[slot] < first_free_number &&
          sources_[slot] != static_cast<int>(slot)) {
        copies_[slot] = Fd(::fcntl(sources_[slot], F_DUPFD_CLOEXEC, first_free_number));
        note(copies_[slot] ? 0 : errno);
        sources_[slot] = copies_[slot].get();
      }
    }
  }

  void fill(int slot, StdioSource source) {
    if (source == null_device) {
      note(::posix_spawn_file_actions_addopen(&actions_, slot, "/dev/null", O_RDWR, 0));
    } else if (source >= 0) {
      // Onto itself it makes the number stay open.
      note(::posix_spawn_file_actions_adddup2(&actions_, source, slot));
    }
  }

  void set_attributes(const SpawnRequest& request) {
    int flags = 0;
    if (request.default_signals) {
      sigset_t all;
      sigset_t none;
      ::sigfillset(&all);
      ::sigemptyset(&none);
      note(::posix_spawnattr_setsigdefault(&attributes_, &all));
      note(::posix_spawnattr_setsigmask(&attributes_, &none));
      flags |= POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    }
    if (request.process_group) {
      note(::posix_spawnattr_setpgroup(&attributes_, *request.process_group));
      flags |= POSIX_SPAWN_SETPGROUP;
    }
    if (request.new_session) {
      flags |= POSIX_SPAWN_SETSID;
    }
    note(::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags)));
  }

  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
  int error_;
  std::array<StdioSource, first_free_number> sources_{};
  std::array<Fd, first_free_number> copies_;
};

// What exec(3) wants: pointers with a null behind the last. It only reads what they point to.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const std::string& text : texts) {
    result.push_back(const_cast<char*>(text.c_str()));
  }
  result.push_back(nullptr);
  return result;
}

std::string_view search_path(char* const* environment) noexcept {
  constexpr std::string_view name = "PATH=";
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    if (std::string_view(*environment).starts_with(name)) {
      return std::string_view(*environment).substr(name.size());
    }
  }
  return "/bin:/usr/bin";
}

// The files that the program may be, in the order of PATH.
std::vector<std::string> candidates(const std::string& program, char* const* environment) {
  if (program.find('/') != std::string::npos) {
    return {program};
  }
  std::vector<std::string> paths;
  std::string_view rest = search_path(environment);
  for (bool more = true; more;) {
    const std::size_t colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    // No name means the directory that the process starts in.
    paths.push_back(folder.empty() ? program : std::string(folder) + "/" + program);
    more = colon != std::string_view::npos;
    rest = more ? rest.substr(colon + 1) : std::string_view();
  }
  return paths;
}

bool missing(int error) noexcept {
  return error == ENOENT || error == ENOTDIR;
}

// Tries the candidates as execvp(3) does; one that exists and may not be run is the error of all.
int start_first(const Preparation& preparation, const SpawnRequest& request,
                char* const* environment, int& pid) {
  const std::vector<char*> argv = pointers(request.argv);
  const int folder = request.directory_fd >= 0 ? request.directory_fd : AT_FDCWD;
  const bool search = request.argv.front().find('/') == std::string::npos;
  int verdict = ENOENT;
  for (const std::string& path : candidates(request.argv.front(), environment)) {
    // Cheaper than a process that ends at once.
    if (search && ::faccessat(folder, path.c_str(), F_OK, 0) < 0 && missing(errno)) {
      continue;
    }
    const int error = preparation.start(path.c_str(), argv.data(), environment, pid);
    if (!search || (error != EACCES && !missing(error))) {
      return error;
    }
    verdict = error == EACCES ? EACCES : verdict;
  }
  return verdict;
}

// Nobody must be left to wait for, so this waits until the killed process is gone.
void end_at_once(int pid) noexcept {
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<Spawned> spawn_or_throw(const SpawnRequest& request) {
  // Before anything is started: is there a descriptor left, and does the system know pidfds?
  Fd reserved(open_pidfd(::getpid()));
  if (!reserved) {
    return {{}, errno};
  }
  Preparation preparation;
  if (const int error = preparation.prepare(request); error != 0) {
    return {{}, error};
  }
  std::vector<char*> given;
  if (request.environment) {
    given = pointers(*request.environment);
  }
  Spawned spawned;
  if (const int error = start_first(preparation, request,
                                    request.environment ? given.data() : environ, spawned.pid);
      error != 0) {
    return {{}, error};
  }
  reserved.reset();
  spawned.pidfd = open_pidfd(spawned.pid);
  if (spawned.pidfd < 0 && errno != ESRCH) {
    const int error = errno;
    end_at_once(spawned.pid);
    return {{}, error};
  }
  return {spawned, 0};
}

}  // namespace

Result<Spawned> spawn_process(const SpawnRequest& request) noexcept {
  try {
    return spawn_or_throw(request);
  } catch (const std::bad_alloc&) {
    return {{}, ENOMEM};
  }
}

}  // namespace sluice::sys
