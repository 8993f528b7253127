// A manifest's text as words that know where they stand.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/error.h"

namespace pagejit::manifest {

struct Word {
  std::string_view text;
  std::size_t line = 1, column = 1;  // both from 1; columns are bytes
};

/// The words of each line that has any; comments are gone.
std::vector<std::vector<Word>> words_of(std::string_view text);

/// "page=16,64": a field and what it may be, unescaped and each once.
struct Choice {
  std::string field;
  std::vector<std::string> values;
  std::vector<Word> places;  // of each value
  Word place;
};

/// The file as errors call it.
class Source {
 public:
  explicit Source(std::string name) : name_(std::move(name)) {}
  /// Throws Error(argument).
  [[noreturn]] void bad(const Word& at, const std::string& what, Error::Fields fields = {}) const;
  /// The same for an error that did not know where.
  [[noreturn]] void bad(const Word& at, const Error& error) const;

  Choice choice(const Word& word) const;
  /// All words of a line from the second on; no field twice.
  std::vector<Choice> choices(const std::vector<Word>& line, std::size_t first) const;
  std::vector<Word> parts(const Word& list) const;  // of a comma list; none is empty

 private:
  std::string name_;
};

/// A word as an error shows it: printable, and not too long.
std::string shown(std::string_view text);

}  // namespace pagejit::manifest
