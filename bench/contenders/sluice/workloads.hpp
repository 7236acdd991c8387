#pragma once

#include "common/command_line.hpp"

namespace bench {

// Each serves its workload until standard input ends.
void serve_replies(CommandLine& options);
void serve_echo(CommandLine& options);
void serve_pieces(CommandLine& options);
void serve_stream(CommandLine& options);
void serve_fanout(CommandLine& options);
void serve_deep(CommandLine& options);
void serve_slow(CommandLine& options);
void serve_relay(CommandLine& options);
void serve_sendfile(CommandLine& options);

}  // namespace bench
