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

}  // namespace bench
