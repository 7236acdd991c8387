#pragma once

#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "common/command_line.hpp"
#include "common/require.hpp"

namespace bench {

/// Ten thousand connections need more descriptors than the usual soft limit.
inline void raise_descriptor_limit() {
  rlimit limit{};
  require(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  require(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

/// The whole of main: `run` gets the command line; what it throws is one line on standard error.
template <class Run>
int run_program(int argc, char** argv, Run run) noexcept {
  try {
    std::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    CommandLine options(argc, argv);
    run(options);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}

}  // namespace bench
