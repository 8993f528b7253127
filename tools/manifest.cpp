#include "tools/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "kernels/registry.h"
#include "runtime/base/fields.h"
#include "runtime/base/text.h"
#include "tools/manifest_words.h"

namespace pagejit {
namespace {
using manifest::Choice;
using manifest::shown;
using manifest::Source;
using manifest::Word;
using Values = std::map<std::string, std::string>;

/// A line that starts with a family, or what follows `exclude`.
struct FamilyLine {
  const Family* family;
  Word place;
  std::vector<Choice> choices;
};

bool names_a_target(std::string_view word) {
  if (!word.starts_with("sm_")) return false;
  std::string_view number = word.substr(3, word.find_first_not_of("0123456789", 3) - 3),
                   suffix = word.substr(3 + number.size());
  return !number.empty() && number.size() < 5 && (suffix.empty() || suffix == "a" || suffix == "f");
}

class Parser {
 public:
  Parser(const std::string& name, const ManifestRules& rules) : source_(name), rules_(rules) {}

  Manifest parse(std::string_view text) {
    std::vector<std::vector<Word>> lines = manifest::words_of(text);
    check_heading(lines);
    for (const std::vector<Word>& line : lines) take(line);
    for (FamilyLine& line : wanted_) add_defaults(line);
    for (const FamilyLine& line : wanted_) check_size(line);
    for (const FamilyLine& line : wanted_) expand(line);
    return {{targets_.begin(), targets_.end()}, {lines_.begin(), lines_.end()}};
  }

 private:
  void check_heading(const std::vector<std::vector<Word>>& lines) const {
    Word start = lines.empty() ? Word{} : lines[0][0];
    if (start.text != "pagejit-manifest")
      source_.bad(start, "this is no manifest", {{"expected", "a first line 'pagejit-manifest 1'"}});
  }

  void take(const std::vector<Word>& line) {
    std::string_view first = line[0].text;
    if (first == "pagejit-manifest") return take_heading(line);
    if (first == "target") return take_targets(line);
    if (first == "default") return take_defaults(line);
    if (first != "exclude") return wanted_.push_back(family_line(line, 0));
    if (line.size() < 3)
      source_.bad(line[0], "an exclusion without a field", {{"expected", "exclude family field=value …"}});
    excluded_.push_back(family_line(line, 1));
  }

  /// Also further down: two manifests one after the other are one.
  void take_heading(const std::vector<Word>& line) const {
    if (line.size() != 2 || line[1].text != "1")
      source_.bad(line.back(), fmt::format("'{}' is not a version of manifests", shown(line.back().text)),
                  {{"expected", "pagejit-manifest 1"}});
  }

  void take_targets(const std::vector<Word>& line) {
    if (line.size() < 2) source_.bad(line[0], "no target is named", {{"expected", "target sm_80,sm_90a"}});
    for (std::size_t i = 1; i < line.size(); ++i)
      for (const Word& part : source_.parts(line[i])) {
        check_target(part);
        targets_.emplace(part.text);
      }
  }

  void check_target(const Word& word) const {
    const std::vector<std::string>& known = rules_.targets;
    if (known.empty() ? names_a_target(word.text) : std::find(known.begin(), known.end(), word.text) != known.end())
      return;
    source_.bad(word, fmt::format("'{}' is not a target", shown(word.text)),
                {{"expected", known.empty() ? "such as sm_90a" : fmt::format("{}", fmt::join(known, ", "))}});
  }

  void take_defaults(const std::vector<Word>& line) {
    if (line.size() < 2) source_.bad(line[0], "no field is named", {{"expected", "default field=value …"}});
    for (Choice& choice : source_.choices(line, 1)) {
      check_default(choice);
      auto same = [&](const Choice& c) { return c.field == choice.field; };
      auto before = std::find_if(defaults_.begin(), defaults_.end(), same);
      if (before == defaults_.end())
        defaults_.push_back(std::move(choice));
      else if (before->values != choice.values)
        source_.bad(choice.place, fmt::format("the field {} has another default already", shown(choice.field)),
                    {{"first", fmt::format("line {}, column {}", before->place.line, before->place.column)}});
    }
  }

  FamilyLine family_line(const std::vector<Word>& line, std::size_t at) const {
    FamilyLine made{nullptr, line[at], source_.choices(line, at + 1)};
    for (const Family& family : families())
      if (family.name == line[at].text) made.family = &family;
    if (!made.family) bad_family(line[at]);
    for (const Choice& choice : made.choices) check_values(*made.family, choice);
    return made;
  }

  [[noreturn]] void bad_family(const Word& word) const {
    std::vector<std::string_view> known{"target", "default", "exclude"};
    for (const Family& family : families()) known.push_back(family.name);
    Error::Fields fields;
    if (std::string meant = nearest(word.text.substr(0, 64), known); !meant.empty())
      fields.emplace_back("nearest", meant);
    fields.emplace_back("known", join(known, ", "));
    source_.bad(word, fmt::format("'{}' is no kernel family", shown(word.text)), std::move(fields));
  }

