// What a stranger's program may do with an installed Sluice: include everything, and run a loop.
#include <sluice/sluice.hpp>

#include <cstdio>
#include <string>

int main() {
  const auto message = sluice::Buffer::copy_of(std::string(100000, 'x'));
  if (message.slice(99999, 10).size() != 1) {
    std::puts("a slice must end where its buffer ends");
    return 1;
  }

  sluice::EventLoop loop;
  int turns = 0;
  loop.call_soon([&] {
    ++turns;
    loop.stop();
  });
  loop.run_forever();
  if (turns != 1) {
    std::puts("the callback must run once");
    return 1;
  }

  std::printf("sluice %d.%d.%d works\n", sluice::version_major, sluice::version_minor,
              sluice::version_patch);
  return 0;
}
