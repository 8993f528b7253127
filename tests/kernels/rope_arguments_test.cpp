// What a caller of rope may get wrong, argument by argument: each is named, nothing is launched.
#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "kernels/rope/host.h"
#include "runtime/base/fields.h"
#include "tests/kernels/arguments.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

void run(Context& c, const RopeQuantizeArgs& a) {
  c.rope_quantize(a);
}
void run(Context& c, const RopeAppendArgs& a) {
  c.rope_append(a);
}
void run(Context& c, const RopeAppendMlaArgs& a) {
  c.rope_append_mla(a);
}

constexpr std::int64_t tokens = 10;

void fill_inputs(RopeInputs& a, std::int64_t kv_heads) {
  a.q_rope = tensor(Elem::bf16, {tokens, 8, 64}), a.q_nope = tensor(Elem::bf16, {tokens, 8, 32});
  a.k_rope = tensor(Elem::bf16, {tokens, kv_heads, 64}), a.k_nope = tensor(Elem::bf16, {tokens, kv_heads, 32});
  a.q_rope_out = tensor(Elem::e4m3, {tokens, 8, 64}), a.q_nope_out = tensor(Elem::e4m3, {tokens, 8, 32});
  a.cos_sin_cache = tensor(Elem::f32, {100, 64}), a.pos_ids = tensor(Elem::i32, {tokens});
  a.scale_q_device = tensor(Elem::f32, {1}), a.scale_kv_device = tensor(Elem::f32, {1});
}

void fill_places(RopePlaces& a) {
  a.batch_indices = tensor(Elem::i32, {tokens}), a.positions = tensor(Elem::i32, {tokens});
  a.kv_indptr = tensor(Elem::i32, {4}), a.kv_indices = tensor(Elem::i32, {20});
  a.valid_tokens = tensor(Elem::i32, {1});
}

RopeQuantizeArgs good_quantize() {
  RopeQuantizeArgs a;
  fill_inputs(a, 2);
  a.v = tensor(Elem::bf16, {tokens, 2, 96}), a.v_out = tensor(Elem::e5m2, {tokens, 2, 96});
  a.k_rope_out = tensor(Elem::e5m2, {tokens, 2, 64}), a.k_nope_out = tensor(Elem::e5m2, {tokens, 2, 32});
  return a;
}
RopeAppendArgs good_append() {
  RopeAppendArgs a;
  fill_inputs(a, 2), fill_places(a);
  a.v = tensor(Elem::bf16, {tokens, 2, 80});
  a.k_cache = tensor(Elem::e4m3, {30, 16, 2, 96}), a.v_cache = tensor(Elem::e4m3, {30, 16, 2, 80});
  return a;
}
RopeAppendMlaArgs good_mla() {
  RopeAppendMlaArgs a;
  fill_inputs(a, 1), fill_places(a);
  a.k_rope = tensor(Elem::bf16, {tokens, 64}), a.k_nope = tensor(Elem::bf16, {tokens, 32});
  a.ckv_cache = tensor(Elem::e4m3, {30, 16, 32}), a.kpe_cache = tensor(Elem::e4m3, {30, 16, 64});
  return a;
}

template <class Args>
std::string problem_of(const Args& a) {
  return problem_when([&](Context& c) { run(c, a); });
}

template <class Args>
struct Reached {
  const char* name;
  Tensor& (*of)(Args&);
};
#define PJ_NAMED(name)                               \
  {                                                  \
#name, [](auto& a) -> Tensor& { return a.name; } \
  }
#define PJ_INPUTS                                                                                                     \
  PJ_NAMED(q_rope), PJ_NAMED(q_nope), PJ_NAMED(k_rope), PJ_NAMED(k_nope), PJ_NAMED(q_rope_out), PJ_NAMED(q_nope_out), \
      PJ_NAMED(cos_sin_cache), PJ_NAMED(pos_ids), PJ_NAMED(scale_q_device), PJ_NAMED(scale_kv_device)
