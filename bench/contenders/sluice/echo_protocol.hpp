#pragma once

#include <memory>
#include <sluice/sluice.hpp>
#include <system_error>
#include <utility>

namespace bench {

/// Writes back what was read.
class Echo : public sluice::Protocol {
 public:
  void connection_made(std::shared_ptr<sluice::Transport> transport) override {
    transport_ = std::move(transport);
  }
  void data_received(sluice::Bytes data) override { transport_->write(data); }
  void pause_writing() override { transport_->pause_reading(); }
  void resume_writing() override { transport_->resume_reading(); }
  void connection_lost(std::error_code /*error*/) override { transport_.reset(); }

 private:
  std::shared_ptr<sluice::Transport> transport_;
};

}  // namespace bench
