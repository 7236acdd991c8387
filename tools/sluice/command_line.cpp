#include "command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "distinct_sinks.hpp"
#include "errors.hpp"
#include "size.hpp"
#include "sluice/version.hpp"

namespace sluice::cli {

namespace {

constexpr const char* program_footer = R"(Examples:
  sluice copy big.iso tcp://example.org:4000         send a file
  sluice copy tcp-listen://:4000 big.iso             receive it on the other machine
  sluice serve echo --listen tcp://127.0.0.1:7000    send everything back
  sluice serve proxy --listen tls://:443 --to unix:///run/app.sock --cert chain.pem --key key.pem

"sluice help copy" and "sluice help serve" tell the rest.)";

constexpr const char* copy_footer =
    R"(Every byte of SOURCE goes to every SINK. The source is paused while the buffer of any sink is
above its high mark, until all are at or below their low mark.

Endpoints:
  -                       standard input or standard output
  tcp://HOST:PORT         connect (an IPv6 address in brackets: tcp://[::1]:4000)
  tcp-listen://HOST:PORT  listen, take the first connection; port 0: any free port,
                          HOST may be left out: all interfaces
  tls://HOST:PORT         the same with TLS; the peer's certificate is verified (--ca, --insecure)
  tls-listen://HOST:PORT  the same with TLS; needs --cert, and --key if the key is not in it
  unix:///PATH            connect to a Unix socket (unix://@NAME: an abstract one)
  unix-listen:///PATH     listen on one, take the first connection
  pipe:///PATH            a FIFO or a character device; waits for the other end of a FIFO
  exec:COMMAND ARGUMENTS  a command's output, or its input; it must end with status 0
  PATH, file:///PATH      a file; as a sink it is written under a temporary name, and has its
                          own, or replaces what was there, when everything is in it

A regular file goes to a single tcp, unix or pipe sink by sendfile(2), unless --rate, --high or
--low ask for a buffer.

Sizes are bytes, from 0 (--rate: from 1) to 1024G; K, M and G stand for 1024, 1024 K and 1024 M.
What follows -- is an endpoint, whatever it begins with.

Exit status:
  0 every sink took every byte and was closed in order    1 something failed
  2 wrong arguments    130, 143, 129 ended by SIGINT, SIGTERM, SIGHUP

Examples:
  sluice copy data.tar tcp://localhost:4000
      send a file, with a progress line on a terminal
  sluice copy tcp-listen://127.0.0.1:0 data.tar --fsync --rate 1M
      receive it slowly, and onto the disk; the address to send to is printed first
  sluice copy - unix:///run/a.sock pipe:///run/b.fifo - < data.tar | sha256sum
      copy standard input to three sinks, as fast as the slowest takes it
  sluice copy 'exec:tar -cf - .' tcp://example.org:4000
      send what a command writes; for a shell's pipes: "exec:sh -c 'tar -cf - . | gzip'"
  sluice copy tls-listen://:4433 - --cert chain.pem --key key.pem > data.tar
      receive it encrypted; at the other end: sluice copy data.tar tls://HOST:4433 --ca ca.pem
  sluice copy big.iso tcp://[::1]:4000 --high 1M --low 256K --report json
      a larger buffer, and the report for a program)";

constexpr const char* serve_footer = R"(Services:
  echo     send everything back (RFC 862)
  discard  read everything, answer nothing (RFC 863)
  chargen  send lines of text without end (RFC 864)
  proxy    connect each client to --to, and relay both ways

--listen takes the listening names as well: tcp-listen://, tls-listen:// and unix-listen:// mean
the same here as tcp://, tls:// and unix://. Sizes are bytes, from 0 to 1024G; K, M and G stand
for 1024, 1024 K and 1024 M.

"listening on URL" is printed on standard output as soon as clients can connect, with the real
port. SIGTERM, SIGINT and SIGHUP (unless it was ignored, as by nohup): no more clients are
accepted, those that are connected get what is buffered for them, and the program ends, at the
latest after the grace period. A second signal ends the grace period.

Exit status:
  0 a signal ended it    1 something failed    2 wrong arguments

Examples:
  sluice serve echo --listen tcp://127.0.0.1:0
  sluice serve chargen --listen unix:///run/chargen.sock --high 256K --report json
  sluice serve proxy --listen tls://:443 --cert chain.pem --key key.pem --to tcp://localhost:8080
      clients speak TLS, the server behind it does not)";

// CLI11 would write "[OPTIONS] SOURCE SINK" as the usage of each command.
class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(26); }
  std::string make_usage(const CLI::App* app, std::string /*name*/) const override {
    if (app->get_name() == "copy") return "Usage: sluice copy SOURCE SINK... [OPTIONS]\n";
    if (app->get_name() == "serve") {
      return "Usage: sluice serve echo|discard|chargen --listen URL [OPTIONS]\n"
             "       sluice serve proxy --listen URL --to URL [OPTIONS]\n";
    }
    return "Usage: sluice COMMAND [ARGUMENTS]\n";
  }
};