#define PJ_PLACES \
  PJ_NAMED(batch_indices), PJ_NAMED(positions), PJ_NAMED(kv_indptr), PJ_NAMED(kv_indices), PJ_NAMED(valid_tokens)
const std::vector<Reached<RopeQuantizeArgs>> quantize_arguments = {PJ_INPUTS, PJ_NAMED(v), PJ_NAMED(v_out),
                                                                   PJ_NAMED(k_rope_out), PJ_NAMED(k_nope_out)};
const std::vector<Reached<RopeAppendArgs>> append_arguments = {PJ_INPUTS, PJ_PLACES, PJ_NAMED(v), PJ_NAMED(k_cache),
                                                               PJ_NAMED(v_cache)};
const std::vector<Reached<RopeAppendMlaArgs>> mla_arguments = {PJ_INPUTS, PJ_PLACES, PJ_NAMED(ckv_cache),
                                                               PJ_NAMED(kpe_cache)};

/// Spoils each argument of each call in turn; the error must begin with its name and hold `words`.
void each_argument(const SpoilTensor& spoil, const std::string& words) {
  auto with = [&](auto good, const auto& arguments) {
    for (const auto& argument : arguments) {
      auto a = good();
      if (!spoil(argument.of(a))) continue;
      std::string text = problem_of(a);
      check_blames(text, argument.name, words);
      CHECK(text.find("expected") != std::string::npos);
    }
  };
  with(good_quantize, quantize_arguments);
  with(good_append, append_arguments);
  with(good_mla, mla_arguments);
}

}  // namespace

TEST_CASE("rope arguments: right calls are launched once each") {
  Recorder r;
  run(r.context, good_quantize()), run(r.context, good_append()), run(r.context, good_mla());
  CHECK(r.backend->launches == 3);
}

TEST_CASE("rope arguments: null pointers, ranks, elements and sizes are refused for each tensor") {
  each_argument([](Tensor& t) { return t.data = nullptr, true; }, "null pointer");
  each_argument([](Tensor& t) { return t.rank = 5, true; }, "rank 5");
  each_argument([](Tensor& t) { return t.elem = Elem::u8, true; }, "element type");
  each_argument([](Tensor& t) { return t.shape[0] = -1, true; }, "size -1");
}

TEST_CASE("rope arguments: strides that no kernel can walk are refused for each tensor") {
  auto last = [](std::int64_t stride) {
    return [=](Tensor& t) { return t.shape[t.rank - 1] > 1 && (t.stride[t.rank - 1] = stride, true); };
  };
  each_argument(last(2), "stride 2");
  each_argument(last(-1), "stride -1");
  each_argument([](Tensor& t) { return t.rank > 1 && (t.stride[0] = 0, true); }, "stride 0");
  each_argument([](Tensor& t) { return t.rank > 1 && (t.stride[0] = std::int64_t{1} << 62, true); }, "address space");
}

