#include "turns.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "common/descriptor.hpp"
#include "common/require.hpp"

namespace bench {
namespace {

// Long beside a turn's first messages, short beside a turn.
constexpr std::chrono::microseconds looks_every{200};

std::span<std::uint32_t> shared_numbers(const std::string& file) {
  const Descriptor opened(require(open(file.c_str(), O_RDWR | O_CLOEXEC), "open of --turns"));
  struct stat status {};
  require(fstat(opened.get(), &status), "fstat of --turns");
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, opened.get(), 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::system_category(), "mmap of --turns");
  }
  return {static_cast<std::uint32_t*>(memory), size / sizeof(std::uint32_t)};
}

}  // namespace

Turns::Turns(const std::string& file, std::size_t number) : number_(number) {
  if (file.empty()) {
    return;
  }
  places_ = shared_numbers(file);
  if (number == 0 || number >= places_.size()) {
    throw std::invalid_argument("--turn is the number of a place in the file of --turns");
  }
}

Turns::~Turns() {
  if (are_taken()) {
    munmap(places_.data(), places_.size_bytes());
  }
}

Turns::Clock::duration Turns::own_time() const {
  const std::scoped_lock lock(mutex_);
  return before_ + (began_ ? Clock::now() - *began_ : Clock::duration::zero());
}

bool Turns::is_mine() const noexcept {
  return !are_taken() ||
         std::atomic_ref(places_.front()).load(std::memory_order_acquire) == number_;
}

void Turns::pause() {
  std::atomic_ref(places_[number_]).store(1, std::memory_order_release);
  const std::scoped_lock lock(mutex_);
  before_ += Clock::now() - *std::exchange(began_, std::nullopt);
}

void Turns::resume() {
  const std::scoped_lock lock(mutex_);
  began_ = Clock::now();
}

void Turns::sleep() {
  std::this_thread::sleep_for(looks_every);
}

}  // namespace bench
