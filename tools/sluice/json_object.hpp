#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text.hpp"

namespace sluice::cli {

/// Builds an object of JSON, one key after the other.
class JsonObject {
 public:
  JsonObject& number(std::string_view key, std::uint64_t value) {
    return raw(key, std::to_string(value));
  }
  JsonObject& seconds(std::string_view key, Seconds value) {
    return raw(key, fixed(value.count(), 6));
  }
  JsonObject& text(std::string_view key, std::string_view value) {
    return raw(key, json_string(value));
  }
  JsonObject& raw(std::string_view key, const std::string& value) {
    body_.append(body_.empty() ? "" : ", ").append(json_string(key)).append(": ").append(value);
    return *this;
  }
  [[nodiscard]] std::string str() const { return "{" + body_ + "}"; }

 private:
  std::string body_;
};

}  // namespace sluice::cli
