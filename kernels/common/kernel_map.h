// From a Spec to the kernel that was loaded for it: the hot path's look-up, without lock, heap or text.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/base/fields.h"

namespace pagejit {

class LoadedKernel;

/// A number made of all fields of a Spec; equal Specs give equal numbers. Each field is multiplied by a number of its
/// own, none waiting for another: this is on the way of every launch.
template <class Spec>
constexpr std::uint64_t mixed(const Spec& s) {
  std::uint64_t sum = 0, odd = 0x9e3779b97f4a7c15u;
  for_each_field(s, [&](std::string_view, const auto& value, const auto&) {
    sum += static_cast<std::uint64_t>(value) * odd;
    odd = odd * 0xd1342543de82ef95u + 2;  // known while compiling
  });
  return sum ^ sum >> 29;
}

/// What a launch needs of the kernel that was found.
template <class Spec>
struct Found {
  const LoadedKernel* kernel;
  const Spec* weaker = nullptr;  // the Spec that `kernel` was made for, where that is not the wanted one; never moves
};

/// Readers take no lock: they follow one pointer to a table whose slots only ever go from null to an entry. Writers are
/// serialised, and a table that fills up is replaced by a larger one; the old ones stay, for readers still in them.
template <class Spec>
class KernelMap {
 public:
  KernelMap() { grow(16); }
  KernelMap(const KernelMap&) = delete;

  /// Null: it is not there yet. What is pointed to stays.
  const Found<Spec>* find(const Spec& s) const {
    const Entry* entry = look(s);
    return entry ? &entry->found : nullptr;
  }

  /// Gives what is there afterwards: the kernel, or what was there before.
  const Found<Spec>& insert(const Spec& s, const LoadedKernel& kernel) {
    std::lock_guard lock(writers_);
    return add(s, {&kernel}).found;
  }
  /// The same for a Spec that the kernel of a `weaker` one serves.
  const Found<Spec>& insert(const Spec& s, const LoadedKernel& kernel, const Spec& weaker) {
    std::lock_guard lock(writers_);
    return add(s, {&kernel, &add(weaker, {&kernel}).spec}).found;
  }

 private:
  struct Entry {
    Spec spec;
    Found<Spec> found;
  };
  struct Table {
    explicit Table(std::uint64_t size) : mask(size - 1), slots(new std::atomic<const Entry*>[size]()) {}
    std::uint64_t mask;
    std::unique_ptr<std::atomic<const Entry*>[]> slots;
  };

  const Entry* look(const Spec& s) const {
    const Table& table = *table_.load(std::memory_order_acquire);
    for (std::uint64_t i = mixed(s);; ++i) {
      const Entry* entry = table.slots[i & table.mask].load(std::memory_order_acquire);
      if (entry == nullptr || entry->spec == s) return entry;
    }
  }
  const Entry& add(const Spec& s, Found<Spec> found) {
    if (const Entry* known = look(s)) return *known;
    entries_.push_back(std::make_unique<Entry>(Entry{s, found}));
    Table& table = *tables_.back();
    if (2 * entries_.size() > table.mask)
      grow(2 * (table.mask + 1));  // takes the new entry with it
    else
      put(table, *entries_.back());
    return *entries_.back();
  }
  static void put(Table& table, const Entry& entry) {
    std::uint64_t i = mixed(entry.spec);
    while (table.slots[i & table.mask].load(std::memory_order_relaxed) != nullptr) ++i;
    table.slots[i & table.mask].store(&entry, std::memory_order_release);
  }
  void grow(std::uint64_t size) {
    auto table = std::make_unique<Table>(size);
    for (const auto& entry : entries_) put(*table, *entry);
    table_.store(table.get(), std::memory_order_release);
    tables_.push_back(std::move(table));
  }

  std::atomic<const Table*> table_;
  std::mutex writers_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<std::unique_ptr<Table>> tables_;
};

}  // namespace pagejit
