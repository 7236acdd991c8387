#include "transports/address_table.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace sluice::transports {
namespace {

SocketAddress address(std::uint16_t port) {
  return *SocketAddress::from_numeric("10.0.0.1", port);
}

TEST(AddressTableTest, NeighboursWithOneAddressShareANumber) {
  AddressTable table;
  EXPECT_EQ(0U, table.enter(address(1)));
  EXPECT_EQ(0U, table.enter(address(1)));
  EXPECT_EQ(1U, table.enter(address(2)));
  EXPECT_EQ(address(1), *table.find(0));
  EXPECT_EQ(address(2), *table.find(1));
}

TEST(AddressTableTest, NoAddressHasANumberToo) {
  AddressTable table;
  EXPECT_EQ(nullptr, table.find(AddressTable::none));
  table.leave(AddressTable::none);
}

TEST(AddressTableTest, ANumberIsFreeWhenItsLastUseIsGone) {
  AddressTable table;
  static_cast<void>(table.enter(address(1)));
  static_cast<void>(table.enter(address(1)));
  static_cast<void>(table.enter(address(2)));
  table.leave(0);
  EXPECT_EQ(2U, table.enter(address(3)));
  table.leave(0);
  EXPECT_EQ(0U, table.enter(address(4)));
  EXPECT_EQ(address(4), *table.find(0));
}

// One that was left is not the neighbour of what comes next, whatever it was.
TEST(AddressTableTest, ALeftAddressIsEnteredAnew) {
  AddressTable table;
  static_cast<void>(table.enter(address(1)));
  table.leave(0);
  EXPECT_EQ(0U, table.enter(address(1)));
  EXPECT_EQ(1U, table.enter(address(2)));
}

TEST(AddressTableTest, AfterClearCountingBeginsAgain) {
  AddressTable table;
  static_cast<void>(table.enter(address(1)));
  static_cast<void>(table.enter(address(2)));
  table.leave(0);
  table.clear();
  EXPECT_EQ(0U, table.enter(address(2)));
  EXPECT_EQ(1U, table.enter(address(1)));
}

}  // namespace
}  // namespace sluice::transports
