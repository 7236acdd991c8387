// ScriptedKernel: child processes.
#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "testing/scripted_kernel.hpp"

namespace sluice::testing {

using scripted::Kind;

// ---- For tests ----

const ScriptedChild& ScriptedKernel::child(int pid) const {
  const Lock lock(mutex_);
  return *children_.at(pid);
}

void ScriptedKernel::end_child(int pid, int returncode) {
  const Lock lock(mutex_);
  end(*children_.at(pid), returncode);
}

void ScriptedKernel::collect_child(int pid, int returncode) {
  const Lock lock(mutex_);
  children_.at(pid)->collected = true;
  end(*children_.at(pid), returncode);
}

void ScriptedKernel::make_immortal(int pid) {
  const Lock lock(mutex_);
  children_.at(pid)->immortal = true;
}

void ScriptedKernel::wake_for_nothing(int fd) {
  const Lock lock(mutex_);
  known(fd).counter = 1;
  wake(known(fd), EPOLLIN);
}

// ---- SystemCalls ----

sys::Result<int> ScriptedKernel::open_directory(const std::string& path) noexcept {
  const Lock lock(mutex_);
  int error = planned_failure("open_directory");
  const auto found = paths_.find(path);
  if (error == 0 && found == paths_.end()) {
    error = ENOENT;
  } else if (error == 0 && !S_ISDIR(found->second.mode)) {
    error = ENOTDIR;
  }
  const int number = error == 0 ? install(make(Kind::file, S_IFDIR | 0700, O_RDONLY)) : 0;
  record({"open_directory", -1, 0, 0, 0, error == 0 ? number : -error});
  return {number, error};
}

sys::Result<sys::Spawned> ScriptedKernel::spawn(const sys::SpawnRequest& request) noexcept {
  const Lock lock(mutex_);
  auto child = std::make_unique<ScriptedChild>();
  child->request = request;
  int error = planned_failure("spawn");
  for (std::size_t slot = 0; error == 0 && slot < child->stdio.size(); ++slot) {
    // The process's own 0, 1 and 2 are none of this kernel's.
    if (request.stdio[slot] < 3) {
      continue;
    }
    error = use("spawn", request.stdio[slot]) == nullptr ? EBADF : 0;
    if (error == 0) {
      child->stdio[slot] = open_.at(request.stdio[slot]);
      ++child->stdio[slot]->descriptors;
    }
  }
  if (error != 0) {
    end(*child, 0);
    record({"spawn", -1, 0, 0, 0, -error});
    return {{}, error};
  }
  child->pid = next_pid_++;
  const auto pidfd = make(Kind::pidfd, 0600, O_RDWR);
  child->pidfd = pidfd;
  const sys::Spawned spawned{child->pid, install(pidfd)};
  record({"spawn", -1, 0, 0, 0, spawned.pid});
  children_[child->pid] = std::move(child);
  return {spawned};
}

sys::Status ScriptedKernel::pidfd_send_signal(int pidfd, int number) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  int error = enter("pidfd_send_signal", pidfd, object);
  ScriptedChild* child = error == 0 ? child_of(*object) : nullptr;
  if (error == 0 && child == nullptr) {
    error = EBADF;
  } else if (error == 0 && child->collected) {
    error = ESRCH;
  } else if (error == 0 && child->immortal) {
    error = EPERM;
  } else if (error == 0) {
    child->signals.push_back(number);
    if (number == SIGKILL) {
      end(*child, -SIGKILL);
    }
  }
  return record_status("pidfd_send_signal", pidfd, number, error);
}

sys::Result<std::optional<int>> ScriptedKernel::waitid(int pidfd, sys::ChildWait wait) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  int error = enter("waitid", pidfd, object);
  ScriptedChild* child = error == 0 ? child_of(*object) : nullptr;
  std::optional<int> returncode;
  if (error == 0 && child == nullptr) {
    error = EBADF;
  } else if (error == 0 && child->collected) {
    error = ECHILD;
  } else if (error == 0) {
    returncode = child->end;
    child->collected = returncode.has_value();
    if (!returncode && wait == sys::ChildWait::until_end) {
      add_violation("waitid would wait for ever");
    }
  }
  static_cast<void>(record_status("waitid", pidfd, 0, error));
  return {returncode, error};
}

ScriptedChild* ScriptedKernel::child_of(const Object& pidfd) const {
  for (const auto& entry : children_) {
    if (entry.second->pidfd.lock().get() == &pidfd) {
      return entry.second.get();
    }
  }
  return nullptr;
}

// Its descriptors are closed, and whoever looks at its pidfd is woken.
void ScriptedKernel::end(ScriptedChild& child, int returncode) {
  if (child.end) {
    return;
  }
  child.end = returncode;
  for (std::shared_ptr<Object>& held : child.stdio) {
    const std::shared_ptr<Object> object = std::exchange(held, nullptr);
    if (object && --object->descriptors == 0) {
      destroy(*object);
    }
  }
  if (const auto pidfd = child.pidfd.lock()) {
    pidfd->counter = 1;
    wake(*pidfd, EPOLLIN);
  }
}

}  // namespace sluice::testing
