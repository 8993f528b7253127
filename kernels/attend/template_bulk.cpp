#include "kernels/attend/template_bulk.h"

namespace pagejit::attend {
namespace {

std::vector<const CacheRows*> bulk_ones(Kernel& k, const std::vector<const CacheRows*>& rows) {
  std::vector<const CacheRows*> all;
  for (const CacheRows* r : rows)
    if (r->bulk()) all.push_back(r);
  k.when(k.thread() == 0, [&] {
    for (const CacheRows* r : all) k.machine(MachineOp::prefetch_map, {r->source().map});
  });
  return all;
}

}  // namespace

BulkRows::BulkRows(Kernel& k, const Spec& s, const std::vector<const CacheRows*>& rows, const SplitProducts* groups)
    : k_(k), s_(s), rows_(bulk_ones(k, rows)), groups_(groups), arrivals_(k, "arrivals", s.stages) {
  if (groups) given_back_.emplace(k, "given back", s.stages, 32 * k.warps());
}

void BulkRows::copy(const Value& tile, const Value& stage, const Value& phases, const Value& limit,
                    const std::vector<Tile>& ids) const {
  const PageIds& lookup = rows_.front()->ids().front();
  Tile page = cast(lookup.page(ids), Type::i32), row = lookup.row(tile);
  int rows = box_rows(s_), boxes = s_.keys / rows, bytes_of_row = 0;
  for (const CacheRows* r : rows_) bytes_of_row += r->pieces() * r->piece(0).size * bytes(r->source().at.elem());
  Value zero = k_.constant(Type::i32, 0), left = limit - tile * s_.keys;
  auto bring = [&](const CacheRows& r, int i, int box) {
    Value in_page(k_, Type::i32, row.reg(box)), of(k_, Type::i32, page.reg(box));
    arrivals_.copy_box(stage, r.tile(i).row(box * rows, stage), r.source().map,
                       {zero, in_page, r.source().head, of, k_.constant(Type::i32, i)});
  };
  arrivals_.by_one([&] {
    // What the stage held is given back as often as it has come.
    if (given_back_) given_back_->wait(stage, ((phases >> stage) & 1) ^ 1);
    if (whole_boxes(s_)) {
      arrivals_.expect(stage, k_.constant(Type::i32, rows * bytes_of_row));
      for (const CacheRows* r : rows_) bring(*r, 0, 0);
      return;
    }
    Value live = minimum((maximum(left, 0) + (rows - 1)) / rows, boxes);
    arrivals_.expect(stage, live * (rows * bytes_of_row));
    for (int box = 0; box < boxes; ++box)
      k_.when(left > box * rows, [&] {
        for (const CacheRows* r : rows_)
          for (int i = 0; i < r->pieces(); ++i) bring(*r, i, box);
      });
  });
}

Value BulkRows::wait(const Value& tile, const Value& stage, const Value& limit, const Value& phases) const {
  arrivals_.wait(stage, (phases >> stage) & 1);
  Value left = limit - tile * s_.keys;
  k_.when(left < s_.keys, [&] {
    fill_rest(stage, left);
    if (groups_) groups_->wait_for_rest();
  });
  return phases ^ (k_.constant(Type::i32, 1) << stage);
}

void BulkRows::give_back(const Value& stage) const {
  given_back_->arrive(stage);
}

/// Weights of keys past the end are 0; what they are multiplied with may not be NaN. Of groups the first one does it.
void BulkRows::fill_rest(const Value& stage, const Value& left) const {
  for (const CacheRows* r : rows_)
    for (int i = 0; i < r->pieces(); ++i) {
      Elem elem = r->source().at.elem();
      int size = r->piece(i).size;
      Layout layout = along_rows(s_.keys, size, 16 / bytes(elem), groups_ ? s_.across : k_.warps(), k_.warps());
      Tile zeros = k_.full(layout, Value(cast(k_.constant(Type::i32, 0), type_of(elem))));
      r->tile(i).store(zeros, stage, k_.arange(layout, 0) >= left);
    }
  k_.machine(MachineOp::async_fence, {});
}

}  // namespace pagejit::attend
