// ScriptedKernel: datagram sockets.
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "testing/scripted_kernel.hpp"

namespace sluice::testing {

using scripted::Kind;
using scripted::Link;

namespace {

std::string joined(std::span<const iovec> pieces) {
  std::string bytes;
  for (const iovec& piece : pieces) {
    bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  }
  return bytes;
}

}  // namespace

int ScriptedKernel::open_datagram(const SocketAddress& local, const SocketAddress& peer) {
  const Lock lock(mutex_);
  const auto object = make(Kind::datagram, S_IFSOCK | 0777, O_RDWR | O_NONBLOCK);
  object->options[{SOL_SOCKET, SO_TYPE}] = SOCK_DGRAM;
  object->link = peer.family() == AddressFamily::unspecified ? Link::none : Link::established;
  object->local = local;
  object->peer = peer;
  return install(object);
}

std::vector<SentDatagram> ScriptedKernel::sent_datagrams(int fd) const {
  const Lock lock(mutex_);
  return known(fd).datagrams_out;
}

void ScriptedKernel::deliver_datagram(int fd, std::string_view bytes, const SocketAddress& from) {
  const Lock lock(mutex_);
  Object& object = known(fd);
  object.datagrams_in.push_back({std::string(bytes), from});
  wake(object, EPOLLIN);
}

void ScriptedKernel::deliver_error(int fd, int error) {
  const Lock lock(mutex_);
  Object& object = known(fd);
  object.socket_error = error;
  wake(object, EPOLLERR);
}

sys::Result<std::size_t> ScriptedKernel::sendmmsg(
    int fd, std::span<const sys::OutgoingDatagram> datagrams) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  sys::Result<std::size_t> result;
  std::size_t bytes = 0;
  result.error = enter("sendmmsg", fd, object);
  if (result.ok() && object->kind != Kind::datagram) {
    result.error = ENOTSOCK;
  }
  if (result.ok() && (datagrams.empty() || datagrams.size() > max_datagrams)) {
    add_violation("sendmmsg of " + std::to_string(datagrams.size()) + " messages");
  }
  while (result.ok() && result.value < datagrams.size()) {
    bytes += joined(datagrams[result.value].pieces).size();
    const int error = send_one(*object, datagrams[result.value]);
    if (error != 0) {
      // As on Linux: what was sent before is all that is told.
      result.error = result.value == 0 ? error : 0;
      break;
    }
    ++result.value;
  }
  record({"sendmmsg", fd, bytes, datagrams.size(), 0,
          result.ok() ? static_cast<long>(result.value) : -result.error});
  return result;
}

int ScriptedKernel::send_one(Object& object, const sys::OutgoingDatagram& datagram) {
  if (!object.script.empty()) {
    const WriteAnswer answer = object.script.front();
    object.script.pop_front();
    switch (answer.kind) {
      case WriteAnswer::Kind::accept:
        break;
      case WriteAnswer::Kind::block:
        object.full = true;
        return EAGAIN;
      case WriteAnswer::Kind::fail:
        return answer.error;
      case WriteAnswer::Kind::interrupt:
        return EINTR;
    }
  }
  if (object.socket_error != 0) {
    return std::exchange(object.socket_error, 0);
  }
  if (object.write_error != 0) {
    return object.write_error;
  }
  if (datagram.to == nullptr && object.link != Link::established) {
    return EDESTADDRREQ;
  }
  const std::string bytes = joined(datagram.pieces);
  if (object.full || object.room < bytes.size()) {
    object.full = true;
    return EAGAIN;
  }
  object.room -= object.room == no_limit ? 0 : bytes.size();
  const SocketAddress to = datagram.to == nullptr ? SocketAddress() : *datagram.to;
  const std::size_t step = datagram.segment_size > 0 ? datagram.segment_size : bytes.size();
  std::size_t begin = 0;
  do {
    object.datagrams_out.push_back({bytes.substr(begin, step), to});
    begin += step;
  } while (begin < bytes.size());
  return 0;
}

sys::Result<std::size_t> ScriptedKernel::recvmmsg(
    int fd, std::span<sys::IncomingDatagram> datagrams) noexcept {
  const Lock lock(mutex_);
  Object* object = nullptr;
  sys::Result<std::size_t> result;
  result.error = enter("recvmmsg", fd, object);
  if (result.ok() && object->kind != Kind::datagram) {
    result.error = ENOTSOCK;
  } else if (result.ok() && object->socket_error != 0) {
    result.error = std::exchange(object->socket_error, 0);
  } else if (result.ok() && object->datagrams_in.empty()) {
    result.error = object->read_error != 0 ? object->read_error : EAGAIN;
  }
  while (result.ok() && result.value < datagrams.size() && !object->datagrams_in.empty()) {
    const scripted::Datagram arrived = std::move(object->datagrams_in.front());
    object->datagrams_in.pop_front();
    sys::IncomingDatagram& slot = datagrams[result.value++];
    slot.size = std::min(slot.memory.size(), arrived.bytes.size());
    slot.truncated = slot.size < arrived.bytes.size();
    slot.from = arrived.from;
    std::memcpy(slot.memory.data(), arrived.bytes.data(), slot.size);
  }
  record({"recvmmsg", fd, 0, datagrams.size(), 0,
          result.ok() ? static_cast<long>(result.value) : -result.error});
  return result;
}

}  // namespace sluice::testing
