#include "sluice/buffer.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/allocation_probe.hpp"
#include "core/fast_copy.hpp"

namespace sluice {
namespace {

std::string text_of(const Buffer& buffer) {
  return std::string(as_text(buffer.bytes()));
}

template <class T>
concept CopiesNull = requires {
  T::copy_of(nullptr);
}
|| requires {
  T::copy_of(0);
};
template <class T>
concept RefersToNull = requires {
  T::from_static(nullptr);
}
|| requires {
  T::from_static(0);
};
static_assert(!CopiesNull<Buffer>);
static_assert(!RefersToNull<Buffer>);

TEST(Buffer, ByDefaultIsEmpty) {
  const Buffer buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(0U, buffer.size());
  EXPECT_TRUE(buffer.bytes().empty());
}

TEST(Buffer, ACopyDoesNotDependOnTheOriginal) {
  std::string text = "before";
  const Buffer buffer = Buffer::copy_of(text);
  text = "after!";
  EXPECT_EQ("before", text_of(buffer));
  EXPECT_EQ(6U, buffer.size());
}

TEST(Buffer, ACopyOfNothingOwnsNothing) {
  const testing::Allocations before = testing::allocations();
  EXPECT_TRUE(Buffer::copy_of("").empty());
  EXPECT_TRUE(Buffer::copy_of(Bytes()).empty());
  EXPECT_EQ(0U, (testing::allocations() - before).calls);
}

TEST(Buffer, ACopyIsOneAllocation) {
  const std::string text(1000, 'x');
  const testing::Allocations before = testing::allocations();
  const Buffer buffer = Buffer::copy_of(text);
  EXPECT_EQ(1U, (testing::allocations() - before).calls);
}

TEST(Buffer, ALargeCopyBeginsWhereTheSystemCopiesFast) {
  std::vector<Buffer> copies;
  for (std::size_t size = 4096; size < 5000; size += 24) {
    copies.push_back(Buffer::copy_of(std::string(size, 'x')));
    const auto begin = reinterpret_cast<std::uintptr_t>(copies.back().bytes().data());
    EXPECT_EQ(0U, begin % core::fast_copy_alignment);
  }
}

TEST(Buffer, TakingAStringDoesNotCopyItsBytes) {
  std::string text(1000, 'x');
  const char* place = text.data();
  const Buffer buffer = Buffer::take(std::move(text));
  EXPECT_EQ(place, as_text(buffer.bytes()).data());
  EXPECT_EQ(1000U, buffer.size());
}

// A short string's bytes are inside the object: they move with it.
TEST(Buffer, TakingAShortStringKeepsItsBytes) {
  const Buffer buffer = Buffer::take(std::string("abc"));
  EXPECT_EQ("abc", text_of(buffer));
}

TEST(Buffer, TakingAVectorDoesNotCopyItsBytes) {
  std::vector<std::byte> bytes(1000, std::byte{7});
  const std::byte* place = bytes.data();
  const Buffer buffer = Buffer::take(std::move(bytes));
  EXPECT_EQ(place, buffer.bytes().data());
  EXPECT_EQ(1000U, buffer.size());
}

TEST(Buffer, SharingKeepsTheOwnerAliveAsLongAsAnyCopy) {
  auto owner = std::make_shared<std::string>("shared");
  const std::weak_ptr<std::string> watch = owner;
  {
    const Buffer first = Buffer::share(owner, as_bytes(*owner));
    Buffer second = first;
    owner.reset();
    EXPECT_FALSE(watch.expired());
    EXPECT_EQ(first.bytes().data(), second.bytes().data());
    second = Buffer();
    EXPECT_EQ("shared", text_of(first));
  }
  EXPECT_TRUE(watch.expired());
}

TEST(Buffer, TellsItsOwnerAndGivesItAway) {
  const auto owner = std::make_shared<std::string>("shared");
  Buffer buffer = Buffer::share(owner, as_bytes(*owner));
  EXPECT_EQ(owner, buffer.owner());
  EXPECT_EQ(2, owner.use_count());
  const std::shared_ptr<const void> given = std::move(buffer).owner();
  EXPECT_EQ(owner, given);
  EXPECT_TRUE(buffer.empty());  // NOLINT(bugprone-use-after-move): that is what is promised
  EXPECT_EQ(2, owner.use_count());
  EXPECT_EQ(nullptr, Buffer::from_static("text").owner());
}

TEST(Buffer, StaticBytesAreReferredTo) {
  static constexpr std::string_view text = "static";
  const Buffer buffer = Buffer::from_static(text);
  EXPECT_EQ(text.data(), as_text(buffer.bytes()).data());
  EXPECT_EQ(6U, Buffer::from_static(as_bytes(text)).size());
}

TEST(Buffer, ASliceSharesAndOutlivesTheWhole) {
  Buffer slice;
  {
    const Buffer whole = Buffer::copy_of("hello, world");
    slice = whole.slice(7, 5);
    EXPECT_EQ(whole.bytes().data() + 7, slice.bytes().data());
  }
  EXPECT_EQ("world", text_of(slice));
}

TEST(Buffer, ASliceIsCutToWhatIsThere) {
  const Buffer whole = Buffer::copy_of("hello");
  EXPECT_EQ("lo", text_of(whole.slice(3, 100)));
  EXPECT_TRUE(whole.slice(5, 1).empty());
  EXPECT_TRUE(whole.slice(6, 1).empty());
  EXPECT_TRUE(whole.slice(static_cast<std::size_t>(-1), static_cast<std::size_t>(-1)).empty());
  EXPECT_TRUE(whole.slice(2, 0).empty());
  EXPECT_EQ("hello", text_of(whole.slice(0, static_cast<std::size_t>(-1))));
}

TEST(Bytes, TextAndBytesAreTwoViewsOfOneThing) {
  const std::string text("a\0b", 3);
  EXPECT_EQ(3U, as_bytes(text).size());
  EXPECT_EQ(std::byte{0}, as_bytes(text)[1]);
  EXPECT_EQ(text.data(), as_text(as_bytes(text)).data());
}

}  // namespace
}  // namespace sluice
