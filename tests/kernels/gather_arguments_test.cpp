// What a caller of a gather may get wrong: each argument is named, nothing is launched.
#include <doctest/doctest.h>

#include <functional>

#include "tests/kernels/arguments.h"

namespace pagejit::tests {
namespace {

void* at(std::uintptr_t address) {
  return reinterpret_cast<void*>(address);
}

GatherArgs good_rows() {
  GatherArgs a;
  a.src = Tensor(at(0x10000), Elem::bf16, {10, 16, 4, 64});
  a.dst = Tensor(at(0x20000), Elem::bf16, {100, 4, 64});
  a.block_table = Tensor(at(0x30000), Elem::i32, {3, 4});
  a.cu_seq_lens = Tensor(at(0x40000), Elem::i32, {4});
  a.seq_starts = Tensor(at(0x50000), Elem::i32, {3});
  return a;
}

GatherMlaArgs good_mla() {
  GatherMlaArgs a;
  a.src = Tensor(at(0x10000), Elem::u8, {10, 16, 656});
  a.dst = Tensor(at(0x20000), Elem::bf16, {100, 576});
  a.block_table = Tensor(at(0x30000), Elem::i32, {3, 4});
  a.lengths = Tensor(at(0x40000), Elem::i32, {3});
  a.workspace_starts = Tensor(at(0x60000), Elem::i32, {3});
  a.seq_starts = Tensor(at(0x50000), Elem::i32, {3});
  return a;
}

GatherIndexerArgs good_indexer() {
  GatherIndexerArgs a;
  a.src = Tensor(at(0x10000), Elem::u8, {10, 64, 132});
  a.dst_k = Tensor(at(0x20000), Elem::e4m3, {100, 128});
  a.dst_scale = Tensor(at(0x60000), Elem::f32, {100, 1});
  a.block_table = Tensor(at(0x30000), Elem::i32, {3, 4});
  a.cu_seq_lens = Tensor(at(0x40000), Elem::i32, {4});
  a.seq_starts = Tensor(at(0x50000), Elem::i32, {3});
  return a;
}

/// The text of the error that a call gives; "" if it gives none.
template <class Args>
std::string problem_of(const Args& a, void (Context::*call)(const Args&, Stream)) {
  return problem_when([&](Context& c) { (c.*call)(a, nullptr); }, 1);
}
std::string problem_of(const GatherArgs& a) {
  return problem_of(a, &Context::gather_cache);
}
std::string problem_of(const GatherMlaArgs& a) {
  return problem_of(a, &Context::gather_mla);
}
std::string problem_of(const GatherIndexerArgs& a) {
  return problem_of(a, &Context::gather_indexer);
}

struct Spoil {
  const char* words;
  std::function<void(Tensor&)> change;
};
/// Ways in which any tensor may be wrong.
const std::vector<Spoil>& spoils() {
  static const std::vector<Spoil> all = {
      {"null pointer", [](Tensor& t) { t.data = nullptr; }},
      {"rank", [](Tensor& t) { t.rank = 5; }},
      {"element type", [](Tensor& t) { t.elem = static_cast<Elem>(200); }},
      {"size -1", [](Tensor& t) { t.shape[0] = -1; }},
      {"stride 2", [](Tensor& t) { t.shape[t.rank - 1] = 3, t.stride[t.rank - 1] = 2; }},
  };
  return all;
}

template <class Args>
void each_argument(const Args& good, std::initializer_list<std::pair<const char*, Tensor Args::*>> tensors) {
  CHECK(problem_of(good) == "");
  for (const auto& [name, tensor] : tensors)
    for (const Spoil& spoil : spoils()) {
      Args a = good;
      spoil.change(a.*tensor);
      std::string text = problem_of(a);
      check_blames(text, name, spoil.words);
    }
}

template <class Args>
void refused(Args a, const std::function<void(Args&)>& spoil, const char* words) {
  spoil(a);
  std::string text = problem_of(a);
  CAPTURE(text);
  CAPTURE(words);
  CHECK(text.find(words) != std::string::npos);
}

}  // namespace

TEST_CASE("gather arguments: each tensor spoilt in turn is named") {
  each_argument(good_rows(), {{"src", &GatherArgs::src},
                              {"dst", &GatherArgs::dst},
                              {"block_table", &GatherArgs::block_table},
                              {"cu_seq_lens", &GatherArgs::cu_seq_lens},
                              {"seq_starts", &GatherArgs::seq_starts}});
  each_argument(good_mla(), {{"src", &GatherMlaArgs::src},
                             {"dst", &GatherMlaArgs::dst},
                             {"block_table", &GatherMlaArgs::block_table},
                             {"lengths", &GatherMlaArgs::lengths},
                             {"workspace_starts", &GatherMlaArgs::workspace_starts},
                             {"seq_starts", &GatherMlaArgs::seq_starts}});
  each_argument(good_indexer(), {{"src", &GatherIndexerArgs::src},
                                 {"dst_k", &GatherIndexerArgs::dst_k},
                                 {"dst_scale", &GatherIndexerArgs::dst_scale},
                                 {"block_table", &GatherIndexerArgs::block_table},
                                 {"cu_seq_lens", &GatherIndexerArgs::cu_seq_lens},
                                 {"seq_starts", &GatherIndexerArgs::seq_starts}});
}

TEST_CASE("gather arguments: sizes and elements of plain rows that must agree are compared") {
  auto check = [](const char* words, std::function<void(GatherArgs&)> spoil) { refused(good_rows(), spoil, words); };
  check("dst has 3 heads; expected 4, as src has", [](GatherArgs& a) { a.dst.shape[1] = 3; });
  check("dst has 63 elements a row; expected 64, as src has", [](GatherArgs& a) { a.dst.shape[2] = 63; });
  check("cu_seq_lens has 3 elements; expected 4", [](GatherArgs& a) { a.cu_seq_lens.shape[0] = 3; });
  check("cu_seq_lens has the element type i64", [](GatherArgs& a) { a.cu_seq_lens.elem = Elem::i64; });
  check("seq_starts has 2 elements; expected 3", [](GatherArgs& a) { a.seq_starts.shape[0] = 2; });
  check("dst has another element type than src", [](GatherArgs& a) { a.src.elem = Elem::e4m3; });
  check("dst overlaps itself", [](GatherArgs& a) { a.dst.stride[0] = 255; });
  auto scaled = [](GatherArgs& a) { a.scale = Tensor(at(0x60000), Elem::f32, {1}); };
  check("src has the element type bf16; expected one of e4m3, e5m2", scaled);
  check("dst has the element type e4m3", [&](GatherArgs& a) { scaled(a), a.src.elem = a.dst.elem = Elem::e4m3; });
  check("scale has 3 elements; expected 4, as src",
        [&](GatherArgs& a) { scaled(a), a.src.elem = Elem::e4m3, a.scale.shape[0] = 3; });
}

TEST_CASE("gather arguments: rows of 656 bytes are just that, and aligned for their scales") {
  auto check = [](const char* words, std::function<void(GatherMlaArgs&)> spoil) { refused(good_mla(), spoil, words); };
  check("src has 655 bytes a row; expected 656", [](GatherMlaArgs& a) { a.src.shape[2] = 655; });
  check("dst has 575 elements a head; expected 576", [](GatherMlaArgs& a) { a.dst.shape[1] = 575; });
  check("dst has the element type f32", [](GatherMlaArgs& a) { a.dst.elem = Elem::f32; });
  check("scales are not 4-byte aligned", [](GatherMlaArgs& a) { a.src.stride[1] = 658; });
  check("scales are not 4-byte aligned", [](GatherMlaArgs& a) { a.src.data = at(0x10002); });
  check("lengths has 2 elements; expected 3", [](GatherMlaArgs& a) { a.lengths.shape[0] = 2; });
}

TEST_CASE("gather arguments: planar pages have no gaps, and scales for each 128 codes") {
  auto check = [](const char* words, std::function<void(GatherIndexerArgs&)> spoil) {
    refused(good_indexer(), spoil, words);
  };
  check("src has the stride 136 along page; expected 132", [](GatherIndexerArgs& a) { a.src.stride[1] = 136; });
  check("src has 136 bytes a row; expected 132", [](GatherIndexerArgs& a) {
    a.src = Tensor(at(0x10000), Elem::u8, {10, 64, 136});
  });
  check("dst_scale has 8 bytes a row; expected 4", [](GatherIndexerArgs& a) {
    a.dst_scale = Tensor(at(0x60000), Elem::f32, {100, 2});
  });
  check("dst_scale has 99 rows; expected 100, as dst_k", [](GatherIndexerArgs& a) { a.dst_scale.shape[0] = 99; });
}

TEST_CASE("gather arguments: a page of the indexer keeps its 16-byte accesses though its scales are 4 bytes a row") {
  auto* backend = new RecordingBackend;
  Context context{std::unique_ptr<Backend>(backend)};
  CHECK(context.spec_line(good_indexer()).find("align=16") != std::string::npos);
  CHECK(context.spec_line(good_mla()).find("align=16") != std::string::npos);
}

}  // namespace pagejit::tests
