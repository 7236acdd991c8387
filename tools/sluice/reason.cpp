#include "reason.hpp"

#include <array>
#include <string_view>

#include "errors.hpp"
#include "sluice/tls_error.hpp"

namespace sluice::cli {

namespace {

// What the library was doing, which the message has said already.
constexpr std::array<std::string_view, 3> attempts{"connect to ",
                                                   "error while attempting to bind on address ",
                                                   "could not bind on any address out of "};

// That is not said by "cannot connect to tls://HOST", unless the peer is that host.
constexpr std::string_view handshake = "TLS handshake with ";

constexpr std::string_view file_in_the_way = "already in use by a file that is not a socket";

// Cuts `beginning` off. Returns whether it was there.
bool cut(std::string_view& text, std::string_view beginning) {
  const bool there = text.starts_with(beginning);
  text.remove_prefix(there ? beginning.size() : 0);
  return there;
}

// Several addresses that failed alike are told as "connect to A, connect to B: why".
std::string without(std::string_view text, std::string_view attempt) {
  const std::string again = ", " + std::string(attempt);
  std::string rest(text);
  for (std::size_t at = 0; (at = rest.find(again, at)) != std::string::npos;) {
    rest.erase(at + 2, attempt.size());
  }
  return rest;
}

// How the library writes the address that the name of the endpoint has.
std::string address_of(const Endpoint& endpoint) {
  if (!endpoint.is_tcp()) {
    const bool is_abstract = !endpoint.path.empty() && endpoint.path.front() == '\0';
    return is_abstract ? "@" + endpoint.path.substr(1) : endpoint.path;
  }
  const bool is_ipv6 = endpoint.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" +
         std::to_string(endpoint.port);
}

}  // namespace

std::string reason_beside(const Endpoint& endpoint, const std::exception_ptr& reason) {
  const std::string words = reason_text(reason);
  if (words.find(file_in_the_way) != std::string::npos) {
    return std::string(file_in_the_way);
  }
  std::string_view text = words;
  for (const std::string_view attempt : attempts) {
    if (cut(text, attempt)) {
      cut(text, address_of(endpoint) + ": ");
      return without(text, attempt);
    }
  }
  cut(text, "resolve host name '" + endpoint.host + "': ");
  cut(text, std::string(handshake) + endpoint.host + ": ");
  cut(text, "opening " + endpoint.path + " for writing: ");
  return std::string(text);
}

std::string tls_setup_reason(const Endpoint& endpoint, const std::system_error& error) {
  std::string words = error.what();
  const bool is_of_file = error.code() == TlsErrc::bad_certificate_file ||
                          error.code() == TlsErrc::bad_key_file ||
                          error.code() == TlsErrc::bad_trust_file;
  // That the file cannot be used is what was said first, and why stands before it.
  const std::string verdict = ": " + error.code().message();
  if (is_of_file && words.ends_with(verdict)) {
    words.resize(words.size() - verdict.size());
  }
  std::string_view text = words;
  cut(text, "no key_file was given: ");
  const bool key_is_missing =
      error.code() == TlsErrc::bad_key_file && endpoint.tls.key_file.empty();
  return std::string(text) + (key_is_missing ? "; expected it there, or --key FILE" : "");
}

}  // namespace sluice::cli
