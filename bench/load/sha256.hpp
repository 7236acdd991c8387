#pragma once

#include <memory>
#include <span>
#include <string>

struct evp_md_ctx_st;

namespace bench {

/// The sum over what a contender has delivered.
class Sha256 {
 public:
  Sha256();
  void update(std::span<const char> bytes);
  /// In hexadecimal; the end of this sum.
  [[nodiscard]] std::string finish();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

}  // namespace bench
