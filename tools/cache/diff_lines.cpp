#include "tools/cache/diff_lines.h"

#include <algorithm>

namespace pagejit::cache_tool {
namespace {
using Lines = std::vector<std::string_view>;
constexpr int most_changes = 2000;  // the notes of the search grow with the square: 16 MB here

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

/// E. Myers, "An O(ND) difference algorithm and its variations", 1986: after d changes the furthest line of `a` that is
/// reached on each diagonal k = x − y, kept for every d so that the way can be walked back.
class Search {
 public:
  Search(const Lines& a, const Lines& b)
      : a_(a), b_(b), n_(static_cast<int>(a.size())), m_(static_cast<int>(b.size())) {}

  /// The number of changes; −1 where they are too many.
  int run() {
    for (int d = 0; d <= std::min(n_ + m_, most_changes); ++d) {
      reached_.emplace_back(static_cast<std::size_t>(2 * d + 1));
      for (int k = -d; k <= d; k += 2) {
        int x = d == 0 ? 0 : start(d, k);
        for (; x < n_ && x - k < m_ && a_[at(x)] == b_[at(x - k)]; ++x) {
        }
        reached(d, k) = x;
        if (x >= n_ && x - k >= m_) return d;
      }
    }
    return -1;
  }

  std::vector<DiffLine> walk_back(int d) {
    std::vector<DiffLine> back;
    int x = n_, k = n_ - m_;
    for (; d >= 0; --d) {
      int begin = d == 0 ? 0 : start(d, k);
      for (; x > begin; --x) back.push_back({' ', a_[at(x - 1)]});
      if (d == 0) break;
      bool added = down(d, k);
      back.push_back(added ? DiffLine{'+', b_[at(x - k - 1)]} : DiffLine{'-', a_[at(x - 1)]});
      x -= !added;
      k += added ? 1 : -1;
    }
    std::reverse(back.begin(), back.end());
    return back;
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  int& reached(int d, int k) { return reached_[at(d)][at(k + d)]; }
  bool down(int d, int k) { return k == -d || (k != d && reached(d - 1, k - 1) < reached(d - 1, k + 1)); }
  /// Where diagonal k is entered with the d-th change: below a line that is added, or behind one that is removed.
  int start(int d, int k) { return down(d, k) ? reached(d - 1, k + 1) : reached(d - 1, k - 1) + 1; }

  const Lines &a_, &b_;
  int n_, m_;
  std::vector<std::vector<int>> reached_;
};

std::vector<DiffLine> all_changed(const Lines& a, const Lines& b) {
  std::vector<DiffLine> lines;
  for (std::string_view text : a) lines.push_back({'-', text});
  for (std::string_view text : b) lines.push_back({'+', text});
  return lines;
}
}  // namespace

std::vector<DiffLine> diff_lines(std::string_view a, std::string_view b) {
  Lines x = lines_of(a), y = lines_of(b);
  auto [i, j] = std::mismatch(x.begin(), x.end(), y.begin(), y.end());
  std::vector<DiffLine> lines;
  for (auto same = x.begin(); same != i; ++same) lines.push_back({' ', *same});
  Lines p(i, x.end()), q(j, y.end()), tail;
  for (; !p.empty() && !q.empty() && p.back() == q.back(); p.pop_back(), q.pop_back()) tail.push_back(p.back());
  Search search(p, q);
  int changes = search.run();
  std::vector<DiffLine> middle = changes < 0 ? all_changed(p, q) : search.walk_back(changes);
  lines.insert(lines.end(), middle.begin(), middle.end());
  for (auto same = tail.rbegin(); same != tail.rend(); ++same) lines.push_back({' ', *same});
  return lines;
}

std::string changes_text(const std::vector<DiffLine>& lines) {
  constexpr std::size_t around = 3;
  std::vector<bool> shown(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (lines[i].sign != ' ')
      for (std::size_t j = i - std::min(i, around); j < std::min(lines.size(), i + around + 1); ++j) shown[j] = true;
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!shown[i]) continue;
    if (i > 0 && !shown[i - 1]) text += "@@\n";
    text += lines[i].sign;
    text += std::string(lines[i].text) + "\n";
  }
  return text;
}

}  // namespace pagejit::cache_tool
