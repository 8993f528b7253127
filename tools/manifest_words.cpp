#include "tools/manifest_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/text.h"

namespace pagejit::manifest {
namespace {

bool blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

std::vector<Word> words_of_line(std::string_view line, std::size_t number) {
  std::vector<Word> words;
  for (std::size_t i = 0; i < line.size();) {
    if (blank(line[i])) {
      ++i;
      continue;
    }
    if (line[i] == '#') break;
    std::size_t end = i;
    while (end < line.size() && !blank(line[end])) ++end;
    words.push_back({line.substr(i, end - i), number, i + 1});
    i = end;
  }
  return words;
}

}  // namespace

std::vector<std::vector<Word>> words_of(std::string_view text) {
  std::vector<std::vector<Word>> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::size_t end = std::min(text.find('\n'), text.size());
    std::vector<Word> words = words_of_line(text.substr(0, end), number);
    if (!words.empty()) lines.push_back(std::move(words));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string shown(std::string_view text) {
  constexpr std::size_t most = 60;
  std::string out;
  for (char c : text.substr(0, most)) out += c > ' ' && c < 0x7f ? std::string(1, c) : percent_escape({&c, 1});
  return text.size() > most ? out + "…" : out;
}

void Source::bad(const Word& at, const std::string& what, Error::Fields fields) const {
  fail(Code::argument, fmt::format("{}:{}:{}: {}", name_, at.line, at.column, what), std::move(fields));
}

void Source::bad(const Word& at, const Error& error) const {
  bad(at, error.message(), error.fields());
}

std::vector<Word> Source::parts(const Word& list) const {
  std::vector<Word> parts;
  for (std::size_t from = 0;;) {
    std::size_t end = std::min(list.text.find(',', from), list.text.size());
    Word part{list.text.substr(from, end - from), list.line, list.column + from};
    if (part.text.empty())
      bad(part, "a value is empty, so nothing is asked for", {{"expected", "one value, or several with commas"}});
    parts.push_back(part);
    if (end == list.text.size()) return parts;
    from = end + 1;
  }
}

Choice Source::choice(const Word& word) const {
  constexpr std::size_t longest = 4096;  // as a line that PAGEJIT_RECORD writes
  if (word.text.size() > longest) bad(word, fmt::format("a word of {} bytes", word.text.size()));
  std::size_t equals = word.text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    bad(word, fmt::format("'{}' is not of the form field=value", shown(word.text)));
  Choice choice{std::string(word.text.substr(0, equals)), {}, {}, word};
  for (const Word& part : parts({word.text.substr(equals + 1), word.line, word.column + equals + 1})) {
    std::string value;
    try {
      value = percent_unescape(part.text);
    } catch (const Error& e) {
      bad(part, e);
    }
    if (std::find(choice.values.begin(), choice.values.end(), value) != choice.values.end()) continue;
    choice.values.push_back(std::move(value));
    choice.places.push_back(part);
  }
  return choice;
}

std::vector<Choice> Source::choices(const std::vector<Word>& line, std::size_t first) const {
  constexpr std::size_t most = 256;
  if (line.size() > most) bad(line[most], fmt::format("a line of more than {} words", most));
  std::vector<Choice> all;
  for (std::size_t i = first; i < line.size(); ++i) {
    Choice next = choice(line[i]);
    for (const Choice& before : all)
      if (before.field == next.field)
        bad(next.place, fmt::format("the field {} is given twice in one line", shown(next.field)),
            {{"first", fmt::format("column {}", before.place.column)}});
    all.push_back(std::move(next));
  }
  return all;
}

}  // namespace pagejit::manifest
