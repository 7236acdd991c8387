#pragma once

#include "common/command_line.hpp"

namespace bench {

// Each serves its workload until standard input ends.
void serve_tls_echo(CommandLine& options);
void serve_tls_stream(CommandLine& options);

}  // namespace bench
