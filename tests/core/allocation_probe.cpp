#include "core/allocation_probe.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <new>
#include <utility>

namespace sluice::testing {
namespace {

constexpr std::size_t huge = std::size_t{256} << 20;
constexpr std::size_t chunk = std::size_t{1} << 20;

// Of the thread that tests: what other threads do must not be in the way.
thread_local Allocations counted;
thread_local std::size_t countdown = 0;
thread_local std::size_t counted_size = 0;
thread_local bool hollow = false;

// The hollow allocations that are in use.
struct Mapping {
  void* address = nullptr;
  std::size_t size = 0;
};
std::array<Mapping, 4> mappings;

void* map_hollow(std::size_t size) noexcept {
  size = (size + 2 * chunk - 1) / chunk * chunk;
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  const int pages = ::memfd_create("hollow", MFD_CLOEXEC);
  if (address == MAP_FAILED || pages < 0 || ::ftruncate(pages, chunk) < 0) {
    std::abort();
  }
  // Both ends are real: whoever allocates keeps its own notes there.
  for (std::size_t offset = chunk; offset + 3 * chunk < size; offset += chunk) {
    if (::mmap(static_cast<char*>(address) + offset, chunk, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_FIXED, pages, 0) == MAP_FAILED) {
      std::abort();
    }
  }
  ::close(pages);
  for (Mapping& mapping : mappings) {
    if (mapping.address == nullptr) {
      mapping = {address, size};
      return address;
    }
  }
  std::abort();
}

bool unmap_hollow(void* memory) noexcept {
  for (Mapping& mapping : mappings) {
    if (memory != nullptr && mapping.address == memory) {
      ::munmap(memory, mapping.size);
      mapping = {};
      return true;
    }
  }
  return false;
}

void* allocate(std::size_t size) {
  ++counted.calls;
  counted.bytes += size;
  if (countdown > 0 && size >= counted_size && --countdown == 0) {
    throw std::bad_alloc();
  }
  void* memory = hollow && size >= huge ? map_hollow(size) : std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

void deallocate(void* memory) noexcept {
  if (!unmap_hollow(memory)) {
    std::free(memory);
  }
}

}  // namespace

Allocations allocations() noexcept {
  return counted;
}

FailingAllocation::FailingAllocation(std::size_t nth, std::size_t size) noexcept {
  countdown = nth;
  counted_size = size;
}

FailingAllocation::~FailingAllocation() {
  countdown = 0;
}

bool FailingAllocation::failed() const noexcept {
  return countdown == 0;
}

HollowAllocations::HollowAllocations() noexcept {
  hollow = true;
}

HollowAllocations::~HollowAllocations() {
  hollow = false;
}

}  // namespace sluice::testing

void* operator new(std::size_t size) {
  return sluice::testing::allocate(size);
}
void* operator new[](std::size_t size) {
  return sluice::testing::allocate(size);
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  try {
    return sluice::testing::allocate(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
void operator delete(void* memory) noexcept {
  sluice::testing::deallocate(memory);
}
void operator delete[](void* memory) noexcept {
  sluice::testing::deallocate(memory);
}
void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept {
  sluice::testing::deallocate(memory);
}
void operator delete[](void* memory, const std::nothrow_t& /*tag*/) noexcept {
  sluice::testing::deallocate(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept {
  sluice::testing::deallocate(memory);
}
void operator delete[](void* memory, std::size_t /*size*/) noexcept {
  sluice::testing::deallocate(memory);
}
