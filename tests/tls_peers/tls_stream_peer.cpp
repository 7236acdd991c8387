// Streams over TLS for a peer that is not ours. Usage:
//   tls_stream_peer server CERTIFICATE KEY VERSION ALPN
//   tls_stream_peer client PORT TRUSTED VERSION ALPN TIMES
// VERSION is 1.2 or 1.3, ALPN a list with commas, - for none. The server echoes, and says of each
// connection what was agreed on. The client sends its standard input TIMES times, on a connection
// each, says the same on standard error, and prints what comes back, which is as long.

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <memory>
#include <sluice/sluice.hpp>
#include <sluice/tls.hpp>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t piece_bytes = 65'536;

sluice::TlsOptions speaking(std::string_view version, const std::string& alpn) {
  sluice::TlsOptions options;
  options.min_version = options.max_version =
      version == "1.2" ? sluice::TlsVersion::tls_1_2 : sluice::TlsVersion::tls_1_3;
  std::istringstream names(alpn == "-" ? "" : alpn);
  for (std::string name; std::getline(names, name, ',');) {
    options.alpn.push_back(name);
  }
  return options;
}

void report(std::FILE* file, const sluice::StreamWriter& writer) {
  const auto info = sluice::tls_info(*writer.transport());
  std::fprintf(file, "TLS %s %s %s\n", info->version == sluice::TlsVersion::tls_1_3 ? "1.3" : "1.2",
               info->session_reused ? "resumed" : "new",
               info->alpn_protocol.empty() ? "-" : info->alpn_protocol.c_str());
  std::fflush(file);
}

sluice::Task<> echo(sluice::StreamReader reader, sluice::StreamWriter writer) {
  report(stdout, writer);
  try {
    while (!reader.at_eof()) {
      writer.write(co_await reader.read(piece_bytes));
      co_await writer.drain();
    }
    writer.close();
    co_await writer.wait_closed();
    std::puts("over");
  } catch (const std::system_error& error) {
    std::printf("lost: %s\n", error.what());
  }
  std::fflush(stdout);
}

sluice::Task<> send(sluice::StreamWriter writer, const std::string& message) {
  for (std::size_t sent = 0; sent < message.size(); sent += piece_bytes) {
    writer.write(std::string_view(message).substr(sent, piece_bytes));
    co_await writer.drain();
  }
}

// Both directions at a time: the peer may hold as little as it likes.
sluice::Task<> ask(std::uint16_t port, std::shared_ptr<sluice::TlsContext> context,
                   const std::string& message) {
  sluice::StreamOptions options;
  options.connect.ssl = std::move(context);
  options.connect.server_hostname = "localhost";
  auto opening = sluice::open_connection("127.0.0.1", port, std::move(options));
  auto [reader, writer] = co_await std::move(opening);
  report(stderr, writer);
  sluice::EventLoop& loop = co_await sluice::get_running_loop();
  const auto sending = loop.create_task(send(writer, message));
  const std::string answer = co_await reader.readexactly(message.size());
  co_await sending;
  std::fwrite(answer.data(), 1, answer.size(), stdout);
  writer.close();
  co_await writer.wait_closed();
}

int serve(std::span<char*> words) {
  sluice::TlsOptions tls = speaking(words[4], words[5]);
  tls.certificate_file = words[2];
  tls.key_file = words[3];
  sluice::StreamServerOptions options;
  options.server.ssl = sluice::TlsContext::server(tls);
  sluice::EventLoop loop;
  const auto server =
      loop.run_until_complete(sluice::start_server(echo, "127.0.0.1", 0, std::move(options)));
  std::printf("serving on %s\n", server->sockets().front().to_string().c_str());
  std::fflush(stdout);
  loop.add_signal_handler(SIGTERM, [&] { loop.stop(); });
  loop.run_forever();
  return 0;
}

int connect(std::span<char*> words) {
  sluice::TlsOptions tls = speaking(words[4], words[5]);
  tls.ca_file = words[3];
  const auto context = sluice::TlsContext::client(tls);
  const std::string message{std::istreambuf_iterator<char>(std::cin), {}};
  sluice::EventLoop loop;
  for (int i = std::atoi(words[6]); i > 0; --i) {
    loop.run_until_complete(ask(static_cast<std::uint16_t>(std::atoi(words[2])), context, message));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char*> words(argv, static_cast<std::size_t>(argc));
  try {
    if (words.size() == 6 && words[1] == std::string_view("server")) {
      return serve(words);
    }
    if (words.size() == 7 && words[1] == std::string_view("client")) {
      return connect(words);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  std::fputs(
      "usage: tls_stream_peer server CERTIFICATE KEY VERSION ALPN\n"
      "       tls_stream_peer client PORT TRUSTED VERSION ALPN TIMES\n",
      stderr);
  return 2;
}
