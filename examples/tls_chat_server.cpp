// A chat over TLS: each line of one client goes to all others, stored once however many they are.
// A client that does not read as fast as the others write is dropped at a bound: pause_writing says
// when. Usage: tls_chat_server PORT CERTIFICATE [KEY]; a port of 0 is any free one. Try it, twice:
//     openssl s_client -quiet -connect 127.0.0.1:PORT

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <set>
#include <sluice/sluice.hpp>
#include <sluice/tls.hpp>
#include <string>
#include <utility>

#include "arguments.hpp"

constexpr std::size_t longest_backlog = 256 * 1024;  // what one client may be behind, in bytes
constexpr std::size_t longest_line = 4096;

// Everybody who is connected.
class Room {
 public:
  void enter(const std::shared_ptr<sluice::Transport>& client) { clients_.insert(client); }
  void leave(const std::shared_ptr<sluice::Transport>& client) { clients_.erase(client); }
  // To all but `speaker`. A write calls at most pause_writing, so nobody leaves meanwhile.
  void say(std::string text, const std::shared_ptr<sluice::Transport>& speaker) {
    const auto message = sluice::Buffer::take(std::move(text));
    for (const auto& client : clients_) {
      if (client != speaker) {
        client->write(message);
      }
    }
  }
  std::string next_name() { return "guest" + std::to_string(++names_given_); }

 private:
  std::set<std::shared_ptr<sluice::Transport>> clients_;
  unsigned names_given_ = 0;
};

class Client : public sluice::Protocol {
 public:
  explicit Client(Room& room) : room_(room), name_(room.next_name()) {}

  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
    transport_->set_write_buffer_limits(longest_backlog);
    transport_->write("* you are " + name_ + "\n");
    room_.enter(transport_);
    announce(" has joined");
  }

  void data_received(sluice::Bytes data) override {
    for (const char character : sluice::as_text(data)) {
      line_ += character;
      if (character == '\n') {
        room_.say(name_ + ": " + std::exchange(line_, {}), transport_);
      } else if (line_.size() == longest_line) {
        drop(" was dropped: a line without an end");
        return;
      }
    }
  }

  void pause_writing() override { drop(" was dropped: too slow"); }

  void connection_lost(std::error_code /*error*/) override {
    room_.leave(transport_);
    announce(farewell_);
    transport_.reset();
  }

 private:
  // The others hear of it when the connection is gone.
  void drop(const char* farewell) {
    farewell_ = farewell;
    transport_->abort();
  }
  void announce(const char* what) {
    std::printf("%s%s\n", name_.c_str(), what);
    std::fflush(stdout);
    room_.say("* " + name_ + what + "\n", transport_);
  }

  Room& room_;
  std::string name_;
  std::string line_;  // what there is of it
  const char* farewell_ = " has left";
  std::shared_ptr<sluice::Transport> transport_;
};

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: tls_chat_server PORT CERTIFICATE [KEY]\n");
    return 2;
  }
  const std::uint16_t port = port_argument(argv[1]);
  try {
    const auto context = sluice::TlsContext::server(
        {.certificate_file = argv[2], .key_file = argc > 3 ? argv[3] : ""});
    Room room;
    sluice::EventLoop loop;
    const auto server = loop.run_until_complete(loop.create_server(
        [&] { return std::make_shared<Client>(room); }, "127.0.0.1", port, {.ssl = context}));
    loop.add_signal_handler(SIGTERM, [&] { loop.stop(); });
    loop.add_signal_handler(SIGINT, [&] { loop.stop(); });
    std::printf("serving on %s\n", server->sockets().front().to_string().c_str());
    std::fflush(stdout);
    loop.run_forever();
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
