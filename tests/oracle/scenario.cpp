#include "oracle/scenario.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

namespace sluice::oracle {
namespace {

constexpr std::array<std::string_view, 25> names{
    "room",           "fail",           "hangup",  "receive",    "end",
    "reset",          "shutdown_fails", "write",   "writelines", "eof",
    "close",          "abort",          "limits",  "sizes",      "pause_reading",
    "resume_reading", "soon",           "on_made", "on_pause",   "on_resume",
    "on_data",        "on_end",         "on_lost", "throw",      "keep_open"};

/// Reads the grammar by recursive descent.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Scenario scenario() {
    Scenario result;
    const std::string_view kind = word();
    if (kind == "pipe") {
      result.kind = TransportKind::pipe;
    } else if (kind != "socket") {
      throw std::invalid_argument("a scenario begins with socket: or pipe:");
    }
    demand(':');
    do {
      result.steps.push_back(operations());
    } while (accept(';'));
    if (!rest_.empty()) {
      throw std::invalid_argument("not understood: " + std::string(rest_));
    }
    return result;
  }

 private:
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }

  bool accept(char wanted) {
    skip_blanks();
    if (!rest_.starts_with(wanted)) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  void demand(char wanted) {
    if (!accept(wanted)) {
      throw std::invalid_argument(std::string("expected ") + wanted +
                                  " before: " + std::string(rest_));
    }
  }

  std::string_view word() {
    skip_blanks();
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz_";
    const std::string_view found = rest_.substr(0, rest_.find_first_not_of(letters));
    rest_.remove_prefix(found.size());
    return found;
  }

  std::vector<Operation> operations() {
    std::vector<Operation> result;
    for (std::string_view name = word(); !name.empty(); name = word()) {
      const auto known = std::ranges::find(names, name);
      if (known == names.end()) {
        throw std::invalid_argument("no such operation: " + std::string(name));
      }
      Operation operation{.verb = static_cast<Verb>(known - names.begin())};
      if (accept('(')) {
        operation.numbers = numbers();
      }
      if (accept('{')) {
        operation.body = operations();
        demand('}');
      }
      result.push_back(std::move(operation));
    }
    return result;
  }

  std::vector<std::optional<std::size_t>> numbers() {
    std::vector<std::optional<std::size_t>> result;
    if (accept(')')) {
      return result;
    }
    do {
      result.push_back(number());
    } while (accept(','));
    demand(')');
    return result;
  }

  std::optional<std::size_t> number() {
    if (accept('-')) {
      return std::nullopt;
    }
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) {
      throw std::invalid_argument("expected a number before: " + std::string(rest_));
    }
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

  std::string_view rest_;
};

std::string join(const std::vector<Operation>& operations) {
  std::string text;
  for (const Operation& operation : operations) {
    text += (text.empty() ? "" : " ") + operation.text();
  }
  return text;
}

// Whether the numbers are there, and the kind of transport has the operation.
bool is_complete(const Operation& operation, TransportKind kind) {
  const auto given = [](const std::optional<std::size_t>& number) { return number.has_value(); };
  const bool pipe = kind == TransportKind::pipe;
  const std::size_t count = operation.numbers.size();
  const bool good = std::ranges::all_of(
      operation.body, [kind](const Operation& inner) { return is_complete(inner, kind); });
  switch (operation.verb) {
    case Verb::room:
    case Verb::fail:
    case Verb::receive:
    case Verb::write:
      return count == 1 && given(operation.numbers.front());
    case Verb::writelines:
      return std::ranges::all_of(operation.numbers, given);
    case Verb::limits:
      return count == 2;
    case Verb::hangup:
      return pipe && count == 0;
    case Verb::pause_reading:
    case Verb::resume_reading:
    case Verb::end:
    case Verb::reset:
      return !pipe && count == 0;
    default:
      return good && count == 0;
  }
}

}  // namespace

bool is_for_kernel(Verb verb) noexcept {
  return verb <= Verb::shutdown_fails;
}

bool has_body(Verb verb) noexcept {
  return verb >= Verb::soon && verb <= Verb::on_lost;
}

std::string Operation::head() const {
  std::string text(names.at(static_cast<std::size_t>(verb)));
  if (!numbers.empty() || verb == Verb::writelines) {
    text += '(';
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      text += i == 0 ? "" : ",";
      text += numbers[i] ? std::to_string(*numbers[i]) : "-";
    }
    text += ')';
  }
  return text;
}

std::string Operation::text() const {
  return has_body(verb) ? head() + '{' + join(body) + '}' : head();
}

std::string Scenario::text() const {
  std::string text = kind == TransportKind::socket ? "socket:" : "pipe:";
  for (std::size_t i = 0; i < steps.size(); ++i) {
    text += (i == 0 ? " " : "; ") + join(steps[i]);
  }
  return text;
}

bool Scenario::valid() const {
  const auto prepares = [](const Operation& operation) {
    return is_for_kernel(operation.verb) ||
           (operation.verb >= Verb::on_made && operation.verb <= Verb::on_lost);
  };
  const auto complete = [this](const Step& step) {
    return std::ranges::all_of(
        step, [this](const Operation& operation) { return is_complete(operation, kind); });
  };
  return !steps.empty() && std::ranges::all_of(steps.front(), prepares) &&
         std::ranges::all_of(steps, complete);
}

Scenario Scenario::parse(std::string_view text) {
  Scenario scenario = Parser(text).scenario();
  if (!scenario.valid()) {
    throw std::invalid_argument(
        "not possible: an argument is missing, the first step uses the transport, or a pipe reads");
  }
  return scenario;
}

}  // namespace sluice::oracle
