#include "runtime/base/error.h"

#include <fmt/format.h>

#include <algorithm>

namespace pagejit {
namespace {
/// The first line could stand alone; each field is a thing to look at or to type. Text of several lines keeps its
/// indent.
std::string whole_text(Code code, const std::string& message, const Error::Fields& fields) {
  std::string text = fmt::format("pagejit: error PJ{:04}: {}", static_cast<int>(code), message);
  std::size_t width = 0;
  for (const auto& [name, value] : fields) width = std::max(width, name.size());
  for (const auto& [name, value] : fields) {
    text += fmt::format("\n  {:<{}}  ", name, width);
    for (char c : value) {
      text += c;
      if (c == '\n') text.append(width + 4, ' ');
    }
  }
  return text;
}
}  // namespace

Error::Error(Code code, std::string message, Fields fields)
    : code_(code), message_(std::move(message)), fields_(std::move(fields)) {
  text_ = whole_text(code_, message_, fields_);
}

Error Error::with(std::string name, std::string value) const {
  Fields fields = fields_;
  fields.emplace_back(std::move(name), std::move(value));
  return Error(code_, message_, std::move(fields));
}

void fail(Code code, std::string message, Error::Fields fields) {
  throw Error(code, std::move(message), std::move(fields));
}

}  // namespace pagejit
