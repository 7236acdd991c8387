#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

/// Moves many bytes with few instructions: what is sent is always the same, what arrives is taken
/// from the kernel without a copy and not looked at. The descriptors are the caller's.
class Flow {
 public:
  void add_source(int fd) { ends_.push_back({fd, true}); }
  void add_sink(int fd) { ends_.push_back({fd, false}); }

  /// Returns when each source has sent, and each sink has received, so many bytes. Throws when
  /// nothing moves for a minute, or a peer is gone.
  void run(std::size_t bytes_each);

 private:
  struct End {
    int fd;
    bool sends;
    std::size_t rest = 0;
  };

  bool move(End& end);
  void wait() const;

  std::vector<End> ends_;
  std::string block_ = std::string(256 * 1024, 'x');
};

}  // namespace bench
