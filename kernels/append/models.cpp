// The Specs that serving a model can ask for.
#include "kernels/append/host.h"

namespace pagejit::append {
namespace {

/// Every alignment class that can occur, and every way to say where tokens go that `s` leaves open.
void add_aligned(std::vector<Spec>& all, Spec s) {
  for (Align align : {Align::a16, Align::a8, Align::a4, Align::elem}) {
    if (align == Align::elem && bytes(s.in) >= 4 && bytes(s.k) >= 4) continue;  // 4 bytes are aligned to 4
    s.align = align;
    choose_block(s);
    all.push_back(s);
  }
}

void add_ragged(std::vector<Spec>& all, Spec s, const ModelShape& m) {
  s.where = Where::ragged;
  for (Elem lengths : m.lengths)
    for (Starts starts : {Starts::computed, Starts::given, Starts::indptr}) {
      s.lengths = lengths, s.starts = starts;
      add_aligned(all, s);
    }
}

void add_slots(std::vector<Spec>& all, Spec s) {
  s.where = Where::slots, s.table = Elem::i64;
  add_aligned(all, s);
}

void add_positions(std::vector<Spec>& all, Spec s) {
  s.where = Where::batch_pos;
  add_aligned(all, s);
}

/// K and V, or a joint row written as one tensor.
Spec whole_rows(const ModelShape& m, Quant quant) {
  Spec s;
  s.in = m.elem, s.meta = model_metadata(quant) ? m.elem : s.meta;
  s.quant_k = quant, s.quant_v = quant == Quant::turbo4 ? Quant::turbo2 : quant;
  s.k = quant == Quant::none ? m.elem : quant == Quant::fp8 ? m.fp8 : quant == Quant::fp8_group ? Elem::e4m3 : Elem::u8;
  s.v = s.k, s.dim_k = m.dim_k, s.dim_v = m.joint ? 0 : m.dim_v;
  if (m.joint) s.quant_v = Quant::none;
  return s;
}

/// The latent and the rope part, each for itself.
Spec parts(const ModelShape& m, Quant quant) {
  Spec s = whole_rows(m, quant);
  s.dim_k = m.dim_v, s.dim_v = m.dim_k - m.dim_v;
  s.quant_v = quant == Quant::fp8_group ? Quant::none : quant;
  s.v = quant == Quant::fp8_group ? m.elem : s.k;
  s.scale_rule = quant == Quant::fp8_group ? ScaleRule::mla : s.scale_rule;
  return s;
}

void add_mla(std::vector<Spec>& all, const ModelShape& m, Quant quant) {
  if (quant == Quant::none) add_positions(all, parts(m, quant));
  if (quant == Quant::none || quant == Quant::fp8) add_slots(all, parts(m, quant));
  if (quant == Quant::fp8_group)
    for (bool power_of_two : {false, true}) {
      Spec s = parts(m, quant);
      s.power_of_two = power_of_two;
      add_slots(all, s);
      s.scale_rule = ScaleRule::blocked;
      add_ragged(all, s, m);
    }
  else if (quant < Quant::turbo4)
    add_ragged(all, whole_rows(m, quant), m);
}

}  // namespace

std::vector<Spec> specs_for_model(const ModelShape& m) {
  std::vector<Spec> all;
  for (int page : m.pages)
    for (Quant quant : m.quants) {
      std::vector<Spec> of_mode;
      if (m.joint) {
        add_mla(of_mode, m, quant);
      } else {
        Spec s = whole_rows(m, quant);
        add_ragged(of_mode, s, m);
        add_slots(of_mode, s);
        add_positions(of_mode, s);
      }
      for (Spec& s : of_mode) {
        s.page = page;
        all.push_back(s);
      }
    }
  return all;
}

}  // namespace pagejit::append
