#include "transports/connector.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "sluice/error.hpp"
#include "sys/constants.hpp"
#include "sys/error_table.hpp"
#include "transports/birth.hpp"
#include "transports/secure.hpp"

namespace sluice::transports {
namespace {

// How soon a Unix socket with a full queue is tried again; no event announces room there.
constexpr std::chrono::milliseconds full_queue_delay{10};

}  // namespace

std::vector<SocketAddress> interleave(const std::vector<SocketAddress>& addresses,
                                      int first_count) {
  std::vector<std::vector<SocketAddress>> families;
  for (const SocketAddress& address : addresses) {
    const auto family = std::ranges::find_if(
        families, [&](const auto& group) { return group.front().family() == address.family(); });
    if (family == families.end()) {
      families.push_back({address});
    } else {
      family->push_back(address);
    }
  }
  std::vector<SocketAddress> ordered;
  if (families.empty()) {
    return ordered;
  }
  auto& first = families.front();
  const std::size_t head =
      std::min(first.size(), static_cast<std::size_t>(std::max(first_count - 1, 0)));
  ordered.assign(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(head));
  first.erase(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(head));
  for (std::size_t round = 0; ordered.size() < addresses.size(); ++round) {
    for (const auto& family : families) {
      if (round < family.size()) {
        ordered.push_back(family[round]);
      }
    }
  }
  return ordered;
}

// One socket on its way to one address.
class Connector::Attempt final : public loop::Watcher {
 public:
  Attempt(Connector& connector, int fd, const SocketAddress& address)
      : connector_(&connector), fd_(fd), address_(address) {}
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  ~Attempt() {
    retry_.cancel();
    if (fd_ >= 0) {
      connector_->loop_->reactor().remove(fd_);
      static_cast<void>(connector_->loop_->sys().close(fd_));
    }
  }

  void on_io(loop::IoEvents /*events*/) override { connector_->attempt_ready(*this); }

  /// connect(2) once; when the other queue is full, again a little later.
  std::error_code connect() {
    loop::LoopCore& loop = *connector_->loop_;
    const sys::Status status = loop.sys().connect(fd_, address_);
    switch (status.ok() ? sys::Verdict::would_block
                        : sys::judge(sys::Call::connect, status.error)) {
      case sys::Verdict::would_block:
        // Connected already, or soon: the first event tells in either case.
        return loop.reactor().add(fd_, *this);
      case sys::Verdict::retry:
        retry_ = loop.later(full_queue_delay, [this] {
          if (const std::error_code error = connect()) {
            connector_->attempt_failed(*this, error);
          }
        });
        return {};
      default:
        return sys::to_error_code(status.error);
    }
  }

  [[nodiscard]] const SocketAddress& address() const noexcept { return address_; }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] Fd release() noexcept { return Fd(std::exchange(fd_, -1)); }

 private:
  Connector* connector_;
  int fd_;
  SocketAddress address_;
  TimerHandle retry_;
};

Connector::Connector(loop::LoopCore& loop, detail::ProtocolFactory factory, ConnectOptions options,
                     Result result)
    : loop_(&loop),
      factory_(std::move(factory)),
      options_(std::move(options)),
      result_(std::move(result)) {}

Connector::~Connector() = default;

void Connector::begin() {
  self_ = shared_from_this();
  loop_->add_resident(*this);
  result_.set_on_cancel([weak = weak_from_this()] {
    if (const auto connector = weak.lock()) {
      connector->finish();
    }
  });
}

void Connector::connect_to_host(std::string host, std::uint16_t port) {
  begin();
  if (const auto numeric = SocketAddress::from_numeric(host, port)) {
    sys::Resolved answer;
    answer.addresses.push_back(*numeric);
    resolved(host, answer);
    return;
  }
  try {
    loop_->resolver().resolve({host, port, options_.family},
                              [self = shared_from_this(), host](const sys::Resolved& answer) {
                                self->resolved(host, answer);
                              });
  } catch (const std::system_error&) {
    // No thread could be started.
    fail(std::current_exception());
  }
}

void Connector::connect_to(std::vector<SocketAddress> addresses) {
  begin();
  sys::Resolved answer;
  answer.addresses = std::move(addresses);
  resolved({}, answer);
}

void Connector::resolved(const std::string& host, const sys::Resolved& answer) {
  if (state_ != State::resolving) {
    return;
  }
  if (answer.error != 0) {
    const std::error_code error = answer.system_error != 0
                                      ? sys::to_error_code(answer.system_error)
                                      : std::error_code(answer.error, resolver_category());
    fail(std::make_exception_ptr(std::system_error(error, "resolve host name '" + host + "'")));
    return;
  }
  addresses_ = answer.addresses;
  if (options_.family != AddressFamily::unspecified) {
    std::erase_if(addresses_, [&](const auto& each) { return each.family() != options_.family; });
  }
  if (addresses_.empty()) {
    fail(std::make_exception_ptr(std::system_error(Errc::no_address, "connect to '" + host + "'")));
    return;
  }
  const int first_count = options_.interleave.value_or(options_.happy_eyeballs_delay ? 1 : 0);
  if (first_count > 0) {
    addresses_ = interleave(addresses_, first_count);
  }
  state_ = State::trying;
  try_next();
}