TEST_CASE("rope arguments: sizes that must agree are compared, and both tensors named") {
  struct Wrong {
    const char* words;
    std::function<void(RopeAppendArgs&)> spoil;
  };
  const std::vector<Wrong> all = {
      {"q_nope has 9 tokens; expected 10, as q_rope", [](auto& a) { a.q_nope.shape[0] = 9; }},
      {"k_rope has 9 tokens; expected 10, as q_rope", [](auto& a) { a.k_rope.shape[0] = 9; }},
      {"v has 11 tokens; expected 10, as q_rope", [](auto& a) { a.v.shape[0] = 11; }},
      {"pos_ids has 9 tokens; expected 10", [](auto& a) { a.pos_ids.shape[0] = 9; }},
      {"batch_indices has 9 tokens; expected 10", [](auto& a) { a.batch_indices.shape[0] = 9; }},
      {"positions has 9 tokens; expected 10", [](auto& a) { a.positions.shape[0] = 9; }},
      {"q_rope_out has 7 heads; expected 8, as q_rope", [](auto& a) { a.q_rope_out.shape[1] = 7; }},
      {"k_nope has 3 heads; expected 2, as k_rope", [](auto& a) { a.k_nope.shape[1] = 3; }},
      {"k_cache has 1 heads; expected 2, as k_rope", [](auto& a) { a.k_cache.shape[2] = 1; }},
      {"v_cache has 4 heads; expected 2, as k_rope", [](auto& a) { a.v_cache.shape[2] = 4; }},
      {"v_cache has 29 pages; expected 30, as k_cache", [](auto& a) { a.v_cache.shape[0] = 29; }},
      {"v_cache has 8 rows a page; expected 16", [](auto& a) { a.v_cache.shape[1] = 8; }},
      {"k_rope has 62 elements a head; expected 64, as q_rope", [](auto& a) { a.k_rope.shape[2] = 62; }},
      {"cos_sin_cache has 62 columns; expected 64", [](auto& a) { a.cos_sin_cache.shape[1] = 62; }},
      {"k_cache has 95 elements a head; expected 96: 64 rotated and 32 others",
       [](auto& a) { a.k_cache.shape[3] = 95; }},
      {"v_cache has 79 elements a head; expected 80, as v", [](auto& a) { a.v_cache.shape[3] = 79; }},
      {"k_rope has another element type than q_rope", [](auto& a) { a.k_rope.elem = Elem::f16; }},
      {"v_cache has another element type than k_cache", [](auto& a) { a.v_cache.elem = Elem::e5m2; }},
      {"k_cache has another element type than the inputs", [](auto& a) { a.k_cache.elem = Elem::f16; }},
      {"q_nope_out has another element type than q_rope_out", [](auto& a) { a.q_nope_out.elem = Elem::e5m2; }},
      {"kv_indptr has another element type than batch_indices", [](auto& a) { a.kv_indptr.elem = Elem::i64; }},
      {"k_cache has 0 rows a page; expected 1 to", [](auto& a) { a.k_cache.shape[1] = a.v_cache.shape[1] = 0; }},
      {"q_rope has 63 elements a head; expected an even number", [](auto& a) { a.q_rope.shape[2] = 63; }},
      {"q_rope has 0 elements a head; expected 2 to 1024", [](auto& a) { a.q_rope.shape[2] = 0; }},
      {"scale_q_device has 2 elements; expected 1 to 1", [](auto& a) { a.scale_q_device.shape[0] = 2; }},
      {"valid_tokens has 3 elements; expected 1 to 1", [](auto& a) { a.valid_tokens.shape[0] = 3; }},
      {"q_rope_out overlaps itself", [](auto& a) { a.q_rope_out.stride[0] = 8 * 64 - 1; }}};
  for (const Wrong& wrong : all) {
    RopeAppendArgs a = good_append();
    wrong.spoil(a);
    std::string text = problem_of(a);
    CAPTURE(text);
    CHECK(text.find(wrong.words) != std::string::npos);
  }
}

TEST_CASE("rope arguments: what is left out must be left out everywhere, and places are said one way") {
  RopeAppendArgs a = good_append();
  a.q_nope = {};
  CHECK(problem_of(a).find("k_nope is given though q_nope is left out") != std::string::npos);
  a.k_nope = {};
  CHECK(problem_of(a).find("q_nope_out is given though q_nope is left out") != std::string::npos);
  a = good_append();
  a.slots = tensor(Elem::i64, {tokens});
  CHECK(problem_of(a).find("batch_indices is given beside slots; expected one of the two") != std::string::npos);
  a.batch_indices = {};
  CHECK(problem_of(a) == "");
  RopeAppendMlaArgs m = good_mla();
  m.q_nope = m.k_nope = m.q_nope_out = {};
  CHECK(problem_of(m).find("q_nope is missing") != std::string::npos);
  m = good_mla();
  m.k_rope = tensor(Elem::bf16, {tokens, 2, 64}), m.k_nope = tensor(Elem::bf16, {tokens, 2, 32});
  CHECK(problem_of(m).find("k_rope has 2 heads; expected 1, as ckv_cache") != std::string::npos);
}

