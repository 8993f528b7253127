// What a caller of the index kernels may get wrong: each argument is named, nothing is launched.
#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "runtime/base/fields.h"
#include "tests/kernels/arguments.h"

namespace pagejit::tests {
namespace {

void run(Context& c, const BatchPositionsArgs& a) {
  c.batch_positions(a);
}
void run(Context& c, const SeqLensArgs& a) {
  c.seq_lens(a);
}
void run(Context& c, const SlotMappingArgs& a) {
  c.slot_mapping(a);
}
void run(Context& c, const StartOffsetsArgs& a) {
  c.start_offsets(a);
}

Tensor list(std::int64_t size, Elem elem = Elem::i32) {
  return tensor(elem, {size});
}

BatchPositionsArgs good_positions() {
  return {list(4), list(3), list(50), list(50)};
}
SeqLensArgs good_seq_lens() {
  return {list(4), list(3), 16, list(3)};
}
SlotMappingArgs good_slots(bool table) {
  SlotMappingArgs a;
  a.batch_indices = list(50), a.positions = list(50), a.page = 16, a.slots = list(50, Elem::i64);
  if (table)
    a.block_table = Tensor(reinterpret_cast<void*>(0x1000), Elem::i32, {3, 9});
  else
    a.kv_indptr = list(4), a.kv_indices = list(20);
  return a;
}
StartOffsetsArgs good_starts() {
  return {list(3), list(4)};
}

template <class Args>
std::string problem_of(const Args& a) {
  return problem_when([&](Context& c) { run(c, a); });
}

/// Spoils each argument of a right call in every way that a list can be spoilt.
template <class Args>
void spoil_each(const Args& good, const std::vector<Named<Args>>& arguments) {
  struct Way {
    const char* words;
    std::function<void(Tensor&)> spoil;
  };
  const Way ways[] = {{"null pointer", [](Tensor& t) { t.data = nullptr; }},
                      {"rank", [](Tensor& t) { ++t.rank; }},
                      {"element type", [](Tensor& t) { t.elem = Elem::f32; }},
                      {"element type", [](Tensor& t) { t.elem = static_cast<Elem>(99); }},
                      {"size -1", [](Tensor& t) { t.shape[0] = -1; }},
                      {"stride 2", [](Tensor& t) { t.stride[t.rank - 1] = 2; }},
                      {"multiple of", [](Tensor& t) { t.data = static_cast<char*>(t.data) + 2; }}};
  CHECK(problem_of(good) == "");
  for (const Named<Args>& argument : arguments)
    for (const Way& way : ways) {
      Args a = good;
      way.spoil(a.*argument.tensor);
      std::string text = problem_of(a);
      check_blames(text, argument.name, way.words);
    }
}

}  // namespace

TEST_CASE("indices arguments: whatever is wrong with a list is said of that list") {
  using P = BatchPositionsArgs;
  spoil_each<P>(good_positions(), {{"append_indptr", &P::append_indptr},
                                   {"seq_lens", &P::seq_lens},
                                   {"batch_indices", &P::batch_indices},
                                   {"positions", &P::positions}});
  using L = SeqLensArgs;
  spoil_each<L>(good_seq_lens(),
                {{"kv_indptr", &L::kv_indptr}, {"kv_last_page_len", &L::kv_last_page_len}, {"seq_lens", &L::seq_lens}});
  using S = SlotMappingArgs;
  std::vector<Named<S>> both = {
      {"batch_indices", &S::batch_indices}, {"positions", &S::positions}, {"slots", &S::slots}};
  std::vector<Named<S>> table = both, csr = both;
  table.push_back({"block_table", &S::block_table});
  csr.insert(csr.end(), {{"kv_indptr", &S::kv_indptr}, {"kv_indices", &S::kv_indices}});
  spoil_each<S>(good_slots(true), table);
  spoil_each<S>(good_slots(false), csr);
  using O = StartOffsetsArgs;
  spoil_each<O>(good_starts(), {{"lengths", &O::lengths}, {"starts", &O::starts}});
}

TEST_CASE("indices arguments: sizes that must agree are compared") {
  auto says = [](const auto& a, const char* words) {
    std::string text = problem_of(a);
    CAPTURE(text);
    CHECK(text.find(words) != std::string::npos);
  };
  BatchPositionsArgs p = good_positions();
  p.seq_lens = list(4);
  says(p, "seq_lens has 4 elements; expected 3, as append_indptr has");
  p = good_positions(), p.positions = list(49);
  says(p, "positions has 49 tokens; expected 50, as batch_indices has");
  p = good_positions(), p.append_indptr = list(0);
  says(p, "append_indptr has 0 elements; expected 1 to");
  SeqLensArgs l = good_seq_lens();
  l.kv_last_page_len = list(2);
  says(l, "kv_last_page_len has 2 sequences; expected 3, as kv_indptr has");
  l = good_seq_lens(), l.seq_lens = list(5);
  says(l, "seq_lens has 5 sequences; expected 3, as kv_indptr has");
  SlotMappingArgs s = good_slots(true);
  s.slots = list(51);
  says(s, "slots has 51 tokens; expected 50, as batch_indices has");
  StartOffsetsArgs o = good_starts();
  o.starts = list(5);
  says(o, "starts has 5 elements; expected 3 for the 3 of lengths, or one more");
  o.lengths = o.starts = list(1ll << 31);
  says(o, "lengths has 2147483648 sequences; expected 0 to");
}

TEST_CASE("indices arguments: a page has 1 to 2^20 rows, and page ids come from one place") {
  for (std::int64_t page : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 21, std::int64_t{1} << 40}) {
    SeqLensArgs l = good_seq_lens();
    SlotMappingArgs s = good_slots(true);
    l.page = s.page = page;
    CHECK(problem_of(l).find("page is " + std::to_string(page) + "; expected 1 to 1048576 rows") != std::string::npos);
    CHECK(problem_of(s).find("page is " + std::to_string(page)) != std::string::npos);
  }
  SlotMappingArgs s = good_slots(true);
  s.kv_indices = list(3);
  CHECK(problem_of(s).find("block_table is given beside kv_indptr or kv_indices") != std::string::npos);
  s = good_slots(false), s.kv_indptr = {};
  CHECK(problem_of(s).find("kv_indptr is missing") != std::string::npos);
}

