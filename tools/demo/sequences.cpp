#include "tools/demo/sequences.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace pagejit::demo {

Sequences::Sequences(TokenShape shape, int page, Limits limits, std::mt19937_64& random)
    : shape_(shape), page_(page), limits_(limits), random_(random) {
  // Each sequence can waste all but one row of its last page; two pages more, so that ids of free pages exist at all
  // times.
  pages_ = static_cast<std::size_t>(limits.tokens / page + limits.batch + 2);
  free_pages_.resize(pages_);
  std::iota(free_pages_.begin(), free_pages_.end(), 0);
}

int Sequences::below(int limit) {
  return limit <= 1 ? 0 : static_cast<int>(random_() % static_cast<std::uint64_t>(limit));
}

void Sequences::append_random(std::vector<std::byte>& to, std::size_t count) {
  std::size_t old = to.size(), width = static_cast<std::size_t>(bytes(shape_.elem));
  to.resize(old + count);
  for (std::size_t i = 0; i < count; i += sizeof(std::uint64_t)) {
    std::uint64_t word = random_();
    std::memcpy(to.data() + old + i, &word, std::min(count - i, sizeof word));
  }
  // The exponent's top bit cleared makes any pattern a finite number, so a NaN in the output is poison that got
  // through.
  for (std::size_t i = old + width - 1; i < to.size(); i += width) to[i] &= std::byte{0xBF};
}

bool Sequences::grow(Sequence& s, int tokens) {
  std::size_t needed = static_cast<std::size_t>((s.length + tokens + page_ - 1) / page_) - s.pages.size();
  if (s.length + tokens > limits_.length || needed > free_pages_.size()) return false;
  for (std::size_t i = 0; i < needed; ++i) {
    std::swap(free_pages_[static_cast<std::size_t>(below(static_cast<int>(free_pages_.size())))], free_pages_.back());
    s.pages.push_back(free_pages_.back());
    free_pages_.pop_back();
  }
  append_random(s.k, static_cast<std::size_t>(tokens) * shape_.k_bytes());
  append_random(s.v, static_cast<std::size_t>(tokens) * shape_.v_bytes());
  s.length += tokens;
  return true;
}

void Sequences::advance() {
  for (auto& s : live_) {
    bool leaves = below(24) == 0 || !grow(*s, 1);
    if (!leaves) continue;
    free_pages_.insert(free_pages_.end(), s->pages.begin(), s->pages.end());
    s.reset();
  }
  std::erase(live_, nullptr);
  int arrivals = live_.empty() ? limits_.batch : below(4);
  for (int i = 0; i < arrivals && static_cast<int>(live_.size()) < limits_.batch; ++i) {
    auto s = std::make_unique<Sequence>();
    int fair = 2 * limits_.tokens / limits_.batch;  // on average all of them fill the cache
    int prompt = below(16) == 0 ? 0 : 1 + below(std::min(fair, limits_.length));
    if (prompt == 0 || grow(*s, prompt)) live_.push_back(std::move(s));
  }
}

std::vector<const Sequence*> Sequences::pick_batch() {
  std::vector<const Sequence*> batch;
  for (auto& s : live_) batch.push_back(s.get());
  std::shuffle(batch.begin(), batch.end(), random_);
  int drop = below(4) == 0 ? below(static_cast<int>(batch.size()) + 1) : below(static_cast<int>(batch.size()) / 4 + 1);
  batch.resize(batch.size() - static_cast<std::size_t>(drop));
  return batch;
}

std::vector<Sequence*> Sequences::pending() {
  std::vector<Sequence*> result;
  for (auto& s : live_)
    if (s->new_from < s->length) result.push_back(s.get());
  return result;
}

}  // namespace pagejit::demo
