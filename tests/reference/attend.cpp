#include "tests/reference/attend.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pagejit::reference {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Row {
  std::int64_t b, token, position, head;
};

bool seen(const Attend& a, const Row& r, std::int64_t n) {
  if (n < 0 || n >= a.lengths[static_cast<std::size_t>(r.b)]) return false;
  if (a.causal && n > r.position) return false;
  if (a.left >= 0 && n < r.position - a.left) return false;
  return a.right < 0 || n <= r.position + a.right;
}

double score(const Attend& a, const Row& r, std::int64_t n) {
  double sum = 0;
  for (std::int64_t d = 0; d < a.dim_k; ++d)
    sum += a.q(r.token, r.head, d) * a.k(r.b, n, r.head / (a.heads / a.kv_heads), d);
  sum *= a.scale;
  if (a.softcap > 0) sum = a.softcap * std::tanh(sum / a.softcap);
  if (!a.slopes.empty()) sum += a.slopes[static_cast<std::size_t>(r.head)] * static_cast<double>(n - r.position);
  return sum;
}

void attend_row(const Attend& a, const Row& r, Attended& result) {
  std::vector<std::pair<std::int64_t, double>> scores;
  double most = -infinity;
  for (std::int64_t n = 0; n < a.lengths[static_cast<std::size_t>(r.b)]; ++n) {
    if (!seen(a, r, n)) continue;
    scores.emplace_back(n, score(a, r, n));
    most = std::max(most, scores.back().second);
  }
  double sum = 0;
  for (const auto& [n, s] : scores) sum += std::exp(s - most);
  double total = sum;
  if (!a.sinks.empty()) total += std::exp(a.sinks[static_cast<std::size_t>(r.head)] - most);
  for (std::int64_t d = 0; d < a.dim_v; ++d) {
    double value = 0;
    for (const auto& [n, s] : scores)
      value += std::exp(s - most) / total * a.v(r.b, n, r.head / (a.heads / a.kv_heads), d);
    result.out.push_back(value);
  }
  result.lse.push_back(scores.empty() ? -infinity : most + std::log(sum));
}

}  // namespace

Attended attend(const Attend& a) {
  Attended result;
  std::int64_t token = 0;
  for (std::size_t b = 0; b < a.lengths.size(); ++b)
    for (std::int64_t j = 0; j < a.queries[b]; ++j, ++token)
      for (std::int64_t h = 0; h < a.heads; ++h)
        attend_row(a, {static_cast<std::int64_t>(b), token, a.lengths[b] - a.queries[b] + j, h}, result);
  return result;
}

}  // namespace pagejit::reference
