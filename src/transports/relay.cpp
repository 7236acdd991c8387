#include "sluice/relay.hpp"

#include <stdexcept>
#include <string>
#include <utility>

#include "loop/loop_core.hpp"
#include "transports/birth.hpp"
#include "transports/conduit.hpp"
#include "transports/relay_direction.hpp"
#include "transports/relay_ends.hpp"
#include "transports/relay_pipe.hpp"

namespace sluice {
namespace {

using transports::Conduit;
using transports::RelayDirection;
using transports::RelayPipe;
using transports::ServedProtocols;

// One of the two transports, and what it had before.
struct End {
  std::shared_ptr<BaseTransport> transport;
  Conduit* conduit;
  ReadTransport* reader;  // the same, if it reads; otherwise null
  std::shared_ptr<BaseProtocol> earlier;
  bool was_reading;
  bool told_paused;  // what the earlier protocol heard last

  void give_back() const {
    if (transport->is_closing()) {
      return;
    }
    transport->set_protocol(earlier);
    if (reader != nullptr) {
      was_reading ? reader->resume_reading() : reader->pause_reading();
    }
  }
  // Runs code of the user: after everything else. Whoever swaps protocols tells them what they have
  // missed (W-78, W-196).
  void catch_up() const {
    if (!transport->is_closing() && transport->get_protocol() == earlier) {
      conduit->catch_up(told_paused);
    }
  }
};

End end_of(std::shared_ptr<BaseTransport> transport) {
  auto* const conduit = dynamic_cast<Conduit*>(transport.get());
  if (conduit == nullptr) {
    throw std::invalid_argument("relay is not supported for this transport");
  }
  if (transport->is_closing()) {
    throw std::logic_error("Transport is closing");
  }
  auto* const reader = dynamic_cast<ReadTransport*>(transport.get());
  std::shared_ptr<BaseProtocol> earlier = transport->get_protocol();
  return {.transport = std::move(transport),
          .conduit = conduit,
          .reader = reader,
          .earlier = std::move(earlier),
          .was_reading = reader != nullptr && reader->is_reading(),
          .told_paused = conduit->writing_paused()};
}

// A transport that can be seen as a Transport may be one half of it only.
void require_readable(const End& end) {
  if (end.conduit->serves() == ServedProtocols::write) {
    throw std::invalid_argument(
        "relay: there is nothing to read from a transport that only writes");
  }
}

// What write() would refuse is refused before anything has come (W-6).
void require_writable(const End& end, const char* call) {
  if (end.conduit->serves() == ServedProtocols::read) {
    throw std::invalid_argument("relay: a transport that only reads cannot be written to");
  }
  if (end.conduit->has_written_eof()) {
    throw std::logic_error(std::string("Cannot call ") + call + " after write_eof()");
  }
}

loop::LoopCore& common_loop(const End& first, const End& second) {
  if (first.conduit == second.conduit) {
    throw std::invalid_argument("relay: both ends are the same transport");
  }
  if (&first.conduit->loop() != &second.conduit->loop()) {
    throw std::invalid_argument("relay: the transports belong to different loops");
  }
  loop::LoopCore& loop = first.conduit->loop();
  loop.check_usable();
  return loop;
}

// Null where the kernel cannot move the bytes.
std::shared_ptr<RelayPipe> pipe_between(const End& first, const End& second) {
  return first.conduit->plain() && second.conduit->plain()
             ? RelayPipe::create(first.conduit->loop().shared_sys())
             : nullptr;
}

// Both directions of a relay_both.
struct Both {
  End first;
  End second;
  RelayBothResult result{};
  int running = 2;
  Future<RelayBothResult> future;

  void one_ended() {
    if (--running > 0) {
      return;
    }
    if (future.done()) {
      first.give_back();
      second.give_back();
      first.catch_up();
      second.catch_up();
      return;
    }
    future.set_result(result);
    first.transport->close();
    second.transport->close();
  }
};

}  // namespace

Future<RelayResult> relay(const std::shared_ptr<ReadTransport>& from,
                          const std::shared_ptr<WriteTransport>& to) {
  const End reading = end_of(from);
  const End writing = end_of(to);
  require_readable(reading);
  require_writable(writing, "relay()");
  auto future = transports::make_future<RelayResult>(common_loop(reading, writing));
  const auto direction =
      std::make_shared<RelayDirection>(from, to, pipe_between(reading, writing),
                                       [reading, writing, future](const RelayResult& result) {
                                         reading.give_back();
                                         writing.give_back();
                                         if (!future.done()) {
                                           future.set_result(result);
                                         }
                                         reading.catch_up();
                                         writing.catch_up();
                                       });
  from->set_protocol(transports::make_relay_end(reading.conduit->serves(), direction, nullptr));
  to->set_protocol(transports::make_relay_end(writing.conduit->serves(), nullptr, direction));
  future.set_on_cancel([weak = std::weak_ptr(direction)] {
    if (const auto running = weak.lock()) {
      running->stop();
    }
  });
  if (writing.was_reading) {
    writing.reader->pause_reading();
  }
  direction->begin();
  return future;
}

Future<RelayBothResult> relay_both(const std::shared_ptr<Transport>& first,
                                   const std::shared_ptr<Transport>& second) {
  const End one = end_of(first);
  const End other = end_of(second);
  for (const End* const end : {&one, &other}) {
    require_readable(*end);
    require_writable(*end, "relay_both()");
  }
  auto future = transports::make_future<RelayBothResult>(common_loop(one, other));
  const auto both = std::make_shared<Both>(Both{.first = one, .second = other, .future = future});
  const auto forth = std::make_shared<RelayDirection>(first, second, pipe_between(one, other),
                                                      [both](const RelayResult& result) {
                                                        both->result.forth = result;
                                                        both->one_ended();
                                                      });
  const auto back = std::make_shared<RelayDirection>(second, first, pipe_between(other, one),
                                                     [both](const RelayResult& result) {
                                                       both->result.back = result;
                                                       both->one_ended();
                                                     });
  first->set_protocol(transports::make_relay_end(one.conduit->serves(), forth, back));
  second->set_protocol(transports::make_relay_end(other.conduit->serves(), back, forth));
  future.set_on_cancel([weak_forth = std::weak_ptr(forth), weak_back = std::weak_ptr(back)] {
    for (const auto& weak : {weak_forth, weak_back}) {
      if (const auto running = weak.lock()) {
        running->stop();
      }
    }
  });
  forth->begin();
  back->begin();
  return future;
}

}  // namespace sluice
