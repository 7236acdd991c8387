#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>

#include "command_line.hpp"
#include "console.hpp"
#include "errors.hpp"

namespace sluice::cli {

namespace {

struct RunCommand {
  int operator()(const ShowText& show) const {
    print(show.text);
    return exit_done;
  }
  int operator()(const CopyOptions& options) const { return run_copy(options); }
  int operator()(const ServeOptions& options) const { return run_serve(options); }
};

// The command whose help tells what could have been asked for.
std::string help_command(int argc, const char* const* argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  const bool known = command == "copy" || command == "serve";
  return "sluice " + (known ? std::string(command) + " " : "") + "--help";
}

int run(int argc, const char* const* argv) {
  guard_standard_streams();
  try {
    return std::visit(RunCommand{}, parse_command_line(argc, argv));
  } catch (const UsageError& error) {
    print_error(error.what());
    write_all(StandardStream::error, "see '" + help_command(argc, argv) + "'\n");
    return exit_usage;
  } catch (const RunError& error) {
    print_error(error.what());
  } catch (const std::system_error& error) {
    print_error(std::string("cannot start: ") + error.what());
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
  } catch (const std::exception& error) {
    print_error(std::string("internal error: ") + error.what());
  }
  return exit_failed;
}

}  // namespace

}  // namespace sluice::cli

int main(int argc, char** argv) {
  return sluice::cli::run(argc, argv);
}
