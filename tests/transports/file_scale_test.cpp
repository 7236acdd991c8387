// Much at once: files, pieces and bytes.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loop/workers.hpp"
#include "testing/faulty_system_calls.hpp"
#include "transports/file_fixture.hpp"

namespace sluice::transports {
namespace {

using testing::pattern;

// Sees what is written by gathered calls, which only files are on here, and from where.
class WatchedWrites final : public testing::FaultySystemCalls {
 public:
  WatchedWrites() : FaultySystemCalls(sys::linux_system_calls(), {}, 0) {}

  Bytes memory;  // where all bytes are expected to be; set before anything is written
  std::atomic<std::uint64_t> from_memory = 0;
  std::atomic<std::uint64_t> from_elsewhere = 0;
  std::atomic<std::size_t> at_once = 0;
  std::atomic<std::size_t> most_at_once = 0;

  sys::Result<std::size_t> writev(int fd, std::span<const iovec> pieces) noexcept override {
    const std::size_t now = ++at_once;
    for (std::size_t most = most_at_once;
         now > most && !most_at_once.compare_exchange_weak(most, now);) {
    }
    for (const iovec& piece : pieces) {
      const auto begin = reinterpret_cast<std::uintptr_t>(piece.iov_base);
      const auto first = reinterpret_cast<std::uintptr_t>(memory.data());
      const bool inside = begin >= first && begin + piece.iov_len <= first + memory.size();
      (inside ? from_memory : from_elsewhere) += piece.iov_len;
    }
    const sys::Result<std::size_t> result = FaultySystemCalls::writev(fd, pieces);
    --at_once;
    return result;
  }
};

class ManyBytes : public Files {
 protected:
  ManyBytes() : ManyBytes(std::make_shared<WatchedWrites>()) {}
  [[nodiscard]] WatchedWrites& system() { return *system_; }

 private:
  explicit ManyBytes(std::shared_ptr<WatchedWrites> system)
      : Files(system), system_(std::move(system)) {}
  std::shared_ptr<WatchedWrites> system_;
};

// F-11: the file system is given the very memory of the Buffer, in pieces of at most 1 MiB.
TEST_F(ManyBytes, ABufferOfAGibibyteIsNotCopied) {
  constexpr std::size_t size = std::size_t{1} << 30;
  void* const place =
      ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(MAP_FAILED, place);
  const std::shared_ptr<const void> owner(
      place, [](const void* memory) { ::munmap(const_cast<void*>(memory), size); });
  system().memory = Bytes(static_cast<const std::byte*>(place), size);
  connect_path("/dev/null", {});
  transport().write(Buffer::share(owner, system().memory));
  EXPECT_EQ(size, transport().get_write_buffer_size());
  transport().close();
  // A thousand times from thread to thread: the loop sleeps meanwhile.
  loop().call_later(seconds(90), [this] { loop().stop(); });
  record().on_connection_lost = [this](std::error_code) { loop().stop(); };
  loop().run_forever();
  EXPECT_EQ("CM PW RW CL(ok)", trace());
  EXPECT_EQ(size, statistics().bytes_written);
  EXPECT_EQ(size, system().from_memory);
  EXPECT_EQ(0U, system().from_elsewhere);
  EXPECT_EQ(1024U, statistics().send_calls);
}

// F-2
TEST_F(ManyBytes, AListOfMorePiecesThanOneCallTakesIsWrittenInItsOrder) {
  std::vector<Buffer> pieces;
  std::string all;
  for (int i = 0; i < 5000; ++i) {
    const std::string piece = pattern(all.size(), static_cast<std::size_t>(i % 1500));
    all += piece;
    pieces.push_back(Buffer::copy_of(piece));
  }
  connect("file", {});
  transport().writelines(std::span<const Buffer>(pieces));
  transport().close();
  run_until_lost();
  EXPECT_TRUE(all == content("file"));
}

// F-11
TEST_F(ManyBytes, ManyFilesAreWrittenByFewThreads) {
  constexpr std::size_t files = 200;
  std::vector<std::shared_ptr<testing::Recording>> records;
  std::vector<Future<WriteConnection<RecordingWriteProtocol>>> openings;
  for (std::size_t i = 0; i < files; ++i) {
    records.push_back(std::make_shared<testing::Recording>());
    openings.push_back(loop().connect_file(factory_of(records.back()), path(std::to_string(i))));
  }
  run_until([&] {
    return std::all_of(openings.begin(), openings.end(),
                       [](const auto& each) { return each.done(); });
  });
  const std::string bytes = pattern(0, 20'000);
  for (std::size_t i = 0; i < files; ++i) {
    records[i]->transport().write(bytes);
    records[i]->transport().write(std::to_string(i));
    records[i]->transport().close();
  }
  run_until([&] {
    return std::all_of(records.begin(), records.end(),
                       [](const auto& each) { return each->lost(); });
  });
  EXPECT_LE(system().most_at_once, loop::Workers::max_threads);
  for (std::size_t i = 0; i < files; ++i) {
    EXPECT_EQ("CM CL(ok)", records[i]->trace());
    EXPECT_TRUE(bytes + std::to_string(i) == content(std::to_string(i))) << i;
    records[i]->release();
  }
}

}  // namespace
}  // namespace sluice::transports
