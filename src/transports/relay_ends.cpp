#include "transports/relay_ends.hpp"

#include <utility>

namespace sluice::transports {
namespace {

// What the protocols of all kinds can be known by.
class OfRelay {
 public:
  OfRelay() = default;
  OfRelay(const OfRelay&) = delete;
  OfRelay& operator=(const OfRelay&) = delete;

 protected:
  virtual ~OfRelay() = default;
};

// What the protocols of all kinds pass on. A direction may let go of its end while it is told.
template <class Base>
class End : public Base, public OfRelay {
 public:
  End(std::shared_ptr<RelayDirection> reading, std::shared_ptr<RelayDirection> writing)
      : reading_(std::move(reading)), writing_(std::move(writing)) {}

  void pause_writing() override {
    if (writing_) {
      writing_->hold();
    }
  }
  void resume_writing() override {
    if (writing_) {
      writing_->go_on();
    }
  }
  void connection_lost(std::error_code error) override {
    const std::shared_ptr<RelayDirection> reading = std::exchange(reading_, nullptr);
    const std::shared_ptr<RelayDirection> writing = std::exchange(writing_, nullptr);
    if (reading) {
      reading->from_lost(error);
    }
    if (writing) {
      writing->to_lost(error);
    }
  }

 protected:
  std::shared_ptr<RelayDirection> reading_;
  std::shared_ptr<RelayDirection> writing_;
};

template <class Base>
class ReadingEnd final : public End<Base> {
 public:
  using End<Base>::End;

  void data_received(Bytes data) override {
    const std::shared_ptr<RelayDirection> direction = this->reading_;
    if (direction) {
      direction->received(data);
    }
  }
  // The other direction goes on.
  bool eof_received() override {
    const std::shared_ptr<RelayDirection> direction = this->reading_;
    if (direction) {
      direction->end_received();
    }
    return true;
  }
};

}  // namespace

std::shared_ptr<BaseProtocol> make_relay_end(ServedProtocols kind,
                                             std::shared_ptr<RelayDirection> reading,
                                             std::shared_ptr<RelayDirection> writing) {
  switch (kind) {
    case ServedProtocols::read:
      return std::make_shared<ReadingEnd<ReadProtocol>>(std::move(reading), std::move(writing));
    case ServedProtocols::write:
      return std::make_shared<End<WriteProtocol>>(std::move(reading), std::move(writing));
    case ServedProtocols::duplex:
      break;
  }
  return std::make_shared<ReadingEnd<Protocol>>(std::move(reading), std::move(writing));
}

bool is_relay_end(const BaseProtocol* protocol) noexcept {
  return dynamic_cast<const OfRelay*>(protocol) != nullptr;
}

}  // namespace sluice::transports
