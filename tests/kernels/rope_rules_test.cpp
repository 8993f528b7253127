// The rules of rope, one by one: padding, heads, dims, tables, lists, strides.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "tests/kernels/emulated.h"
#include "tests/kernels/rope_case.h"
#include "tests/reference/numbers.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

using Call = RopeCase::Call;

std::string emulate(const RopeCase& c) {
  return run_rope(emulated().context(), c, emulated().poison());
}

struct Heads {
  int query, kv, rope, nope;
};

RopeCase with_heads(const Heads& h, std::uint64_t seed) {
  RopeCase c;
  c.query_heads = h.query, c.kv_heads = h.kv, c.rope_dim = h.rope, c.nope_dim = h.nope, c.dim_v = h.rope + h.nope;
  c.tokens = 5, c.seed = seed;
  if (h.kv == 1) c.call = Call::append_mla, c.dim_v = 0;
  return c;
}

/// Address space without memory behind it: what is touched costs, the rest does not.
class Sparse {
 public:
  Sparse(std::size_t bytes, const char* label) : bytes_(bytes) {
    at_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(at_ != MAP_FAILED);
    emulated().backend().adopt(at_, bytes, label);
  }
  ~Sparse() {
    emulated().backend().release(at_);
    munmap(at_, bytes_);
  }
  std::byte* data() const { return static_cast<std::byte*>(at_); }

 private:
  void* at_;
  std::size_t bytes_;
};

}  // namespace

TEST_CASE("rope: the heads of every kind of model, both styles") {
  auto random = random_for("rope heads");
  for (const Heads& h : {Heads{128, 1, 64, 512},
                         {64, 1, 128, 256},
                         {128, 1, 64, 128},
                         {32, 1, 32, 96},
                         {32, 8, 64, 64},
                         {64, 16, 128, 128},
                         {24, 6, 32, 96},
                         {32, 8, 128, 0},
                         {64, 8, 128, 0},
                         {64, 8, 64, 0},
                         {32, 32, 64, 64},
                         {16, 16, 128, 128},
                         {8, 8, 32, 96}})
    for (auto style : {rope::Style::neox, rope::Style::interleaved}) {
      RopeCase c = with_heads(h, random());
      c.style = style;
      CHECK(emulate(c) == "");
    }
}

TEST_CASE("rope: dims that no vector divides, and a plain part that is no multiple of the rotated one") {
  auto random = random_for("rope dims");
  for (int rope_dim : {2, 6, 18, 34, 48, 80, 130})
    for (int nope_dim : {0, 1, 20, 33, 96}) {
      RopeCase c = with_heads({3, 2, rope_dim, nope_dim}, random());
      c.style = random() % 2 ? rope::Style::neox : rope::Style::interleaved;
      CHECK(emulate(c) == "");
    }
}

TEST_CASE("rope: padding leaves every byte as it was, of the caches and of the query outputs") {
  for (bool by_slot : {false, true})
    for (Call call : {Call::append, Call::append_mla}) {
      RopeCase c;
      c.call = call, c.by_slot = by_slot, c.tokens = 6, c.padded = {0, 1, 2, 3, 4, 5};
      if (call == Call::append_mla) c.kv_heads = 1, c.dim_v = 0;
      RopeRun run(emulated().context(), c, emulated().poison());
      CHECK(run.check() == "");
      CHECK(run.rows().empty());
    }
}

