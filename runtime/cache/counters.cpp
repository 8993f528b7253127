#include "runtime/cache/counters.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <utility>

#include "runtime/base/request.h"
#include "runtime/base/text.h"

namespace pagejit::cache {
namespace {
constexpr double steps_a_doubling = 8;

template <class Number>
bool read_number(std::string_view text, Number& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

std::string counter_of(const Event& event) {
  using Kind = Event::Kind;
  switch (event.kind) {
    case Kind::hit:
      return fmt::format("hits.{}", event.layer);
    case Kind::miss:
      return fmt::format("misses.{}", event.cause);
    case Kind::wait:
      return "waits";
    case Kind::compile:
      return "compiles";
    case Kind::assemble:
      return "assemblies";
    case Kind::store:
      return "stores";
    case Kind::fallback:
      return "align_fallbacks";
    case Kind::quarantine:
      return "quarantined";
    case Kind::evict:
      return "evicted";
    case Kind::remote_error:
      return "remote_errors";
    case Kind::audit:
      return event.cause.empty() ? "audits" : "audit_failures";
  }
  return "others";
}

std::string hash_of_line(std::string_view line) {
  return hex64(hash64(line));
}
}  // namespace

void Histogram::add(double ms) {
  ++steps_[static_cast<int>(std::lround(steps_a_doubling * std::log2(std::max(ms, 1e-3))))];
}

void Histogram::add(const Histogram& other) {
  for (auto [step, count] : other.steps_) steps_[step] += count;
}

std::uint64_t Histogram::count() const {
  std::uint64_t all = 0;
  for (auto [step, count] : steps_) all += count;
  return all;
}

double Histogram::quantile(double q) const {
  double wanted = q * static_cast<double>(count());
  std::uint64_t passed = 0;
  for (auto [step, count] : steps_)
    if (passed += count; static_cast<double>(passed) >= wanted) return std::exp2(step / steps_a_doubling);
  return 0;
}

std::string Histogram::text() const {
  std::string text;
  for (auto [step, count] : steps_) text += fmt::format("{}{}:{}", text.empty() ? "" : ",", step, count);
  return text;
}

std::optional<Histogram> Histogram::parse(std::string_view text) {
  Histogram histogram;
  for (std::string_view word : split(text, ',')) {
    std::size_t colon = word.find(':');
    int step = 0;
    std::uint64_t count = 0;
    if (colon == std::string_view::npos || !read_number(word.substr(0, colon), step) ||
        !read_number(word.substr(colon + 1), count))
      return std::nullopt;
    histogram.steps_[step] += count;
  }
  return histogram;
}

void Counters::note(const Event& event) {
  count(counter_of(event), event.count);
  if (event.kind == Event::Kind::compile) compile_ms.add(event.ms);
}

void Counters::count(std::string_view name, std::uint64_t times) {
  totals[std::string(name)] += times;
  to = std::time(nullptr);
  if (from == 0) from = to;
}

void Counters::add(const Counters& other) {
  if (other.empty()) return;
  for (const auto& [name, count] : other.totals) totals[name] += count;
  compile_ms.add(other.compile_ms);
  from = from == 0 ? other.from : std::min(from, other.from);
  to = std::max(to, other.to);
}

std::uint64_t Counters::operator[](std::string_view name) const {
  auto found = totals.find(name);
  return found == totals.end() ? 0 : found->second;
}

std::string Counters::line() const {
  std::string text = fmt::format("1 from={} to={}", from, to);
  for (const auto& [name, count] : totals) text += fmt::format(" {}={}", percent_escape(name), count);
  if (compile_ms.count() > 0) text += fmt::format(" compile_ms={}", compile_ms.text());
  return fmt::format("{} #{}", text, hash_of_line(text));
}

std::optional<Counters> Counters::parse(std::string_view line) {
  std::size_t mark = line.rfind(" #");
  if (mark == std::string_view::npos || line.substr(mark + 2) != hash_of_line(line.substr(0, mark)))
    return std::nullopt;
  std::vector<std::string_view> words = split(line.substr(0, mark), ' ');
  if (words.empty() || words[0] != "1") return std::nullopt;  // a later version's line
  Counters counters;
  for (std::string_view word : std::vector(words.begin() + 1, words.end())) {
    auto [name, value] = split_name_value(word);
    bool good = true;
    if (name == "from") {
      good = read_number(value, counters.from);
    } else if (name == "to") {
      good = read_number(value, counters.to);
    } else if (name == "compile_ms") {
      std::optional<Histogram> times = Histogram::parse(value);
      good = times.has_value();
      if (good) counters.compile_ms = *times;
    } else {
      good = read_number(value, counters.totals[percent_unescape(name)]);
    }
    if (!good) return std::nullopt;
  }
  return counters;
}

Journal::Journal(EventHook hook) : hook_(std::move(hook)) {}

void Journal::note(const Event& event) {
  {
    std::lock_guard hold(lock_);
    counters_.note(event);
  }
  tell(hook_, event);
}

void Journal::count(std::string_view name, std::uint64_t times) {
  std::lock_guard hold(lock_);
  counters_.count(name, times);
}

Counters Journal::counters() const {
  std::lock_guard hold(lock_);
  return counters_;
}

Counters Journal::take() {
  std::lock_guard hold(lock_);
  return std::exchange(counters_, {});
}

}  // namespace pagejit::cache
