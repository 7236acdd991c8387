#include "exec_child.hpp"

#include <csignal>
#include <cstring>
#include <exception>
#include <optional>
#include <system_error>

#include "errors.hpp"

namespace sluice::cli {

namespace {

[[noreturn]] void refuse_command(std::string_view text, const std::string& why) {
  throw UsageError("'exec:" + std::string(text) + "': " + why);
}

bool is_blank(char character) {
  return character == ' ' || character == '\t' || character == '\n';
}

// Takes one word from the front of what is left.
class WordReader {
 public:
  explicit WordReader(std::string_view text) : text_(text), rest_(text) {}

  std::optional<std::string> next() {
    while (!rest_.empty() && is_blank(rest_.front())) {
      rest_.remove_prefix(1);
    }
    if (rest_.empty()) {
      return std::nullopt;
    }
    std::string word;
    while (!rest_.empty() && !is_blank(rest_.front())) {
      take_part(word);
    }
    return word;
  }

 private:
  void take_part(std::string& word) {
    const char first = take();
    if (first == '\'') {
      while (const std::optional<char> character = take_until('\'')) {
        word += *character;
      }
    } else if (first == '"') {
      while (const std::optional<char> character = take_until('"')) {
        const bool quotes =
            *character == '\\' && !rest_.empty() && (rest_.front() == '"' || rest_.front() == '\\');
        word += quotes ? take() : *character;
      }
    } else if (first == '\\') {
      if (rest_.empty()) {
        refuse_command(text_, "there is nothing behind the last \\");
      }
      word += take();
    } else {
      word += first;
    }
  }

  char take() {
    const char character = rest_.front();
    rest_.remove_prefix(1);
    return character;
  }

  // Nothing when that was the closing quote.
  std::optional<char> take_until(char quote) {
    if (rest_.empty()) {
      refuse_command(text_, std::string("a ") + quote + " is not closed");
    }
    const char character = take();
    return character == quote ? std::nullopt : std::optional<char>(character);
  }

  std::string_view text_;
  std::string_view rest_;
};

}  // namespace

std::vector<std::string> split_command(std::string_view text) {
  std::vector<std::string> words;
  WordReader reader(text);
  while (std::optional<std::string> word = reader.next()) {
    words.push_back(std::move(*word));
  }
  if (words.empty() || words.front().empty()) {
    refuse_command(text, "expected a command after exec:, as in 'exec:gzip -c'");
  }
  return words;
}

std::string child_fault(const std::string& name, const SubprocessTransport& child) {
  const int returncode = child.returncode().value_or(0);
  if (returncode == 0) {
    return {};
  }
  if (returncode > 0) {
    return name + ": exited with status " + std::to_string(returncode);
  }
  const char* const signal = ::sigabbrev_np(-returncode);
  return name + ": killed by " +
         (signal != nullptr ? "SIG" + std::string(signal)
                            : "signal " + std::to_string(-returncode));
}

std::string start_failure(const std::string& name, const std::exception_ptr& reason) {
  const std::string what = "cannot start " + name + ": ";
  try {
    std::rethrow_exception(reason);
  } catch (const std::system_error& error) {
    return what + error.code().message();
  } catch (const std::exception& error) {
    return what + error.what();
  }
}

void heed_children() {
  std::signal(SIGCHLD, SIG_DFL);
}

}  // namespace sluice::cli