TEST_CASE("rope: padding's query outputs are zeros where that is asked for, the caches untouched") {
  for (Elem q : {Elem::e4m3, Elem::bf16}) {
    RopeCase c;
    c.q = q, c.padding = rope::Padding::zero_row, c.padded = {0, 3, 7, 19};
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("rope: tokens from valid_tokens on are padding, whatever their lists say") {
  for (std::int64_t valid : {0, 1, 7, 20}) {
    RopeCase c;
    c.valid = valid;
    CHECK(emulate(c) == "");
    c.padding = rope::Padding::zero_row, c.by_slot = true;
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("rope: NaN, infinities and what is too large become the codes that are promised") {
  // One head of R = 2, N = 6; the angle is 0, so that y = x.
  float inputs[8] = {NAN, 1.f, HUGE_VALF, -HUGE_VALF, 1e30f, -500.f, -0.f, 3e-4f}, table[2] = {1, 0};
  std::int32_t zero = 0;
  Image x(32), t(8), ids(4);
  std::memcpy(x.data(), inputs, 32), std::memcpy(t.data(), table, 8), std::memcpy(ids.data(), &zero, 4);
  Context& context = emulated().context();
  DeviceBuffer in(context, x, "x"), angles(context, t, "table"), pos(context, ids, "pos"), out(context, Image(8), "q"),
      k_out(context, Image(8), "k");
  RopeQuantizeArgs a;
  a.q_rope = a.k_rope = Tensor(in.data(), Elem::f32, {1, 1, 2});
  a.q_nope = a.k_nope = Tensor(in.data() + 8, Elem::f32, {1, 1, 6});
  a.q_rope_out = Tensor(out.data(), Elem::e4m3, {1, 1, 2}),
  a.q_nope_out = Tensor(out.data() + 2, Elem::e4m3, {1, 1, 6});
  a.k_rope_out = Tensor(k_out.data(), Elem::e5m2, {1, 1, 2});
  a.k_nope_out = Tensor(k_out.data() + 2, Elem::e5m2, {1, 1, 6});
  a.cos_sin_cache = Tensor(angles.data(), Elem::f32, {1, 2}), a.pos_ids = Tensor(pos.data(), Elem::i32, {1});
  context.rope_quantize(a);
  auto codes = [](const DeviceBuffer& b) {
    std::string text;
    for (std::byte code : b.read()) text += fmt::format("{:02x} ", static_cast<unsigned>(code));
    return text;
  };
  CHECK(codes(out) == "7f 7f 7e fe 7e fe 80 00 ");
  CHECK(codes(k_out) == "7f 7f 7b fb 7b e0 80 0d ");
}

TEST_CASE("rope: one layer of a cross-layer cache gets what a packed cache gets, to the bit, and bleeds nothing") {
  for (Call call : {Call::append, Call::append_mla})
    for (bool one_row : {false, true}) {
      std::vector<Image> rows;
      for (int layers : {1, 3})
        for (int shift : {0, 8, 4, 2, 1}) {
          RopeCase c;
          c.call = call, c.one_row = one_row, c.layers = layers, c.shift = shift, c.seed = test_seed();
          if (call == Call::append_mla) c.kv_heads = 1, c.dim_v = 0;
          RopeRun run(emulated().context(), c, emulated().poison());
          REQUIRE(run.check() == "");
          rows.push_back(run.rows());
        }
      for (const Image& r : rows) CHECK(r == rows[0]);
    }
}

TEST_CASE("rope: tuning changes no result") {
  RopeCase c;
  c.tokens = 40, c.query_heads = 9, c.kv_heads = 3;
  for (int threads : {128, 256, 512})
    for (int unroll : {1, 2, 4, 8})
      for (int heads : {1, 3, 8})
        for (int tile : {1, 5, 64}) {
          c.tuning = {threads, unroll, heads, tile};
          REQUIRE(emulate(c) == "");
        }
}

TEST_CASE("rope: pages, rows, tokens and heads beyond 2^32 elements away") {
  constexpr std::int64_t far = (std::int64_t{1} << 32) + 64, tokens = 2, heads = 2, pages = 3;
  Sparse q(static_cast<std::size_t>(tokens * heads * far) * 2, "q"),
      cache(static_cast<std::size_t>(pages * heads * far), "k"),
      v_cache(static_cast<std::size_t>(pages * 2 * far), "v");
  constexpr std::int64_t rows = std::int64_t{1} << 20;  // a page
  std::vector<std::int64_t> slots = {2 * rows + 7, rows};
  std::int32_t ids[2] = {0, 0};
  float table[8] = {1, 1, 1, 1, 0, 0, 0, 0};
  Context& context = emulated().context();
  Image s(16), p(8), t(32), kv(2 * 2 * 8 * 2);
  std::memcpy(s.data(), slots.data(), 16), std::memcpy(p.data(), ids, 8), std::memcpy(t.data(), table, 32);
  for (std::int64_t token = 0; token < tokens; ++token)
    for (std::int64_t head = 0; head < heads; ++head)
      for (std::int64_t d = 0; d < 8; ++d) {
        double x = static_cast<double>(1 + d + 8 * head + 16 * token);
        reference::encode(Elem::bf16, x, q.data() + ((token * heads + head) * far + d) * 2);
        reference::encode(Elem::bf16, x, &kv[static_cast<std::size_t>(((token * 2 + head) * 8 + d) * 2)]);
      }
  DeviceBuffer slot(context, s, "slots"), pos(context, p, "pos"), angles(context, t, "table"), keys(context, kv, "kv"),
      q_out(context, Image(2 * 2 * 8), "q_out");
  RopeAppendArgs a;
  a.q_rope = Tensor(q.data(), Elem::bf16, {tokens, heads, 8}, {heads * far, far, 1});
  a.q_rope_out = Tensor(q_out.data(), Elem::e4m3, {tokens, heads, 8});
  a.k_rope = a.v = Tensor(keys.data(), Elem::bf16, {tokens, heads, 8});
  a.k_cache = Tensor(cache.data(), Elem::e4m3, {pages, rows, heads, 8}, {heads * far, 8, far, 1});
  a.v_cache = Tensor(v_cache.data(), Elem::e4m3, {pages, rows, heads, 8}, {2 * far, 16, 8, 1});
  a.cos_sin_cache = Tensor(angles.data(), Elem::f32, {1, 8}), a.pos_ids = Tensor(pos.data(), Elem::i32, {2});
  a.slots = Tensor(slot.data(), Elem::i64, {2});
  context.rope_append(a);
  Image queries = q_out.read();
  for (std::int64_t token = 0; token < tokens; ++token)
    for (std::int64_t head = 0; head < heads; ++head)
      for (std::int64_t d = 0; d < 8; ++d) {
        std::int64_t page = slots[static_cast<std::size_t>(token)] / rows,
                     row = slots[static_cast<std::size_t>(token)] % rows;
        std::byte code{};
        reference::encode(Elem::e4m3, static_cast<double>(1 + d + 8 * head + 16 * token), &code);
        REQUIRE(cache.data()[(page * heads + head) * far + row * 8 + d] == code);
        REQUIRE(v_cache.data()[page * 2 * far + row * 16 + head * 8 + d] == code);
        REQUIRE(queries[static_cast<std::size_t>((token * heads + head) * 8 + d)] == code);
      }
}

TEST_CASE("rope: a thousand random batches compile what the first one did") {
  Emulated fresh;
  auto random = random_for("rope thousand launches");
  for (int i = 0; i < 1000; ++i) {
    RopeCase c;
    c.query_heads = static_cast<int>(random() % 4 + 1), c.kv_heads = static_cast<int>(random() % 2 + 1);
    c.rope_dim = c.nope_dim = 8, c.dim_v = 16, c.page = 4;
    c.tokens = static_cast<std::int64_t>(random() % 12 + 1), c.seed = random();
    c.layers = static_cast<int>(random() % 3 + 1), c.shift = static_cast<int>(8 * (random() % 2));
    c.scale_q = static_cast<float>(random() % 5) + 0.5f, c.scales_in_memory = random() % 2 != 0;
    if (random() % 3 == 0) c.padded = {0};
    RopeRun run(fresh.context(), c);
    if (i % 50 == 0)
      REQUIRE(run.check() == "");
    else
      run.launch();
    REQUIRE(fresh.context().statistics().compiles == 1);
  }
}

}  // namespace pagejit::tests
