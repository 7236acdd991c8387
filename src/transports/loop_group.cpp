#include "sluice/loop_group.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "transports/group_server.hpp"
#include "transports/loop_set.hpp"

namespace sluice {

LoopGroup::LoopGroup(std::size_t loops, const LoopOptions& options)
    : loops_(std::make_shared<transports::LoopSet>(
          loops != 0 ? loops : std::max<std::size_t>(std::thread::hardware_concurrency(), 1),
          options)) {}

LoopGroup::~LoopGroup() {
  close();
}

std::size_t LoopGroup::size() const noexcept {
  return loops_->size();
}

EventLoop& LoopGroup::loop(std::size_t index) const {
  return loops_->at(index);
}

void LoopGroup::run_forever() {
  run([this] { loops_->first().run_forever(); });
}

void LoopGroup::run(detail::UniqueFunction<void()> run_first) {
  loops_->run(std::move(run_first));
}

void LoopGroup::stop() {
  loops_->stop();
}

void LoopGroup::close() {
  loops_->close();
}

Future<std::shared_ptr<GroupServer>> LoopGroup::listen(
    std::vector<detail::ProtocolFactory> factories, std::vector<std::string> hosts,
    std::uint16_t port, ServerOptions options) {
  const bool start_serving = std::exchange(options.start_serving, false);
  options.reuse_port = true;
  const auto bound =
      loops_->first().listen_tcp(std::move(factories.front()), std::move(hosts), port, options);
  // Each loop takes its own factory, and no other, on its thread.
  const auto shared = std::make_shared<std::vector<detail::ProtocolFactory>>(std::move(factories));
  auto bind = [loops = loops_, shared, options](std::size_t index,
                                                const std::vector<SocketAddress>& addresses) {
    return loops->at(index).listen_at(std::move((*shared)[index]), addresses, options);
  };
  return transports::open_group_server(loops_, bound, std::move(bind), start_serving);
}

bool LoopGroup::is_running() const noexcept {
  return loops_->is_running();
}

bool LoopGroup::is_closed() const noexcept {
  return loops_->first().is_closed();
}

}  // namespace sluice