  void check_values(const Family& family, const Choice& choice) const {
    bool known = has_field(family, choice.field);
    for (std::size_t i = 0; i < choice.values.size(); ++i) try {
        family.check_value(choice.field, choice.values[i]);
      } catch (const Error& e) {
        source_.bad(known ? choice.places[i] : choice.place, e);
      }
  }

  static bool has_field(const Family& family, const std::string& name) {
    std::vector<FieldHelp> fields = family.fields();
    return std::any_of(fields.begin(), fields.end(), [&](const FieldHelp& f) { return f.name == name; });
  }

  void check_default(const Choice& choice) const {
    for (const Family& family : families())
      if (has_field(family, choice.field)) return;
    std::vector<FieldHelp> all;
    for (const Family& family : families())
      for (FieldHelp& field : family.fields()) all.push_back(std::move(field));
    std::vector<std::string_view> names;
    for (const FieldHelp& field : all) names.push_back(field.name);
    Error::Fields fields;
    if (std::string meant = nearest(choice.field.substr(0, 64), names); !meant.empty())
      fields.emplace_back("nearest", meant);
    source_.bad(choice.place, fmt::format("no family has a field '{}'", shown(choice.field)), std::move(fields));
  }

  void add_defaults(FamilyLine& line) const {
    for (const Choice& choice : defaults_) {
      auto same = [&](const Choice& c) { return c.field == choice.field; };
      if (!has_field(*line.family, choice.field) || std::any_of(line.choices.begin(), line.choices.end(), same))
        continue;
      check_values(*line.family, choice);
      line.choices.push_back(choice);
    }
  }

  void check_size(const FamilyLine& line) {
    std::size_t product = 1;
    for (const Choice& choice : line.choices)
      if ((product *= choice.values.size()) > rules_.most_lines) too_many(line);
    if ((size_ += product) > rules_.most_lines) too_many(line);
    constexpr std::size_t most_comparisons = 50'000'000;
    if (excluded_.size() > most_comparisons / size_)
      source_.bad(excluded_[0].place, fmt::format("{} exclusions are too many", excluded_.size()));
  }

  [[noreturn]] void too_many(const FamilyLine& line) const {
    source_.bad(line.place, fmt::format("the manifest multiplies out to more than {} spec lines", rules_.most_lines),
                {{"to do", "pagejit-precompile --yes, where so many are meant"}});
  }

  void expand(const FamilyLine& line) {
    std::vector<std::size_t> at(line.choices.size(), 0);
    bool any = false;
    for (bool more = true; more; more = advance(line, at)) any = add(line, at) || any;
    if (!any) source_.bad(line.place, "every variant of this line is excluded, so it asks for nothing");
  }

  /// The next combination; false after the last.
  static bool advance(const FamilyLine& line, std::vector<std::size_t>& at) {
    for (std::size_t i = at.size(); i-- > 0;) {
      if (++at[i] < line.choices[i].values.size()) return true;
      at[i] = 0;
    }
    return false;
  }

  bool add(const FamilyLine& line, const std::vector<std::size_t>& at) {
    SpecWords words{std::string(line.family->name), {}};
    for (std::size_t i = 0; i < at.size(); ++i)
      words.values.emplace_back(line.choices[i].field, line.choices[i].values[at[i]]);
    std::string wanted = print_words(words);
    try {
      std::string canonical = line.family->canonical(wanted);
      if (is_excluded(*line.family, parse_words(canonical))) return false;
      lines_.insert(std::move(canonical));
      return true;
    } catch (const Error& e) {
      if (is_excluded(*line.family, with_fallbacks(*line.family, words))) return false;
      Error::Fields fields = e.fields();
      fields.emplace_back("variant", wanted);
      fields.emplace_back("to do", "leave it out with an 'exclude' line, or split the line");
      source_.bad(line.place, e.message(), std::move(fields));
    }
  }

  static SpecWords with_fallbacks(const Family& family, SpecWords words) {
    Values named(words.values.begin(), words.values.end());
    for (FieldHelp& field : family.fields())
      if (!named.contains(field.name)) words.values.emplace_back(std::move(field.name), std::move(field.fallback));
    return words;
  }

  bool is_excluded(const Family& family, const SpecWords& words) const {
    Values values(words.values.begin(), words.values.end());
    return std::any_of(excluded_.begin(), excluded_.end(), [&](const FamilyLine& rule) {
      return rule.family == &family && std::all_of(rule.choices.begin(), rule.choices.end(), [&](const Choice& c) {
               auto value = values.find(c.field);
               return value != values.end() &&
                      std::find(c.values.begin(), c.values.end(), value->second) != c.values.end();
             });
    });
  }

  Source source_;
  const ManifestRules& rules_;
  std::set<std::string> targets_, lines_;
  std::vector<Choice> defaults_;
  std::vector<FamilyLine> wanted_, excluded_;
  std::size_t size_ = 0;
};

}  // namespace

Manifest parse_manifest(std::string_view text, const std::string& name, const ManifestRules& rules) {
  return Parser(name, rules).parse(text);
}

Manifest load_manifest(const std::string& path, const ManifestRules& rules) {
  std::ifstream in(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in.is_open() || in.bad()) fail(Code::argument, fmt::format("the manifest {} cannot be read", path));
  return parse_manifest(text, path, rules);
}

}  // namespace pagejit
