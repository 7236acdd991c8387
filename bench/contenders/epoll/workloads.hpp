#pragma once

#include "common/command_line.hpp"

namespace bench {

// Each serves its workload until standard input ends.
void serve_replies(CommandLine& options);
void serve_echo(CommandLine& options);
void serve_pieces(CommandLine& options);
void serve_stream(CommandLine& options);
void serve_fanout(CommandLine& options);

}  // namespace bench
