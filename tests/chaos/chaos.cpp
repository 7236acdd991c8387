// Chaos: rounds of connections of every kind on one loop, over the real kernel with faults that a
// seed decides. After each round these must hold: every end heard connection_lost once; no byte was
// wrong, lost or doubled; what was accepted was written or discarded; what nobody broke arrived
// whole; no descriptor is left open.
//
// usage: chaos --seed N|fresh --rounds N

#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>

#include "chaos/chaos_end.hpp"
#include "testing/faulty_system_calls.hpp"

namespace sluice::chaos {
namespace {

constexpr std::size_t connections_per_round = 12;
constexpr std::chrono::seconds round_deadline{30};

template <class Base, class TransportKind>
class AnyWriter final : public Base {
 public:
  AnyWriter(Round& round, Ledger& ledger) : round_(round), writer_(round, ledger) {}
  void connection_made(std::shared_ptr<TransportKind> transport) override {
    writer_.start(std::move(transport));
  }
  void pause_writing() override { writer_.pause(); }
  void resume_writing() override { writer_.resume(); }
  void connection_lost(std::error_code /*error*/) override {
    writer_.lost();
    round_.end_gone();
  }

 private:
  Round& round_;
  Writer writer_;
};
using DuplexWriter = AnyWriter<Protocol, Transport>;
using PipeWriter = AnyWriter<WriteProtocol, WriteTransport>;

template <class Base, class TransportKind>
class AnyReader final : public Base {
 public:
  AnyReader(Round& round, Ledger& ledger) : round_(round), reader_(round, ledger) {}
  void connection_made(std::shared_ptr<TransportKind> transport) override {
    reader_.start(std::move(transport));
  }
  void data_received(Bytes data) override { reader_.take(data); }
  bool eof_received() override {
    reader_.end();
    return false;
  }
  void connection_lost(std::error_code /*error*/) override {
    reader_.lost();
    round_.end_gone();
  }

 private:
  Round& round_;
  Reader reader_;
};
using DuplexReader = AnyReader<Protocol, Transport>;
using PipeReader = AnyReader<ReadProtocol, ReadTransport>;

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) {
    ++count;
  }
  ::closedir(folder);
  return count;
}

void open_pipe(Round& round, Ledger& ledger) {
  int ends[2] = {-1, -1};
  if (::pipe(ends) != 0) {
    std::perror("pipe");
    std::exit(1);
  }
  round.loop.connect_read_pipe([&] { return std::make_shared<PipeReader>(round, ledger); },
                               Fd(ends[0]));
  round.loop.connect_write_pipe([&] { return std::make_shared<PipeWriter>(round, ledger); },
                                Fd(ends[1]));
}

void open_socketpair(Round& round, Ledger& ledger) {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
    std::perror("socketpair");
    std::exit(1);
  }
  round.loop.connect_accepted_socket([&] { return std::make_shared<DuplexReader>(round, ledger); },
                                     Fd(ends[0]));
  round.loop.connect_accepted_socket([&] { return std::make_shared<DuplexWriter>(round, ledger); },
                                     Fd(ends[1]));
}

// The accepting end reads, the connecting end writes; a server for each, so that the ledgers match.
void open_tcp(Round& round, Ledger& ledger, std::vector<std::shared_ptr<Server>>& servers) {
  servers.push_back(round.loop.run_until_complete(round.loop.create_server(
      [&] { return std::make_shared<DuplexReader>(round, ledger); }, "127.0.0.1", 0)));
  round.loop.create_connection([&] { return std::make_shared<DuplexWriter>(round, ledger); },
                               "127.0.0.1", servers.back()->sockets().front().port());
}

void open_unix(Round& round, Ledger& ledger, std::vector<std::shared_ptr<Server>>& servers) {
  const std::string path = std::string(1, '\0') + "sluice-chaos-" + std::to_string(::getpid()) +
                           "-" + std::to_string(ledger.id);
  servers.push_back(round.loop.run_until_complete(round.loop.create_unix_server(
      [&] { return std::make_shared<DuplexReader>(round, ledger); }, path)));
  round.loop.create_unix_connection([&] { return std::make_shared<DuplexWriter>(round, ledger); },
                                    path);
}

