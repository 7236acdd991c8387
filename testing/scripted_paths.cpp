// ScriptedKernel: the calls that open, name and finish files.
#include <cerrno>

#include "testing/scripted_kernel.hpp"

namespace sluice::testing {

sys::Result<int> ScriptedKernel::open(const std::string& /*path*/, int flags,
                                      mode_t /*mode*/) noexcept {
  const Lock lock(mutex_);
  const int planned = planned_failure("open");
  return {-1, record_status("open", -1, flags, planned != 0 ? planned : ENOENT).error};
}

sys::Result<std::string> ScriptedKernel::realpath(const std::string& /*path*/) noexcept {
  const Lock lock(mutex_);
  const int planned = planned_failure("realpath");
  return {{}, record_status("realpath", -1, 0, planned != 0 ? planned : ENOENT).error};
}

sys::Status ScriptedKernel::rename(const std::string& /*from*/,
                                   const std::string& /*to*/) noexcept {
  const Lock lock(mutex_);
  const int planned = planned_failure("rename");
  return record_status("rename", -1, 0, planned != 0 ? planned : ENOENT);
}

sys::Status ScriptedKernel::seek(int fd, std::uint64_t offset) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  const int error = enter("seek", fd, object);
  return record_status("seek", fd, static_cast<long>(offset), error);
}

sys::Status ScriptedKernel::fsync(int fd) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  const int error = enter("fsync", fd, object);
  return record_status("fsync", fd, 0, error);
}

sys::Status ScriptedKernel::fchmod(int fd, mode_t mode) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  const int error = enter("fchmod", fd, object);
  return record_status("fchmod", fd, static_cast<long>(mode), error);
}

sys::Result<int> ScriptedKernel::dup(int fd) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  const int error = enter("dup", fd, object);
  const int copy = error == 0 ? install(open_.at(fd)) : -1;
  record({"dup", fd, 0, 0, 0, error == 0 ? copy : -error});
  return {copy, error};
}

}  // namespace sluice::testing
