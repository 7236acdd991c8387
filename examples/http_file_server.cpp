// An HTTP/1.1 server of the files below a folder: GET and HEAD, keep-alive, pipelining, bodies by
// sendfile, https with a certificate. Usage: http_file_server FOLDER PORT [CERTIFICATE [KEY]]; port
// 0 is any free one. Try curl -i http://127.0.0.1:8080/README.md. A path that ends in a slash means
// the index.html there. Only what is below the folder is served, wherever symbolic links lead.

#include <fcntl.h>
#include <sys/stat.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <sluice/sluice.hpp>
#include <sluice/tls.hpp>
#include <string>

#include "arguments.hpp"

// The path that the target of a request names, without its query; nothing if it is misspelt.
std::optional<std::string> decoded(std::string_view target) {
  target = target.substr(0, target.find('?'));
  std::string path;
  for (std::size_t i = 0; i < target.size(); ++i) {
    unsigned char byte = static_cast<unsigned char>(target[i]);
    if (byte == '%') {
      const char* const end = target.data() + std::min(i + 3, target.size());
      if (std::from_chars(target.data() + i + 1, end, byte, 16).ptr != target.data() + i + 3) {
        return std::nullopt;
      }
      i += 2;
    }
    path += static_cast<char>(byte);
  }
  path += path.ends_with('/') ? "index.html" : "";
  const bool climbs = (path + '/').find("/../") != path.npos;
  return path[0] == '/' && !climbs && path.find('\0') == path.npos ? std::optional(path)
                                                                   : std::nullopt;
}

// The regular file at `path` below `root`; none if there is none.
sluice::Fd open_below(const std::string& root, const std::string& path, struct stat& status) {
  sluice::Fd file(::open((root + path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  const bool regular = ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode);
  // Asked of the open file: nobody can change a link between the question and the use.
  const std::string link = "/proc/self/fd/" + std::to_string(file.get());
  return regular && std::filesystem::read_symlink(link).native().starts_with(root) ? std::move(file)
                                                                                   : sluice::Fd();
}

struct Request {
  explicit Request(const std::string& head) {
    const std::string_view line = std::string_view(head).substr(0, head.find("\r\n"));
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    method = line.substr(0, first);
    path = first < last ? decoded(line.substr(first + 1, last - first - 1)) : std::nullopt;
    const std::string version(line.substr(last + 1));
    const auto field = [&head](const std::string& name) -> std::string {
      const char* const at = ::strcasestr(head.c_str(), ("\r\n" + name + ":").c_str());
      return at == nullptr ? "" : std::string(at + 2, std::strcspn(at + 2, "\r"));
    };
    const bool current = version == "HTTP/1.1" && !field("host").empty();
    valid = path && head.find('\0') == head.npos && (current || version == "HTTP/1.0");
    keep = valid && current && ::strcasestr(field("connection").c_str(), "close") == nullptr &&
           (field("transfer-encoding") + field("content-length")).empty();
  }
  static sluice::Task<Request> next(sluice::StreamReader reader) {
    co_return Request(co_await reader.readuntil("\r\n\r\n"));
  }
  std::string method;
  std::optional<std::string> path;
  bool valid;  // we understand it
  bool keep;   // the client wants the connection to stay, and sends nothing but requests
};

std::string head_of(std::string_view status, std::uint64_t size, bool keep) {
  char date[64];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&now));
  return "HTTP/1.1 " + std::string(status) + "\r\nDate: " + date + "\r\nAllow: GET, HEAD" +
         "\r\nContent-Length: " + std::to_string(size) +
         "\r\nConnection: " + (keep ? "keep-alive" : "close") + "\r\n\r\n";
}

// Answers one request. The result: whether the connection is good for another one.
sluice::Task<bool> answer(const std::string& root, const Request& request,
                          const sluice::StreamWriter& writer) {
  sluice::EventLoop& loop = co_await sluice::get_running_loop();
  const bool known = request.method == "GET" || request.method == "HEAD";
  const bool keep = known && request.keep;
  struct stat status {};
  sluice::Fd file = known && request.valid ? open_below(root, *request.path, status) : sluice::Fd();
  const std::string_view refusal = !request.valid ? "400 Bad Request"
                                   : !known       ? "405 Method Not Allowed"
                                                  : "404 Not Found";
  const auto size = file ? static_cast<std::uint64_t>(status.st_size) : refusal.size() + 1;
  const std::string text = file || request.method == "HEAD" ? "" : std::string(refusal) + "\n";
  const std::string head = head_of(file ? "200 OK" : refusal, size, keep);
  writer.writelines({head, text});
  if (file && request.method == "GET") {
    // A file that has become shorter cannot be made up for: the client is told by the end.
    const auto sent = co_await loop.sendfile(writer.transport(), std::move(file), 0, size);
    co_return (keep && sent == size);
  }
  co_await writer.drain();
  co_return keep;
}

sluice::Task<> serve(const std::string& root, sluice::StreamReader reader,
                     sluice::StreamWriter writer) {
  try {
    for (bool more = true; more;) {
      const Request request = co_await wait_for(Request::next(reader), std::chrono::seconds(30));
      more = co_await answer(root, request, writer);
    }
  } catch (const sluice::LimitOverrunError&) {
    writer.write(head_of("431 Request Header Fields Too Large", 0, false));
  } catch (const std::runtime_error&) {
    // The client is gone, or says nothing any more.
  }
  writer.close();
}

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: http_file_server FOLDER PORT [CERTIFICATE [KEY]]\n");
    return 2;
  }
  const std::string root = std::filesystem::canonical(argv[1]) / "";
  sluice::StreamServerOptions options;
  if (argc > 3) {
    options.server.ssl = sluice::TlsContext::server(
        {.certificate_file = argv[3], .key_file = argc > 4 ? argv[4] : "", .alpn = {"http/1.1"}});
  }
  sluice::EventLoop loop;
  const auto server = loop.run_until_complete(
      sluice::start_server([&](auto reader, auto writer) { return serve(root, reader, writer); },
                           "127.0.0.1", port_argument(argv[2]), std::move(options)));
  loop.add_signal_handler(SIGTERM, [&] { loop.stop(); });
  loop.add_signal_handler(SIGINT, [&] { loop.stop(); });
  std::printf("serving on %s\n", server->sockets().front().to_string().c_str());
  std::fflush(stdout);
  loop.run_forever();
} catch (const std::system_error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
