#include "streams/receive_buffer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::streams {
namespace {

TEST(ReceiveBuffers, KeepBytesInOrder) {
  ReceiveBuffer buffer;
  std::string model;
  unsigned next = 1;
  for (int i = 0; i < 5000; ++i) {
    next = next * 1103515245U + 12345U;
    const std::string piece((next >> 16) % 300, static_cast<char>('a' + i % 26));
    buffer.append(as_bytes(piece));
    model += piece;
    const std::size_t taken = (next >> 8) % 310;
    ASSERT_EQ(model.substr(0, taken), buffer.take(taken));
    model.erase(0, taken);
    ASSERT_EQ(model, buffer.view());
    ASSERT_EQ(model.empty(), buffer.empty());
  }
}

TEST(ReceiveBuffers, DoNotGrowWhileAsMuchIsTakenAsIsAdded) {
  ReceiveBuffer buffer;
  const std::string piece(1000, 'x');
  buffer.append(as_bytes(piece));
  buffer.append(as_bytes(piece));
  for (int i = 0; i < 10'000; ++i) {
    buffer.append(as_bytes(piece));
    ASSERT_EQ(piece, buffer.take(piece.size()));
  }
  EXPECT_LE(buffer.capacity(), 16 * piece.size());
}

TEST(ReceiveBuffers, ThatAreEmptyKeepLittleMemory) {
  ReceiveBuffer buffer;
  for (const std::size_t size : {std::size_t{1} << 20, std::size_t{1000}}) {
    buffer.append(as_bytes(std::string(size, 'x')));
    static_cast<void>(buffer.take(1));
    EXPECT_EQ(size - 1, buffer.take(size).size());
    EXPECT_TRUE(buffer.empty());
    EXPECT_LE(buffer.capacity(), ReceiveBuffer::kept_bytes);
  }
  EXPECT_GE(buffer.capacity(), 1000U);
}

TEST(ReceiveBuffers, GiveAwayWhatIsTakenWhole) {
  ReceiveBuffer buffer;
  buffer.append(as_bytes(std::string(5000, 'x')));
  const char* const where = buffer.view().data();
  const std::string taken = buffer.take(6000);
  EXPECT_EQ(where, taken.data());
  EXPECT_EQ(5000U, taken.size());
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(std::string().capacity(), buffer.capacity());
}

TEST(ReceiveBuffers, DoNotGiveAwayMuchMemoryForFewBytes) {
  ReceiveBuffer buffer;
  buffer.append(as_bytes(std::string(1000, 'x')));
  static_cast<void>(buffer.take(1));
  static_cast<void>(buffer.take(999));
  buffer.append(as_bytes(std::string(100, 'y')));
  EXPECT_LT(buffer.take(100).capacity(), 1000U);
  EXPECT_GE(buffer.capacity(), 1000U);
}

}  // namespace
}  // namespace sluice::streams