// What the options leave as text until everything is there.
struct RawOptions {
  std::optional<std::string> source;
  std::vector<std::string> sinks;
  std::string service;
  std::optional<std::string> listen;
  std::string target;
  std::string certificate;
  std::string key;
  std::string ca;
  bool insecure = false;
  std::optional<std::string> high;
  std::optional<std::string> low;
  std::optional<std::string> rate;
  bool in_place = false;
  bool fsync = false;
  std::string grace = "5";
  std::string progress = "auto";
  std::optional<std::string> report;
};

void add_mark_options(CLI::App& command, RawOptions& raw) {
  command
      .add_option("--high", raw.high,
                  "Above this many buffered bytes the source pauses\n"
                  "(default 64K; with --low alone, four times that)")
      ->type_name("SIZE");
  command
      .add_option("--low", raw.low,
                  "At or below this many buffered bytes it goes on\n"
                  "(default 16K; with --high alone, a quarter of that)")
      ->type_name("SIZE");
}

void add_tls_options(CLI::App& command, RawOptions& raw) {
  command
      .add_option("--cert", raw.certificate,
                  "Our certificate (PEM), with those of its issuers behind it;\n"
                  "needed to listen with TLS")
      ->type_name("FILE");
  command
      .add_option("--key", raw.key, "Its private key (PEM; default: it is in the file of --cert)")
      ->type_name("FILE");
  command
      .add_option("--ca", raw.ca,
                  "Whom to trust when connecting with TLS (PEM; default: the\nsystem's store)")
      ->type_name("FILE");
  command.add_flag("--insecure", raw.insecure,
                   "Connect with TLS to whoever answers; nothing is verified");
}

CLI::App& add_copy(CLI::App& program, RawOptions& raw) {
  CLI::App& copy = *program.add_subcommand("copy", "Copy one source to one or more sinks");
  copy.footer(copy_footer);
  copy.allow_extras();
  copy.add_option("SOURCE", raw.source, "Where the bytes come from")->type_name("");
  copy.add_option("SINK", raw.sinks, "Where they go to")->type_name("");
  add_mark_options(copy, raw);
  add_tls_options(copy, raw);
  copy.add_option("--rate", raw.rate, "Read at most this many bytes per second")->type_name("SIZE");
  copy.add_flag("--in-place", raw.in_place,
                "Empty a file and write it directly; if the copy fails,\nwhat came is in it");
  copy.add_flag("--fsync", raw.fsync, "Wait until files are on the disk before they are done");
  copy.add_option("--progress", raw.progress,
                  "One redrawn line on standard error:\n"
                  "auto (the default: on a terminal), always or never")
      ->type_name("WHEN");
  copy.add_option("--report", raw.report,
                  "On standard error at the end: text (default), json (the line\n"
                  "that begins with {) or none")
      ->type_name("FORMAT");
  return copy;
}

CLI::App& add_serve(CLI::App& program, RawOptions& raw) {
  CLI::App& serve =
      *program.add_subcommand("serve",
                              "Serve echo, discard, chargen or a proxy to any number of\n"
                              "clients");
  serve.footer(serve_footer);
  serve.allow_extras();
  serve.add_option("SERVICE", raw.service, "echo, discard, chargen or proxy")->type_name("");
  serve
      .add_option("--listen", raw.listen,
                  "tcp://HOST:PORT, tls://HOST:PORT, unix:///PATH or\nunix://@NAME")
      ->type_name("URL");
  serve.add_option("--to", raw.target, "Where a proxy connects its clients to; the same URLs")
      ->type_name("URL");
  add_tls_options(serve, raw);
  add_mark_options(serve, raw);
  serve
      .add_option("--grace", raw.grace,
                  "How long clients may take to read what is buffered at the end (default 5)")
      ->type_name("SECONDS");
  serve
      .add_option("--report", raw.report,
                  "Totals on standard output at the end: text, json or none (default)")
      ->type_name("FORMAT");
  return serve;
}

std::optional<std::size_t> optional_size(const std::optional<std::string>& text, const char* option,
                                         SizeRange range = {}) {
  if (!text) {
    return std::nullopt;
  }
  return parse_size(*text, option, range);
}

BufferMarks marks_of(const RawOptions& raw) {
  const BufferMarks marks{.high = optional_size(raw.high, "--high"),
                          .low = optional_size(raw.low, "--low")};
  if (marks.high && marks.low && *marks.high < *marks.low) {
    throw UsageError("--high " + *raw.high + " is less than --low " + *raw.low +
                     "; expected a high mark at or above the low mark");
  }
  if (!marks.high && marks.low && *marks.low > largest_size / 4) {
    throw UsageError("--low " + *raw.low +
                     ": the high mark would be four times that, more than 1024G; expected --high");
  }
  return marks;
}

