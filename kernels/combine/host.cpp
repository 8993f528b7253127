#include "kernels/combine/host.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "kernels/common/rules.h"

namespace pagejit::combine {

void choose_block(Spec& s, Share share) {
  // Most of the time goes by between a block's first load and its last store: so a thread loads all at once that it
  // loads, four elements of two parts or four, and blocks are small but for large batches, most of whose blocks have
  // nothing to do.
  constexpr struct { int parts, rows, columns, along; } shapes[] = {{4, 8, 128, 1}, {16, 8, 16, 1}, {64, 1, 32, 4}};
  const auto& shape = shapes[static_cast<int>(share)];
  s.parts = shape.parts, s.rows = shape.rows, s.along = shape.along;
  s.columns = std::min(shape.columns, static_cast<int>(std::bit_ceil(static_cast<unsigned>(s.dim))));
}

void check(const Spec& s) {
  check_fields(s);
  need(s.to == Elem::f16 || s.to == Elem::bf16, "to", name_of(s.to), "f16 or bf16");
  need(is_index(s.lengths), "lengths", name_of(s.lengths), "i32 or i64");
  need(s.along * s.rows <= 32, "rows", fmt::format("{}", s.rows),
       fmt::format("at most {}, for {} warps a row", 32 / s.along, s.along));
  need(s.along <= s.parts, "along", fmt::format("{}", s.along), fmt::format("at most {}, for as many parts", s.parts));
}

std::string_view summary() {
  return "puts the parts together that attention split sequences into";
}

std::string_view field_help(std::string_view field) {
  static constexpr std::pair<std::string_view, std::string_view> rows[] = {
      {"to", "element of the output: f16 or bf16"},
      {"dim", "head dim of the output"},
      {"lengths", "element of the lengths: i32 or i64"},
      {"ragged", "sequences have different numbers of queries"},
      {"window", "keys further back than a bound are not seen"},
      {"sinks", "each head has a logit without a value"},
      {"lse", "the log of each row's sum is written"},
      {"group", "query heads that share a KV head"},
      {"team_rows", "query rows of a team of attention"},
      {"keys", "keys of a turn of attention"},
      {"parts", "parts of a row that a block adds up at once"},
      {"rows", "rows of a block"},
      {"columns", "elements of each row of a block"},
      {"along", "warps that share the parts of a row"}};
  for (const auto& [name, help] : rows)
    if (name == field) return help;
  return "";
}

}  // namespace pagejit::combine