TEST_CASE("indices arguments: page sizes, batches and strides share a kernel; all that is asked for is listed") {
  Recorder r;
  for (std::int64_t n : {1, 7, 300}) {
    r.context.batch_positions({list(n + 1), list(n), list(2 * n), list(2 * n)});
    r.context.seq_lens({list(n + 1), list(n), n, list(n)});
    r.context.start_offsets({list(n), list(n)});
    SlotMappingArgs s = good_slots(true);
    s.page = n, s.block_table = Tensor(s.block_table.data, Elem::i32, {n, n}, {n * 5, 1});
    r.context.slot_mapping(s);
  }
  CHECK(r.backend->compiles == 4);
  std::vector<std::string> lines = family_of("indices").specs_for_model(ModelShape{});
  std::set<std::string> listed(lines.begin(), lines.end());
  CHECK(listed.size() == lines.size());
  CHECK(listed.size() == 14);
  for (const std::string& line : lines) CHECK(family_of("indices").canonical(line) == line);
  CHECK(listed.count(r.context.spec_line(good_positions())) == 1);
  CHECK(listed.count(r.context.spec_line(good_seq_lens())) == 1);
  for (Elem from : {Elem::i32, Elem::i64})
    for (Elem to : {Elem::i32, Elem::i64}) {
      CHECK(listed.count(r.context.spec_line(StartOffsetsArgs{list(3, from), list(3, to)})) == 1);
      for (bool table : {false, true}) {
        SlotMappingArgs s = good_slots(table);
        (table ? s.block_table : s.kv_indices).elem = from, s.slots.elem = to;
        CHECK(listed.count(r.context.spec_line(s)) == 1);
      }
    }
}

TEST_CASE("indices arguments: a spec line that no kernel has is refused by the field's name") {
  check_line_refused("indices what=slots from=bf16", "from is bf16; expected i32 or i64");
  check_line_refused("indices what=starts to=u8", "to is u8; expected i32 or i64");
  check_line_refused("indices what=positions from=i64", "from is i64; expected i32");
  check_line_refused("indices what=seq_lens to=i64", "to is i64; expected i32");
  check_line_refused("indices what=starts pages=indices", "pages is indices; expected table");
}

}  // namespace pagejit::tests