// Gives the endpoints that speak TLS what they need. Refuses what would be without effect: who asks
// for security and does not get it must know.
void set_up_tls(const RawOptions& raw, const std::vector<Endpoint*>& endpoints) {
  bool connects = false;
  bool listens = false;
  for (Endpoint* endpoint : endpoints) {
    if (!endpoint->is_tls()) continue;
    endpoint->tls = {.certificate_file = raw.certificate,
                     .key_file = raw.key,
                     .ca_file = raw.ca,
                     .verify = !raw.insecure};
    (endpoint->listens() ? listens : connects) = true;
    if (endpoint->listens() && raw.certificate.empty()) {
      throw UsageError("'" + endpoint->text +
                       "': listening with TLS needs a certificate; expected --cert FILE");
    }
  }
  if (!raw.key.empty() && raw.certificate.empty()) {
    throw UsageError("--key needs the certificate that the key is of; expected --cert FILE");
  }
  if (!raw.certificate.empty() && !connects && !listens) {
    throw UsageError("--cert is for TLS; expected an endpoint tls:// or tls-listen://");
  }
  if ((!raw.ca.empty() || raw.insecure) && !connects) {
    throw UsageError(std::string(raw.insecure ? "--insecure" : "--ca") +
                     " is for connecting with TLS; expected an endpoint tls://");
  }
  if (!raw.ca.empty() && raw.insecure) {
    throw UsageError("--ca says whom to trust and --insecure to trust anybody; expected only one");
  }
}

template <class T>
struct Word {
  const char* name;
  T value;
};

// What one of a few words stands for. `what` says what was looked for: "--report".
template <class T, std::size_t count>
T chosen(const std::string& text, const std::string& what,
         const std::array<Word<T>, count>& words) {
  std::string known;
  for (std::size_t i = 0; i < count; ++i) {
    if (text == words[i].name) return words[i].value;
    known += (i == 0 ? "" : i + 1 == count ? " or " : ", ") + std::string(words[i].name);
  }
  throw UsageError(what + ": '" + text + "' is unknown; expected " + known);
}

ReportFormat report_of(const std::string& text) {
  return chosen<ReportFormat>(text, "--report",
                              std::array<Word<ReportFormat>, 3>{{{"text", ReportFormat::text},
                                                                 {"json", ReportFormat::json},
                                                                 {"none", ReportFormat::none}}});
}

CopyOptions copy_options(const RawOptions& raw) {
  if (raw.sinks.empty()) {
    throw UsageError(std::string(raw.source ? "a SINK is" : "SOURCE and SINK are") +
                     " missing; expected sluice copy SOURCE SINK...");
  }
  CopyOptions options;
  options.pump.source = parse_endpoint(*raw.source, EndpointRole::source);
  for (const std::string& sink : raw.sinks) {
    options.pump.sinks.push_back(parse_endpoint(sink, EndpointRole::sink));
  }
  if (std::count(raw.sinks.begin(), raw.sinks.end(), "-") > 1) {
    throw UsageError("standard output (-) can be a sink only once");
  }
  refuse_the_same_file(options.pump.sinks, raw.in_place);
  std::vector<Endpoint*> endpoints{&options.pump.source};
  for (Endpoint& sink : options.pump.sinks) {
    endpoints.push_back(&sink);
  }
  set_up_tls(raw, endpoints);
  options.pump.how = {.marks = marks_of(raw), .in_place = raw.in_place, .fsync = raw.fsync};
  // Nothing ever arrives at 0 bytes per second.
  options.pump.rate =
      optional_size(raw.rate, "--rate", {.smallest = 1, .what = "bytes per second"});
  options.progress =
      chosen<ProgressMode>(raw.progress, "--progress",
                           std::array<Word<ProgressMode>, 3>{{{"auto", ProgressMode::automatic},
                                                              {"always", ProgressMode::always},
                                                              {"never", ProgressMode::never}}});
  options.report = report_of(raw.report.value_or("text"));
  return options;
}