void check(Round& round, const Ledger& ledger, bool faults_struck) {
  const WriteStatistics& statistics = ledger.statistics;
  const std::uint64_t accounted =
      statistics.bytes_written + statistics.bytes_discarded + statistics.bytes_dropped;
  if (accounted != ledger.accepted) {
    round.violated(ledger, std::to_string(ledger.accepted) + " bytes given to write(), " +
                               std::to_string(accounted) + " accounted for");
  }
  if (ledger.received > statistics.bytes_written) {
    round.violated(ledger, "more was received than was written");
  }
  if (!ledger.broken_on_purpose && !faults_struck &&
      (ledger.received != ledger.accepted || !ledger.received_end)) {
    round.violated(ledger, "nobody broke it, and " + std::to_string(ledger.received) + " of " +
                               std::to_string(ledger.accepted) + " bytes arrived");
  }
}

std::vector<std::string> run_round(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  testing::FaultRates rates;
  // Whole kinds of fault are off in some rounds: what only shows without them must show too.
  rates.interrupted = random() % 2 == 0 ? 20 : 0;
  rates.lost = random() % 2 == 0 ? 400 : 0;
  rates.aborted = random() % 2 == 0 ? 3 : 0;
  rates.few_events = random() % 2 == 0 ? 2 : 0;
  const auto system =
      std::make_shared<testing::FaultySystemCalls>(sys::linux_system_calls(), rates, random());
  LoopOptions options;
  options.system_calls = system;
  options.write_policy = random() % 3 == 0 ? WritePolicy::immediate : WritePolicy::coalesce;
  options.log = [](LogLevel, std::string_view) {};
  std::deque<Ledger> ledgers;
  EventLoop loop(options);
  Round round{loop, std::mt19937_64(random()), connections_per_round * 2, {}};
  loop.set_exception_handler([&](const ExceptionContext& context) {
    // A read error on a pipe is told to the handler; anything else is nobody's fault but ours.
    if (context.message != "Fatal read error on pipe transport") {
      round.violations.push_back("the exception handler heard: " + context.message + " " +
                                 context.what());
    }
  });
  std::vector<std::shared_ptr<Server>> servers;
  for (std::uint64_t id = 0; id < connections_per_round; ++id) {
    Ledger& ledger = ledgers.emplace_back();
    ledger.id = id;
    switch (round.below(4)) {
      case 0:
        open_pipe(round, ledger);
        break;
      case 1:
        open_socketpair(round, ledger);
        break;
      case 2:
        open_tcp(round, ledger, servers);
        break;
      default:
        open_unix(round, ledger, servers);
        break;
    }
  }
  loop.call_later(round_deadline, [&] {
    round.violations.push_back("stuck: " + std::to_string(round.ends_alive) +
                               " ends never heard of their loss");
    loop.stop();
  });
  if (round.ends_alive > 0) {
    loop.run_forever();
  }
  for (const auto& server : servers) {
    server->close();
  }
  if (round.violations.empty()) {
    for (const Ledger& ledger : ledgers) {
      check(round, ledger, system->fatal_faults() > 0);
    }
  }
  return round.violations;
}

int run(std::uint64_t seed, std::size_t rounds) {
  std::printf("chaos: seed %llu, %zu rounds of %zu connections\n",
              static_cast<unsigned long long>(seed), rounds, connections_per_round);
  std::fflush(stdout);
  const std::size_t before = open_descriptors();
  for (std::size_t i = 0; i < rounds; ++i) {
    std::vector<std::string> violations = run_round(seed + i);
    if (open_descriptors() != before) {
      violations.push_back("descriptors were left open");
    }
    if (!violations.empty()) {
      std::printf("again with: chaos --seed %llu --rounds 1\n",
                  static_cast<unsigned long long>(seed + i));
      for (const std::string& violation : violations) {
        std::printf("  %s\n", violation.c_str());
      }
      return 1;
    }
  }
  std::printf("chaos: no violation\n");
  return 0;
}

}  // namespace
}  // namespace sluice::chaos

int main(int argc, char** argv) {
  std::uint64_t seed = 1;
  std::size_t rounds = 40;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--seed") == 0) {
      seed = std::strcmp(argv[i + 1], "fresh") == 0 ? std::random_device()()
                                                    : std::strtoull(argv[i + 1], nullptr, 10);
    } else if (std::strcmp(argv[i], "--rounds") == 0) {
      rounds = std::strtoul(argv[i + 1], nullptr, 10);
    } else {
      std::fprintf(stderr, "usage: chaos [--seed N|fresh] [--rounds N]\n");
      return 2;
    }
  }
  return sluice::chaos::run(seed, rounds);
}
