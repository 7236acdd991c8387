#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <system_error>

#include "source.hpp"

namespace sluice::cli {

/// What all sources with a transport share: the way from open to the end. How they are opened, and
/// into what they read, differs.
class ReadingSource : public Source {
 public:
  void pause() override;
  void resume() override;
  void abort() override;

 protected:
  enum class State : std::uint8_t {
    opening,  ///< the transport is being made
    open,     ///< there is a transport
    aborted,  ///< its end is to come
    done,     ///< source_done was called
  };

  ReadingSource(EventLoop& loop, std::string name, SourceListener& listener);

  /// The protocol's callbacks.
  void made(std::shared_ptr<ReadTransport> transport);
  void received(const Buffer& block);
  void lost(std::error_code error);

  /// While opening: nothing that was begun will report back, so the end comes from here.
  void abort_opening();
  /// While opening: there will be no transport.
  void opening_failed(const std::string& error);

  [[nodiscard]] EventLoop& loop() { return loop_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] SourceListener& listener() { return listener_; }
  [[nodiscard]] State state() const { return state_; }

 private:
  void finish(SourceEnd end, const std::string& error);

  EventLoop& loop_;
  std::string name_;
  SourceListener& listener_;
  State state_ = State::opening;
  std::shared_ptr<ReadTransport> transport_;
};

}  // namespace sluice::cli
