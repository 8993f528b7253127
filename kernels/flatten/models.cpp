// What serving a model can ask for: one kernel for each way that caches, lists and tails may be given.
#include "kernels/flatten/host.h"

namespace pagejit::flatten {
namespace {

/// MLA's 656-byte rows: the latent elements in fp8, the rotated ones as they are.
void set_mla_rows(Spec& s, const ModelShape& m) {
  s.k = Elem::e4m3, s.quant_k = Quant::fp8_group, s.dim_k = m.dim_v;
  s.v = m.elem, s.quant_v = Quant::none, s.dim_v = m.rope_dim;
}

void set_quantised(Spec& s, const ModelShape& m, Quant quant) {
  s.quant_k = quant, s.quant_v = quant == Quant::turbo4 ? Quant::turbo2 : quant;
  s.k = s.v = quant == Quant::none        ? m.elem
              : quant == Quant::fp8       ? m.fp8
              : quant == Quant::fp8_group ? Elem::e4m3
                                          : Elem::u8;
  if (model_metadata(quant)) s.meta = m.elem;
  s.dim_k = m.dim_k;
  s.dim_v = m.joint ? m.dim_k : m.dim_v;
  s.joint = m.joint;
}

void add_tails_and_classes(std::vector<Spec>& all, Spec s) {
  bool bytes_matter = s.quant_k != Quant::none || bytes(s.k) < 4;  // an element of 4 bytes is aligned to 4
  for (Tail tail : {Tail::zero, Tail::untouched})
    for (Align align : {Align::a16, Align::a8, Align::a4, Align::elem}) {
      if (align == Align::elem && !bytes_matter) continue;
      s.tail = tail, s.align = align;
      choose_block(s);
      all.push_back(s);
    }
}

/// Chunked prefill of MLA: gather_cache of plain and fp8 rows, gather_mla of 656-byte ones.
void add_gathers(std::vector<Spec>& all, Spec s, bool mla_rows) {
  if (mla_rows) {
    s.starts = Starts::i32, s.offsets = true;
    return add_tails_and_classes(all, s);
  }
  s.starts = Starts::indptr;
  for (bool offsets : {false, true}) {
    s.offsets = offsets;
    add_tails_and_classes(all, s);
  }
}

void add_quant(std::vector<Spec>& all, const ModelShape& m, Quant quant) {
  Spec s;
  s.to = m.elem;
  bool mla_rows = m.joint && quant == Quant::fp8_group;
  if (mla_rows)
    set_mla_rows(s, m);
  else
    set_quantised(s, m, quant);
  for (int page : m.pages) {
    s.page = page;
    for (Elem lengths : m.lengths)
      for (Starts starts : {Starts::computed, lengths == Elem::i64 ? Starts::i64 : Starts::i32}) {
        s.lengths = lengths, s.starts = starts;
        add_tails_and_classes(all, s);
      }
    s.lengths = Elem::i32;
    if (m.joint && quant <= Quant::fp8_group) add_gathers(all, s, mla_rows);
  }
}

bool possible(const ModelShape& m, Quant quant) {
  if (m.joint && quant == Quant::fp8_group) return bytes(m.elem) == 2;
  if (quant == Quant::turbo4) return !m.joint && (m.dim_k & (m.dim_k - 1)) == 0 && (m.dim_v & (m.dim_v - 1)) == 0;
  return m.dim_k % per_code(quant) == 0 && m.dim_v % per_code(quant) == 0;
}

}  // namespace

std::vector<Spec> specs_for_model(const ModelShape& m) {
  std::vector<Spec> all;
  for (Quant quant : m.quants)
    if (possible(m, quant)) add_quant(all, m, quant);
  return all;
}

}  // namespace pagejit::flatten
