#include "kernels/indices/host.h"

#include <fmt/format.h>

#include <bit>

#include "kernels/common/check.h"
#include "kernels/common/rules.h"
#include "runtime/base/error.h"

namespace pagejit::indices {
namespace {

constexpr unsigned i32 = elem_set(Elem::i32), integers = elem_set(Elem::i32, Elem::i64);

/// A list of one number each; gives how many.
std::int64_t check_list(const Tensor& t, const Expected& names, const char* of) {
  check_tensor<1>(t, names);
  check_range(names, t, of, t.shape[0], 0, max_items);
  return t.shape[0];
}

/// The batch that a list of first tokens or pages and the end of the last is of.
std::int64_t check_indptr(const Tensor& t, const Expected& names) {
  check_tensor<1>(t, names);
  check_range(names, t, "elements", t.shape[0], 1, max_items);
  return t.shape[0] - 1;
}

std::int32_t check_page(std::int64_t page) {
  if (page < 1 || page > 1 << 20) [[unlikely]]
    fail(Code::argument, fmt::format("page is {}; expected 1 to {} rows", page, 1 << 20), {{"argument", "page"}});
  return static_cast<std::int32_t>(page);
}

/// A thread an item, but for starts: that is one block's work.
bool launch(Plan& out, std::int64_t items, std::int64_t batch) {
  out.params.items = static_cast<std::int32_t>(items);
  out.params.batch = static_cast<std::int32_t>(batch);
  auto block = static_cast<std::uint32_t>(threads(out.spec.what));
  bool one = out.spec.what == What::starts;
  out.grid = {one ? 1 : (static_cast<std::uint32_t>(items) + block - 1) / block, 1, 1};
  return items > 0;
}

constexpr Expected append_names{"append_indptr", "[batch + 1]", 1, i32};
constexpr Expected seq_lens_names{"seq_lens", "[batch]", 1, i32};
constexpr Expected batch_names{"batch_indices", "[tokens]", 1, i32};
constexpr Expected positions_names{"positions", "[tokens]", 1, i32};
constexpr Expected kv_indptr_names{"kv_indptr", "[batch + 1]", 1, i32};
constexpr Expected last_page_names{"kv_last_page_len", "[batch]", 1, i32};
constexpr Expected table_names{"block_table", "[batch, columns]", 2, integers};
constexpr Expected kv_indices_names{"kv_indices", "[pages]", 1, integers};
constexpr Expected slots_names{"slots", "[tokens]", 1, integers};
constexpr Expected lengths_names{"lengths", "[batch]", 1, integers};
constexpr Expected starts_names{"starts", "[batch] or [batch + 1]", 1, integers};

/// Where slots finds page ids: the table, or both lists.
void plan_pages(const SlotMappingArgs& a, Plan& out) {
  if (!a.block_table.omitted()) {
    if (!a.kv_indptr.omitted() || !a.kv_indices.omitted())
      fail(Code::argument, "block_table is given beside kv_indptr or kv_indices; expected the table or those two",
           {{"argument", "block_table"}});
    check_tensor<2>(a.block_table, table_names);
    out.spec.pages = Pages::table, out.spec.from = a.block_table.elem;
    out.params.pages = a.block_table.data, out.params.table_row = a.block_table.step(0);
    return;
  }
  check_indptr(a.kv_indptr, kv_indptr_names);
  check_tensor<1>(a.kv_indices, kv_indices_names);
  out.spec.pages = Pages::indices, out.spec.from = a.kv_indices.elem;
  out.params.indptr = a.kv_indptr.data, out.params.pages = a.kv_indices.data;
}

std::vector<Spec> all_specs() {
  std::vector<Spec> all{{.what = What::positions}, {.what = What::seq_lens}};
  for (Elem from : {Elem::i32, Elem::i64})
    for (Elem to : {Elem::i32, Elem::i64}) {
      for (Pages pages : {Pages::table, Pages::indices}) all.push_back({What::slots, from, to, pages});
      all.push_back({What::starts, from, to});
    }
  return all;
}

}  // namespace

bool plan(const BatchPositionsArgs& a, int, Plan& out) {
  std::int64_t batch = check_indptr(a.append_indptr, append_names);
  check_size(seq_lens_names, "elements", check_list(a.seq_lens, seq_lens_names, "sequences"), append_names, batch);
  std::int64_t tokens = check_list(a.batch_indices, batch_names, "tokens");
  check_size(positions_names, "tokens", check_list(a.positions, positions_names, "tokens"), batch_names, tokens);
  out.spec = {.what = What::positions};
  out.params.indptr = a.append_indptr.data, out.params.lengths = a.seq_lens.data;
  out.params.batch_of = a.batch_indices.data, out.params.positions = a.positions.data;
  out.params.steps = static_cast<std::int32_t>(std::bit_width(static_cast<std::uint64_t>(batch) + 1));
  return launch(out, tokens, batch);
}

bool plan(const SeqLensArgs& a, int, Plan& out) {
  std::int64_t batch = check_indptr(a.kv_indptr, kv_indptr_names);
  std::int64_t last = check_list(a.kv_last_page_len, last_page_names, "sequences");
  check_size(last_page_names, "sequences", last, kv_indptr_names, batch);
  check_size(seq_lens_names, "sequences", check_list(a.seq_lens, seq_lens_names, "sequences"), kv_indptr_names, batch);
  out.spec = {.what = What::seq_lens};
  out.params.page = check_page(a.page);
  out.params.indptr = a.kv_indptr.data, out.params.lengths = a.kv_last_page_len.data;
  out.params.out = a.seq_lens.data;
  return launch(out, batch, batch);
}

bool plan(const SlotMappingArgs& a, int, Plan& out) {
  std::int64_t tokens = check_list(a.batch_indices, batch_names, "tokens");
  check_size(positions_names, "tokens", check_list(a.positions, positions_names, "tokens"), batch_names, tokens);
  check_size(slots_names, "tokens", check_list(a.slots, slots_names, "tokens"), batch_names, tokens);
  out.spec = {.what = What::slots, .to = a.slots.elem};
  plan_pages(a, out);
  out.params.page = check_page(a.page);
  out.params.batch_of = a.batch_indices.data, out.params.positions = a.positions.data;
  out.params.out = a.slots.data;
  return launch(out, tokens, 0);
}

bool plan(const StartOffsetsArgs& a, int, Plan& out) {
  std::int64_t batch = check_list(a.lengths, lengths_names, "sequences");
  std::int64_t sums = check_list(a.starts, starts_names, "elements");
  if (sums != batch && sums != batch + 1) [[unlikely]]
    bad_argument(starts_names, a.starts, fmt::format("has {} elements", sums),
                 fmt::format("{} for the {} of lengths, or one more for their sum", batch, batch));
  out.spec = {.what = What::starts, .from = a.lengths.elem, .to = a.starts.elem};
  out.params.lengths = a.lengths.data, out.params.out = a.starts.data;
  return launch(out, sums, batch);
}

void check(const Spec& s) {
  check_fields(s);
  bool typed = s.what == What::slots || s.what == What::starts;
  auto ok = [&](Elem e) { return e == Elem::i32 || (typed && e == Elem::i64); };
  const char* expected = typed ? "i32 or i64" : "i32: only slots and starts know others";
  need(ok(s.from), "from", name_of(s.from), expected);
  need(ok(s.to), "to", name_of(s.to), expected);
  need(s.what == What::slots || s.pages == Pages::table, "pages", "indices", "table: only slots looks up pages");
}

std::string_view summary() {
  return "makes the lists that other kernels read: positions, lengths, slots, running sums";
}

std::string_view field_help(std::string_view field) {
  static constexpr std::pair<std::string_view, std::string_view> rows[] = {
      {"what", "positions and sequences of tokens, lengths from pages, slots of tokens, running sums of lengths"},
      {"from", "element of page ids (slots) or lengths (starts): i32 or i64"},
      {"to", "element of what is written (slots, starts): i32 or i64"},
      {"pages", "slots: page ids in a table, or behind one another"}};
  for (const auto& [name, help] : rows)
    if (name == field) return help;
  return "";
}

std::vector<Spec> specs_for_model(const ModelShape&) {
  return all_specs();
}

}  // namespace pagejit::indices
