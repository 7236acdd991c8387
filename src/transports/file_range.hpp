#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "sluice/fd.hpp"
#include "sluice/future.hpp"
#include "transports/descriptor_range.hpp"

namespace sluice::transports {

/// A part of a file on its way through a write queue, and the future that waits for it.
class FileRange final : public DescriptorRange {
 public:
  FileRange(sys::SystemCalls& sys, std::shared_ptr<const Fd> file, std::uint64_t offset,
            std::uint64_t count, Future<std::uint64_t> sent)
      : DescriptorRange(sys, count),
        file_(std::move(file)),
        offset_(offset),
        sent_(std::move(sent)) {}

  core::ExternalResult to_socket(int fd, std::size_t most) noexcept override;
  core::ExternalResult to_pipe(int fd, std::size_t most) noexcept override;
  core::ExternalResult read(std::span<std::byte> memory) noexcept override;
  void left(core::ExternalEnd end, std::error_code error) noexcept override;

 private:
  [[nodiscard]] std::uint64_t position() const noexcept { return offset_ + moved(); }
  [[nodiscard]] std::exception_ptr failure(core::ExternalEnd end,
                                           std::error_code error) const noexcept;

  std::shared_ptr<const Fd> file_;
  std::uint64_t offset_;
  Future<std::uint64_t> sent_;
};

}  // namespace sluice::transports
