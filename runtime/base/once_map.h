// One value a key, made once however many threads ask, and read without a lock from then on.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace pagejit {

/// Entries are never removed: a pointer that was given out stays good as long as the map. The caller gives the hash of
/// the text; the text itself decides, so two texts of one hash are two keys.
template <class Value>
class OnceMap {
 public:
  OnceMap() = default;
  OnceMap(const OnceMap&) = delete;
  ~OnceMap() {
    for (auto& head : heads_)
      for (Entry* entry = head.load(); entry != nullptr;) delete std::exchange(entry, entry->next);
  }

  /// The value if it is there already. Takes no lock.
  Value* find(std::uint64_t hash, std::string_view text) const {
    Entry* entry = look(hash, text);
    return entry && entry->ready.load(std::memory_order_acquire) ? &*entry->value : nullptr;
  }

  /// The value, made by make() if nobody has yet; threads that ask meanwhile wait. Where make() throws, so does this
  /// call, and whoever asks next tries again.
  template <class Make>
  Value& get(std::uint64_t hash, std::string_view text, Make&& make) {
    Entry& entry = reserve(hash, text);
    if (entry.ready.load(std::memory_order_acquire)) return *entry.value;
    std::lock_guard latch(entry.latch);
    if (!entry.value) {
      entry.value.emplace(make());
      entry.ready.store(true, std::memory_order_release);
    }
    return *entry.value;
  }

 private:
  struct Entry {
    std::uint64_t hash;
    std::string text;
    Entry* next = nullptr;
    std::mutex latch;
    std::atomic<bool> ready = false;
    std::optional<Value> value;
  };

  static std::size_t bucket(std::uint64_t hash) { return hash % buckets; }

  Entry* look(std::uint64_t hash, std::string_view text) const {
    Entry* entry = heads_[bucket(hash)].load(std::memory_order_acquire);
    while (entry != nullptr && (entry->hash != hash || entry->text != text)) entry = entry->next;
    return entry;
  }

  Entry& reserve(std::uint64_t hash, std::string_view text) {
    if (Entry* known = look(hash, text)) return *known;
    std::lock_guard hold(writers_);
    if (Entry* known = look(hash, text)) return *known;
    auto& head = heads_[bucket(hash)];
    auto* entry = new Entry{hash, std::string(text), head.load(), {}, false, {}};
    head.store(entry, std::memory_order_release);
    return *entry;
  }

  // A few thousand kernels are many: chains stay short, and nothing ever moves under a reader.
  static constexpr std::size_t buckets = 4096;
  std::array<std::atomic<Entry*>, buckets> heads_{};
  std::mutex writers_;
};

}  // namespace pagejit
