#pragma once

#include "common/command_line.hpp"
#include "report.hpp"

namespace bench {

// Each runs its workload once.
Report load_replies(CommandLine& options);
Report load_echo(CommandLine& options);
Report load_pieces(CommandLine& options);
Report load_stream(CommandLine& options);
Report load_fanout(CommandLine& options);
Report load_deep(CommandLine& options);
Report load_idle(CommandLine& options);
Report load_slow(CommandLine& options);
Report load_tls_echo(CommandLine& options);
Report load_tls_stream(CommandLine& options);
Report load_relay(CommandLine& options);
Report load_sendfile(CommandLine& options);

}  // namespace bench
