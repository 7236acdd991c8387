// Runs a fuzz target on random inputs of a seed: the short form of fuzzing, without the fuzzer's
// compiler. usage: FUZZ_TARGET SEED COUNT

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s SEED COUNT\n", argv[0]);
    return 2;
  }
  std::mt19937_64 random(std::strtoull(argv[1], nullptr, 10));
  const std::size_t count = std::strtoull(argv[2], nullptr, 10);
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<std::uint8_t> input(random() % 300);
    for (std::uint8_t& byte : input) {
      byte = static_cast<std::uint8_t>(random());
    }
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu inputs, no violation\n", count);
}
