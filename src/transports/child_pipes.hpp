#pragma once

#include <memory>
#include <utility>

#include "sluice/protocol.hpp"
#include "transports/subprocess_transport.hpp"

namespace sluice::transports {

/// The protocol of a child's stdin: its flow control is the child's (W-143).
class ChildInput final : public WriteProtocol {
 public:
  explicit ChildInput(std::shared_ptr<ChildTransport> child) noexcept : child_(std::move(child)) {}
  void pause_writing() override { child_->protocol().pause_writing(); }
  void resume_writing() override { child_->protocol().resume_writing(); }
  void connection_lost(std::error_code error) override {
    child_->protocol().pipe_connection_lost(0, error);
  }

 private:
  std::shared_ptr<ChildTransport> child_;
};

/// The protocol of a child's stdout or stderr.
class ChildOutput final : public ReadProtocol {
 public:
  ChildOutput(std::shared_ptr<ChildTransport> child, int fd) noexcept
      : child_(std::move(child)), fd_(fd) {}
  void data_received(Bytes data) override { child_->protocol().pipe_data_received(fd_, data); }
  void connection_lost(std::error_code error) override {
    child_->protocol().pipe_connection_lost(fd_, error);
  }

 private:
  std::shared_ptr<ChildTransport> child_;
  int fd_;
};

}  // namespace sluice::transports
