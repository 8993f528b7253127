// Attention in plain loops and double precision. Shares no code with the kernel.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

namespace pagejit::reference {

struct Attend {
  std::int64_t heads = 1, kv_heads = 1, dim_k = 1, dim_v = 1;
  std::vector<std::int64_t> lengths, queries;  // of each sequence: keys, and how many of them are queries
  double scale = 1, softcap = 0;
  bool causal = true;
  std::int64_t left = -1, right = -1;  // −1: no bound
  std::vector<double> sinks, slopes;   // one a query head; may be empty

  // Element d of a row: query `token` (counted over all sequences) and head; key n of sequence b and KV head.
  std::function<double(std::int64_t token, std::int64_t head, std::int64_t d)> q;
  std::function<double(std::int64_t b, std::int64_t n, std::int64_t head, std::int64_t d)> k, v;
};

struct Attended {
  std::vector<double> out;  // [tokens, heads, dim_v]
  std::vector<double> lse;  // [tokens, heads], without sinks; −∞ where no key is seen
};

Attended attend(const Attend& a);

}  // namespace pagejit::reference
