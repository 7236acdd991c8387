#include "sluice/exception_context.hpp"

namespace sluice {

std::string ExceptionContext::what() const {
  if (!exception) {
    return {};
  }
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception that is not a std::exception";
  }
}

}  // namespace sluice
