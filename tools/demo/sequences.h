// What a server knows of its requests: sequences that arrive, grow by a token a step, and leave; and the pages they
// hold.
//
// This side never computes an address: it is what the kernel's output is compared with.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "runtime/base/elem.h"

namespace pagejit::demo {

struct TokenShape {
  int heads = 1, dim_k = 1, dim_v = 1;
  bool joint = false;  // V is a prefix of K and has no bytes of its own
  Elem elem = Elem::bf16;

  std::size_t k_bytes() const { return static_cast<std::size_t>(heads) * dim_k * bytes(elem); }
  std::size_t v_bytes() const { return joint ? 0 : static_cast<std::size_t>(heads) * dim_v * bytes(elem); }
};

struct Sequence {
  int length = 0;            // tokens
  std::vector<int> pages;    // page ids; the last one may have free rows
  std::vector<std::byte> k;  // [length, heads, dim_k]
  std::vector<std::byte> v;  // [length, heads, dim_v]
  int new_from = 0;          // tokens from here on are not in the cache yet
};

struct Limits {
  int batch = 1;   // sequences at once
  int tokens = 1;  // of all sequences together
  int length = 1;  // of one
};

class Sequences {
 public:
  Sequences(TokenShape shape, int page, Limits limits, std::mt19937_64& random);

  /// One step of a server: some leave, the others grow, some arrive.
  void advance();
  /// Some of them, in any order: what one launch works on. Now and then none at all.
  std::vector<const Sequence*> pick_batch();
  /// Every sequence that has tokens which are not in the cache yet.
  std::vector<Sequence*> pending();
  int pages() const { return static_cast<int>(pages_); }
  const TokenShape& shape() const { return shape_; }
  int page() const { return page_; }

 private:
  bool grow(Sequence& s, int tokens);
  int below(int limit);  // 0 … limit − 1
  void append_random(std::vector<std::byte>& to, std::size_t count);

  TokenShape shape_;
  int page_;
  Limits limits_;
  std::mt19937_64& random_;
  std::size_t pages_ = 0;
  std::vector<int> free_pages_;
  std::vector<std::unique_ptr<Sequence>> live_;
};

}  // namespace pagejit::demo
