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
    buffer.consume(taken);
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
    buffer.consume(piece.size());
  }
  EXPECT_LE(buffer.capacity(), 16 * piece.size());
}

TEST(ReceiveBuffers, ThatAreEmptyKeepLittleMemory) {
  ReceiveBuffer buffer;
  buffer.append(as_bytes(std::string(1 << 20, 'x')));
  buffer.consume(1 << 20);
  EXPECT_EQ(0U, buffer.capacity());
  buffer.append(as_bytes(std::string(1000, 'x')));
  buffer.consume(5000);
  EXPECT_GT(buffer.capacity(), 0U);
  EXPECT_TRUE(buffer.empty());
}

}  // namespace
}  // namespace sluice::streams