TEST_CASE("rope arguments: a scale for what is not quantised is refused") {
  RopeAppendArgs a = good_append();
  a.k_cache.elem = a.v_cache.elem = Elem::bf16;
  CHECK(problem_of(a).find("k_cache is not quantised; expected no scale for it") != std::string::npos);
  a.scale_kv_device = {};
  CHECK(problem_of(a) == "");
  a.scale_kv = 2;
  CHECK(problem_of(a).find("k_cache is not quantised") != std::string::npos);
}

TEST_CASE("rope arguments: no tokens or no heads launch nothing, and need no pointers") {
  Recorder r;
  RopeQuantizeArgs a;
  a.q_rope = a.q_rope_out = Tensor(nullptr, Elem::bf16, {0, 8, 64});
  a.k_rope = a.k_rope_out = Tensor(nullptr, Elem::bf16, {0, 2, 64});
  a.cos_sin_cache = tensor(Elem::f32, {100, 64}), a.pos_ids = Tensor(nullptr, Elem::i32, {0});
  run(r.context, a);
  CHECK(r.backend->launches == 0);
}

TEST_CASE("rope arguments: the alignment class is that of the worst pointer or stride, counted in elements") {
  auto align_of = [](const RopeAppendArgs& a) {
    rope::Plan plan;
    rope::plan(a, 132, plan);
    return plan.spec.align;
  };
  RopeAppendArgs a = good_append();
  CHECK(align_of(a) == Align::a16);
  a.k_cache.data = static_cast<char*>(a.k_cache.data) + 8;  // eight codes: as much as sixteen bytes of input
  CHECK(align_of(a) == Align::a16);
  a.k_cache.data = static_cast<char*>(a.k_cache.data) + 4;
  CHECK(align_of(a) == Align::a8);
  a.q_rope.stride[0] += 2;
  CHECK(align_of(a) == Align::a4);
  a.v_cache.stride[0] += 1;
  CHECK(align_of(a) == Align::elem);
}

TEST_CASE("rope: every number of tokens and heads is dealt out, to each head of each token one thread") {
  auto random = random_for("rope deals");
  for (int i = 0; i < 300; ++i) {
    rope::Spec s;
    s.rope_dim = static_cast<int>(2 * (random() % 100 + 1)), s.nope_dim = static_cast<int>(random() % 500);
    rope::choose_block(s);
    auto heads = static_cast<std::int64_t>(random() % 200 + 1), count = static_cast<std::int64_t>(random() % 5000 + 1);
    rope::Deals all = rope::deal(s, count, heads, heads / 3 + 1, 132);
    CHECK(all.tiles * all.tile >= count);
    CHECK(all.tile_blocks > 0);
    for (int part = 0; part < rope::parts; ++part) {
      if (rope::dim_of(s, part) == 0) continue;
      const rope::Deal& d = all.part[static_cast<std::size_t>(part)];
      int slots = s.threads / rope::units(s, part);
      CHECK(d.pass <= slots);
      CHECK(d.group <= d.pass * rope::heads_in_flight(s, part));
      CHECK(d.group * d.splits >= (part == rope::q_rope || part == rope::q_nope ? heads : heads / 3 + 1));
      CHECK(d.blocks / d.splits * (slots / d.pass) >= all.tile);
    }
  }
}

TEST_CASE("rope: a model's list has no Spec twice, each is right, and each field has its help") {
  ModelShape m;
  m.rope_dim = 64, m.quants = {Quant::fp8};
  std::set<std::string> lines;
  for (const rope::Spec& s : rope::specs_for_model(m)) {
    rope::check(s);
    CHECK(lines.insert(spec_line("rope", s)).second);
  }
  CHECK(!lines.empty());
  CHECK(lines.size() <= 100);
  rope::Spec s;
  for_each_field(s, [&](std::string_view name, const auto&, const auto&) { CHECK(rope::field_help(name) != ""); });
}

}  // namespace pagejit::tests