// Starts the next address that can be started at all.
void Connector::try_next() {
  next_timer_.cancel();
  while (state_ == State::trying && next_address_ < addresses_.size()) {
    const SocketAddress address = addresses_[next_address_++];
    if (auto failure = start(address)) {
      failures_.push_back(std::move(*failure));
      continue;
    }
    if (options_.happy_eyeballs_delay && next_address_ < addresses_.size()) {
      next_timer_ = loop_->later(*options_.happy_eyeballs_delay, [this] { try_next(); });
    }
    return;
  }
  if (state_ == State::trying && attempts_.empty()) {
    fail(combined_failure());
  }
}

std::optional<Connector::Failure> Connector::start(const SocketAddress& address) {
  const auto failed = [](std::string what, int error) {
    return Failure{std::move(what), sys::to_error_code(error)};
  };
  const sys::Result<int> made =
      loop_->sys().socket(sys::socket_domain(address.family()), sys::stream_type);
  if (!made.ok()) {
    static_cast<void>(sys::judge(sys::Call::socket, made.error));
    return failed("socket for " + address.to_string(), made.error);
  }
  auto attempt = std::make_unique<Attempt>(*this, made.value, address);
  if (options_.local_address) {
    const sys::Status bound = loop_->sys().bind(made.value, *options_.local_address);
    if (!bound.ok()) {
      static_cast<void>(sys::judge(sys::Call::bind, bound.error));
      return failed(
          "error while attempting to bind on address " + options_.local_address->to_string(),
          bound.error);
    }
  }
  if (const std::error_code error = attempt->connect()) {
    return Failure{"connect to " + address.to_string(), error};
  }
  attempts_.push_back(std::move(attempt));
  return std::nullopt;
}

void Connector::attempt_ready(Attempt& attempt) {
  const auto error =
      loop_->sys().getsockopt(attempt.fd(), sys::pending_error.level, sys::pending_error.name);
  const int reason = error.ok() ? error.value : error.error;
  if (reason != 0) {
    attempt_failed(attempt, sys::to_error_code(reason));
  } else {
    won(attempt);
  }
}

void Connector::attempt_failed(Attempt& attempt, std::error_code error) {
  failures_.push_back({"connect to " + attempt.address().to_string(), error});
  const bool latest = attempts_.back().get() == &attempt;
  std::erase_if(attempts_, [&](const auto& each) { return each.get() == &attempt; });
  // An older one that fails does not shorten the delay of the one that came after it (W-180).
  if (latest || attempts_.empty()) {
    try_next();
  }
}

void Connector::won(Attempt& attempt) {
  const auto keep = shared_from_this();
  loop_->reactor().remove(attempt.fd());
  const SocketAddress peer = attempt.address();
  OwnedFd owned(*loop_, attempt.release().release());
  finish();
  if (result_.done()) {
    return;
  }
  try {
    std::shared_ptr<BaseProtocol> protocol = factory_();
    // The factory may have cancelled: then nobody will use the connection (W-87).
    if (result_.done()) {
      return;
    }
    Birth birth = stream_birth(*loop_, owned, SocketOrigin::ours, peer);
    const std::string name = options_.server_hostname.value_or("");
    secure(*loop_, birth, settings_of(options_), name.empty() ? peer.to_string() : name);
    establish<Transport>(*loop_, std::move(birth), std::move(protocol), result_);
  } catch (...) {
    if (!result_.done()) {
      result_.set_exception(std::current_exception());
    }
  }
}

void Connector::fail(std::exception_ptr exception) {
  const auto keep = shared_from_this();
  finish();
  if (!result_.done()) {
    result_.set_exception(std::move(exception));
  }
}

// One error stands for itself; several that agree keep their code, so that it can be compared.
std::exception_ptr Connector::combined_failure() const {
  if (failures_.size() == 1) {
    return std::make_exception_ptr(
        std::system_error(failures_.front().error, failures_.front().what));
  }
  const bool same = std::ranges::all_of(
      failures_, [&](const Failure& each) { return each.error == failures_.front().error; });
  std::string text;
  for (const Failure& each : failures_) {
    text += text.empty() ? "" : same ? ", " : "; ";
    text += same ? each.what : each.what + ": " + each.error.message();
  }
  return std::make_exception_ptr(
      std::system_error(same ? failures_.front().error : make_error_code(Errc::all_attempts_failed),
                        same ? text : "Multiple exceptions: " + text));
}

// Closes what is under way and lets go.
void Connector::finish() {
  if (state_ == State::done) {
    return;
  }
  state_ = State::done;
  next_timer_.cancel();
  attempts_.clear();
  loop::Resident::unlink();
  if (self_) {
    loop_->bury(std::exchange(self_, nullptr));
  }
}

}  // namespace sluice::transports
