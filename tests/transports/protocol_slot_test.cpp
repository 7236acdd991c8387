#include "transports/protocol_slot.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "transport_fixture.hpp"

namespace sluice::transports {
namespace {

class PlainProtocol final : public BaseProtocol {};
class PlainWriteProtocol final : public WriteProtocol {};

// Which kinds a slot takes, in the order Base, Write, Read, Protocol, Buffered.
std::string taken_by(ServedProtocols served) {
  const std::vector<std::shared_ptr<BaseProtocol>> kinds{
      std::make_shared<PlainProtocol>(), std::make_shared<PlainWriteProtocol>(),
      std::make_shared<ReadProbe>(std::make_shared<ReadRecord>()),
      std::make_shared<RecordingProtocol>(std::make_shared<Recording>()),
      std::make_shared<BufferedProbe>()};
  std::string result;
  for (const auto& kind : kinds) {
    ProtocolSlot slot(served);
    try {
      slot.set(kind);
      result += slot.get() == kind ? 'y' : '?';
    } catch (const std::invalid_argument&) {
      result += slot.get() == nullptr ? 'n' : '?';
    }
  }
  return result;
}

// W-78
TEST(Slot, OfADuplexStreamTakesProtocolsThatRead) {
  EXPECT_EQ("nnnyy", taken_by(ServedProtocols::duplex));
}

// W-78
TEST(Slot, OfAReadPipeTakesReadProtocolsOnly) {
  EXPECT_EQ("nnynn", taken_by(ServedProtocols::read));
}

// W-100
TEST(Slot, OfAWritePipeTakesWriteProtocolsAndPlainOnes) {
  EXPECT_EQ("yynnn", taken_by(ServedProtocols::write));
}

// W-78
TEST(Slot, RefusesNullAndKeepsWhatItHas) {
  const auto first = std::make_shared<BufferedProbe>();
  ProtocolSlot slot(ServedProtocols::duplex);
  slot.set(first);
  EXPECT_THROW(slot.set(nullptr), std::invalid_argument);
  EXPECT_THROW(slot.set(std::make_shared<PlainProtocol>()), std::invalid_argument);
  EXPECT_EQ(first, slot.get());
  EXPECT_TRUE(slot.buffered());
}

TEST(Slot, GivesBackWhatWasInIt) {
  const auto first = std::make_shared<BufferedProbe>();
  const auto second = std::make_shared<RecordingProtocol>(std::make_shared<Recording>());
  ProtocolSlot slot(ServedProtocols::duplex);
  EXPECT_EQ(nullptr, slot.set(first));
  EXPECT_EQ(first, slot.set(second));
  EXPECT_FALSE(slot.buffered());
  EXPECT_EQ(second, slot.take());
  EXPECT_EQ(nullptr, slot.get());
  EXPECT_EQ(nullptr, slot.take());
}

// W-159
TEST(Slot, AnEmptyBufferIsAFailedCallback) {
  const auto protocol = std::make_shared<BufferedProbe>();
  ProtocolSlot slot(ServedProtocols::duplex);
  slot.set(protocol);
  EXPECT_EQ(8U, slot.get_buffer().size());
  protocol->memory.clear();
  EXPECT_THROW(static_cast<void>(slot.get_buffer()), std::runtime_error);
}

TEST(Slot, AnEmptyOneHearsNothing) {
  const ProtocolSlot slot(ServedProtocols::read);
  slot.connection_made(nullptr);
  slot.received({}, 0);
  EXPECT_FALSE(slot.eof_received());
}

}  // namespace
}  // namespace sluice::transports
