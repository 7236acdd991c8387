#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "testing/throttled_file.hpp"
#include "transports/file_fixture.hpp"

namespace sluice::transports {

/// Files of which one is on a slow disk.
class SlowFile : public Files {
 protected:
  SlowFile() : SlowFile(std::make_shared<testing::ThrottledFile>()) {}
  ~SlowFile() override { disk().let_go(); }
  [[nodiscard]] testing::ThrottledFile& disk() { return *disk_; }

  /// A file of which the disk takes nothing at first, and `count` bytes written to it.
  void begin(std::size_t count, FileOptions options = {}) {
    connect("file", options);
    disk().choose(transport().fileno());
    disk().fill(testing::ThrottledFile::capacity);
    transport().write(testing::pattern(0, count));
    turn();
    disk().settle(statistics().send_calls);
    ASSERT_EQ(1U, statistics().send_calls);
  }

 private:
  explicit SlowFile(std::shared_ptr<testing::ThrottledFile> disk)
      : Files(disk), disk_(std::move(disk)) {}
  std::shared_ptr<testing::ThrottledFile> disk_;
};

}  // namespace sluice::transports
