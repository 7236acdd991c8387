#pragma once

#include <charconv>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace bench {

/// `PROGRAM WORKLOAD [--name value | --flag]...`
class CommandLine {
 public:
  CommandLine(int argc, char** argv) {
    if (argc < 2) {
      throw std::invalid_argument("usage: WORKLOAD [--option value]...");
    }
    workload_ = argv[1];
    for (int i = 2; i < argc; ++i) {
      const std::string_view word = argv[i];
      if (!word.starts_with("--")) {
        throw std::invalid_argument("no option: " + std::string(word));
      }
      const bool has_value = i + 1 < argc && !std::string_view(argv[i + 1]).starts_with("--");
      auto& value = options_[std::string(word.substr(2))];
      value = has_value ? std::optional<std::string>(argv[++i]) : std::nullopt;
    }
  }

  [[nodiscard]] const std::string& workload() const noexcept { return workload_; }

  [[nodiscard]] std::string text(const std::string& name, std::string otherwise = {}) {
    const auto found = find(name);
    if (found == options_.end()) {
      return otherwise;
    }
    if (!found->second) {
      throw std::invalid_argument("--" + name + " needs a value");
    }
    return *found->second;
  }
  [[nodiscard]] std::size_t number(const std::string& name, std::size_t otherwise) {
    const std::string word = text(name, std::to_string(otherwise));
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size()) {
      throw std::invalid_argument("--" + name + " needs a number, not " + word);
    }
    return value;
  }
  [[nodiscard]] bool flag(const std::string& name) {
    const auto found = find(name);
    if (found == options_.end()) {
      return false;
    }
    if (found->second) {
      throw std::invalid_argument("--" + name + " takes no value");
    }
    return true;
  }

  /// Throws for what nobody has asked for: a misspelt option must not pass for the default.
  void reject_the_rest() const {
    for (const auto& [name, value] : options_) {
      if (!asked_.contains(name)) {
        throw std::invalid_argument("the workload " + workload_ + " has no option --" + name);
      }
    }
  }

 private:
  using Options = std::map<std::string, std::optional<std::string>>;

  Options::const_iterator find(const std::string& name) {
    asked_.insert(name);
    return options_.find(name);
  }

  std::string workload_;
  Options options_;
  std::set<std::string> asked_;
};

}  // namespace bench
