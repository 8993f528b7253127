// The one exception of the project: a code, what happened, and the fields that a reader needs to act on it.
#pragma once
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pagejit {

/// The number behind "PJ": docs/cache.md lists what each must also say. 0 is an internal error (a bug of ours).
enum class Code : int {
  internal = 0,
  argument = 1,     // an argument is invalid
  unsupported = 2,  // the Spec cannot be met on this target
  miss = 3,         // not in the cache, and compiling is not allowed here
  compile = 4,      // compiling or assembling failed
  capture = 5,      // a miss while the stream is capturing
  sealed = 6,       // a compile after seal()
  too_new = 7,      // image or PTX newer than the driver
  damaged = 8,      // a cache entry is damaged
  unsafe_cache = 9, // the cache folder is unsafe or unusable
  signature = 10,   // a signature is absent or wrong
  deadline = 11,    // a deadline passed
  absent = 12,      // a program, library or driver is absent
  driver = 13,      // a driver call failed
};

class Error : public std::exception {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  Error(Code code, std::string message, Fields fields = {});

  Code code() const { return code_; }
  const std::string& message() const { return message_; }  // the first line, without the code
  const Fields& fields() const { return fields_; }
  /// A copy with one more field, for a caller that knows more than the thrower.
  Error with(std::string name, std::string value) const;
  /// The whole text: "pagejit: error PJ0001: …" and one indented line a field, names padded to one width.
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  Code code_;
  std::string message_;
  Fields fields_;
  std::string text_;
};

[[noreturn]] void fail(Code code, std::string message, Error::Fields fields = {});

}  // namespace pagejit