ServeOptions serve_options(const RawOptions& raw) {
  ServeOptions options;
  if (raw.service.empty()) {
    throw UsageError("a SERVICE is missing; expected echo, discard, chargen or proxy");
  }
  options.service =
      chosen<ServiceKind>(raw.service, "serve",
                          std::array<Word<ServiceKind>, 4>{{{"echo", ServiceKind::echo},
                                                            {"discard", ServiceKind::discard},
                                                            {"chargen", ServiceKind::chargen},
                                                            {"proxy", ServiceKind::proxy}}});
  if (!raw.listen) {
    throw UsageError("serve " + raw.service +
                     ": --listen is missing; expected --listen URL, where clients are to connect");
  }
  options.listen = parse_endpoint(*raw.listen, EndpointRole::service);
  std::vector<Endpoint*> endpoints{&options.listen};
  if (options.service == ServiceKind::proxy) {
    if (raw.target.empty()) {
      throw UsageError(
          "serve proxy: --to is missing; expected --to URL, where the clients are connected to");
    }
    options.target = parse_endpoint(raw.target, EndpointRole::target);
    endpoints.push_back(&options.target);
  } else if (!raw.target.empty()) {
    throw UsageError("--to is for serve proxy; " + raw.service + " connects to nobody");
  }
  set_up_tls(raw, endpoints);
  options.marks = marks_of(raw);
  options.grace_seconds = parse_seconds(raw.grace, "--grace");
  options.report = report_of(raw.report.value_or("none"));
  return options;
}

void require_command(int argc, const char* const* argv) {
  constexpr std::array<std::string_view, 7> known{"copy",   "serve", "help",     "-h",
                                                  "--help", "-v",    "--version"};
  const std::string_view word = argc > 1 ? argv[1] : "";
  if (std::find(known.begin(), known.end(), word) == known.end()) {
    throw UsageError((word.empty() ? "a command is missing"
                                   : "there is no command '" + std::string(word) + "'") +
                     "; expected copy, serve or help");
  }
}

void refuse_unknown(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    const bool is_option = argument.size() > 1 && argument.front() == '-';
    throw UsageError(is_option ? "there is no option '" + argument + "'"
                               : "unexpected argument '" + argument + "'; expected nothing more");
  }
}

// sluice help [COMMAND], which CLI11 would take for the command itself.
ShowText help_about(const std::vector<std::string>& words, const CLI::App& program,
                    const CLI::App& copy, const CLI::App& serve) {
  const CLI::App* about = &program;
  if (!words.empty() && words.front() != "-h" && words.front() != "--help") {
    about = chosen<const CLI::App*>(
        words.front(), "help",
        std::array<Word<const CLI::App*>, 2>{{{"copy", &copy}, {"serve", &serve}}});
  }
  if (words.size() > 1) {
    refuse_unknown({words.begin() + 1, words.end()});
  }
  return ShowText{about->help()};
}

// The words behind --, none of which is an option.
void take_words(bool copies, std::vector<std::string> words, RawOptions& raw) {
  for (std::string& word : words) {
    if (copies && raw.source) {
      raw.sinks.push_back(std::move(word));
    } else if (copies) {
      raw.source = std::move(word);
    } else if (raw.service.empty()) {
      raw.service = std::move(word);
    } else {
      throw UsageError("unexpected argument '" + word + "'; expected nothing more");
    }
  }
}

// CLI11 begins with the name of the option that something is wrong with.
std::string in_own_words(const CLI::ParseError& error, const CLI::App& command) {
  const std::string text = error.what();
  const std::string name = text.substr(0, text.find_first_of(": "));
  const CLI::Option* const option = command.get_option_no_throw(name);
  if (option == nullptr) {
    return "the arguments cannot be understood: " + text;
  }
  const std::string value = option->get_type_name();
  if (value.empty()) {
    return name + ": expected no value behind it";
  }
  if (option->results().size() > 1) {
    return name + " is given more than once; expected " + name + " " + value + " once";
  }
  return name + ": a value is missing; expected " + name + " " + value;
}

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
  require_command(argc, argv);
  const std::string_view word = argv[1];
  const char* const* const end = argv + argc;
  const char* const* const mark = std::find(argv + 2, end, std::string_view("--"));
  RawOptions raw;
  CLI::App program("Moves bytes with flow control: one source, any number of sinks.", "sluice");
  program.formatter(std::make_shared<HelpFormatter>());
  program.footer(program_footer);
  const std::string version_line = std::string("sluice ") + version();
  program.set_version_flag("-v,--version", version_line, "Print the version and exit");
  const CLI::App& copy = add_copy(program, raw);
  const CLI::App& serve = add_serve(program, raw);
  program.add_subcommand("help", "Tell what --help tells, of the program or of one command");
  if (word == "help") {
    return help_about({argv + 2, end}, program, copy, serve);
  }
  const CLI::App& command = word == "copy" ? copy : serve;
  try {
    program.parse(static_cast<int>(mark - argv), argv);
  } catch (const CLI::CallForHelp&) {
    return ShowText{program.help()};
  } catch (const CLI::CallForVersion&) {
    return ShowText{version_line + "\n"};
  } catch (const CLI::ParseError& error) {
    throw UsageError(in_own_words(error, command));
  }
  refuse_unknown(command.remaining());
  if (mark != end) {
    take_words(&command == &copy, {mark + 1, end}, raw);
  }
  if (copy.parsed()) {
    return copy_options(raw);
  }
  return serve_options(raw);
}

}  // namespace sluice::cli
