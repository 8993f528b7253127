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

BulkRows::BulkRows(Kernel& k, const Spec& s, const std::vector<const CacheRows*>& rows)
    : k_(k), s_(s), rows_(bulk_ones(k, rows)), arrivals_(k, "arrivals", s.stages) {}

void BulkRows::copy(const Value& tile, const Value& stage, const Value& limit, const std::vector<Tile>& ids) const {
  const PageIds& lookup = rows_.front()->ids().front();
  Tile page = cast(lookup.page(ids), Type::i32), row = lookup.row(tile);
  int rows = box_rows(s_), boxes = s_.keys / rows, bytes_of_row = 0;
  for (const CacheRows* r : rows_)
    for (int i = 0; i < r->pieces(); ++i) bytes_of_row += r->piece(i).size * bytes(r->source().at.elem());
  Value left = limit - tile * s_.keys;
  arrivals_.by_one([&] {
    Value live = minimum((maximum(left, 0) + (rows - 1)) / rows, boxes);
    arrivals_.expect(stage, live * (rows * bytes_of_row));
    for (int box = 0; box < boxes; ++box)
      k_.when(left > box * rows, [&] {
        Value in_page(k_, Type::i32, row.reg(box)), of(k_, Type::i32, page.reg(box));
        for (const CacheRows* r : rows_)
          for (int i = 0; i < r->pieces(); ++i)
            arrivals_.copy_box(stage, r->tile(i).row(box * rows, stage), r->source().map,
                               {k_.constant(Type::i32, r->piece(i).first), in_page, r->source().head, of});
      });
  });
}

Value BulkRows::wait(const Value& tile, const Value& stage, const Value& limit, const Value& phases) const {
  arrivals_.wait(stage, (phases >> stage) & 1);
  Value left = limit - tile * s_.keys;
  k_.when(left < s_.keys, [&] { fill_rest(stage, left); });
  return phases ^ (k_.constant(Type::i32, 1) << stage);
}

/// Weights of keys past the end are 0; what they are multiplied with may not be NaN.
void BulkRows::fill_rest(const Value& stage, const Value& left) const {
  for (const CacheRows* r : rows_)
    for (int i = 0; i < r->pieces(); ++i) {
      Elem elem = r->source().at.elem();
      int size = r->piece(i).size;
      Layout layout = along_rows(s_.keys, size, 16 / bytes(elem), k_.warps());
      Tile zeros = k_.full(layout, Value(cast(k_.constant(Type::i32, 0), type_of(elem))));
      r->tile(i).store(zeros, stage, k_.arange(layout, 0) >= left);
    }
  k_.machine(MachineOp::async_fence, {});
}

}  // namespace pagejit::attend
