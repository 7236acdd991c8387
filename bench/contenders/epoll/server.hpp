#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "common/descriptor.hpp"
#include "reactor.hpp"

namespace bench {

/// Makes what serves an accepted socket.
using MakeConnection = std::function<std::unique_ptr<Watched>(Descriptor)>;
/// Called once in each thread, before it accepts; what the thread's connections share lives in the
/// result.
using PrepareThread = std::function<MakeConnection()>;

/// Serves TCP on a free port of 127.0.0.1 until standard input ends; each thread has a loop and a
/// listening socket of its own, the port is one. `events` are what connections are watched for.
void serve_tcp(const PrepareThread& prepare, std::size_t threads, std::uint32_t events);

/// The same on one thread, in a loop of the caller's.
void serve_tcp(Reactor& reactor, MakeConnection make, std::uint32_t events);

/// The same on a Unix socket, on one thread.
void serve_unix(const std::string& path, const PrepareThread& prepare, std::uint32_t events);

/// Runs `reactor` until standard input ends.
void run_until_end_of_input(Reactor& reactor);

}  // namespace bench
