// How often what happened: one process's counters, or the sum of many.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/event.h"

namespace pagejit::cache {

/// Times by their order of magnitude: eight steps a doubling, so that a quantile is true to some percent and the sum of
/// two histograms is one.
class Histogram {
 public:
  void add(double ms);
  void add(const Histogram& other);
  std::uint64_t count() const;
  /// The time that a part `q` of all (0 … 1) did not exceed; 0 where there are none.
  double quantile(double q) const;
  std::string text() const;  // "step:count,…"
  static std::optional<Histogram> parse(std::string_view text);

 private:
  std::map<int, std::uint64_t> steps_;
};

struct Counters {
  /// "hits.LAYER" ("hits.memory": launches and loads of kernels that were loaded already), "misses.CAUSE", "compiles",
  /// "assemblies", "waits", "stores", "align_fallbacks", "quarantined", "evicted", "remote_errors", "audits",
  /// "audit_failures". What never happened is absent.
  std::map<std::string, std::uint64_t, std::less<>> totals;
  Histogram compile_ms;
  std::int64_t from = 0, to = 0;  // seconds since 1970

  void note(const Event& event);
  void count(std::string_view name, std::uint64_t times);
  void add(const Counters& other);
  bool empty() const { return totals.empty(); }
  std::uint64_t operator[](std::string_view name) const;
  /// One line with a hash at its end, and back; nothing where a byte of it differs.
  std::string line() const;
  static std::optional<Counters> parse(std::string_view line);
};

/// Counts events and passes them on. Thread-safe.
class Journal {
 public:
  explicit Journal(EventHook hook = {});
  void note(const Event& event);
  /// Counts what is no event: nobody is told of it.
  void count(std::string_view name, std::uint64_t times);
  Counters counters() const;
  /// Gives what was counted since the last call, and begins anew.
  Counters take();

 private:
  EventHook hook_;
  mutable std::mutex lock_;
  Counters counters_;
};

}  // namespace pagejit::cache
