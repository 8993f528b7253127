#include "kernels/combine/host.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/common/rules.h"

namespace pagejit::combine {

void choose_block(Spec& s, bool many) {
  s.parts = many ? 64 : 4;
  s.rows = many ? 1 : 2;
  while (s.parts > 8 && s.parts / 8 * s.dim / 32 > 64) s.parts /= 2;  // as far as registers hold them
}

void check(const Spec& s) {
  check_fields(s);
  need(s.to == Elem::f16 || s.to == Elem::bf16, "to", name_of(s.to), "f16 or bf16");
  need(is_index(s.lengths), "lengths", name_of(s.lengths), "i32 or i64");
  need(std::min(s.parts, 8) * s.rows <= 32, "rows", fmt::format("{}", s.rows),
       fmt::format("at most {}, for {} parts", 32 / std::min(s.parts, 8), s.parts));
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
      {"rows", "rows of a block"}};
  for (const auto& [name, help] : rows)
    if (name == field) return help;
  return "";
}

}  // namespace pagejit::combine
