#include "kernels/common/destination.h"

namespace pagejit {
namespace {

/// token < *valid; true where there is no such bound. Loads nothing that the look-up of a token must wait for.
Tile counts(Kernel& k, const Destinations& lists, const Tile& token) {
  Value bounded(lists.valid.base() != 0);
  Value valid(k.load(lists.valid, bounded, "valid"));
  return token < Value(select(bounded, valid, k.constant(valid.type(), 0x7fffffff)));
}

Destination place(Kernel& k, const Tile& found, const Tile& page, const Tile& position, int rows) {
  return {select(found, wide(page), k.constant(Type::i64, -1)), cast(position % rows, Type::i32)};
}

Destination by_slot(Kernel& k, const Destinations& lists, const Tile& token, const Tile& live) {
  Tile slot = k.load(lists.slots + token, live, "slot");
  Tile found = live & counts(k, lists, token) & (slot >= 0);
  slot = maximum(slot, 0);
  return place(k, found, slot / lists.page, slot, lists.page);
}

Destination by_position(Kernel& k, const Destinations& lists, const Tile& token, const Tile& live) {
  Tile batch = k.load(lists.batch + token, live, "batch");
  Tile position = k.load(lists.position + token, live, "position");
  Tile found = live & counts(k, lists, token) & (batch >= 0) & (position >= 0);
  Tile first = k.load(lists.indptr + maximum(batch, 0), found, "first");
  position = maximum(position, 0);
  Tile page = k.load(lists.indices + (wide(first) + wide(position / lists.page)), found, "page");
  return place(k, found, page, position, lists.page);
}

Destination by_sequence(Kernel& k, const Destinations& lists, const Value& first_token, const Value& tokens) {
  const Ragged& all = lists.sequences;
  // How many rows its sequence has had before. A sequence that ends before it begins has no place for any.
  auto history = [&](const Value& sequence, const Value& live, const Value& length) -> Value {
    return row_number(Value(k.load(lists.kv_lengths + sequence, live, "kv_length")), -1) - length;
  };
  RowOwner owner = find_owner(k, all, first_token, tokens, history);
  Value owned = (k.thread() < tokens) & (owner.sequence >= 0), sequence = maximum(owner.sequence, 0);
  Value position = owner.note + owner.token;
  Tile found = owned & counts(k, lists, first_token + k.thread()) & (position >= 0);
  position = maximum(position, 0);
  Tile entry = wide(sequence) * lists.table_row + position / lists.page;
  Tile page = k.load(lists.table + entry, found, "page");
  return place(k, found, page, position, lists.page);
}

}  // namespace

Destination find_destination(Kernel& k, const Destinations& lists, const Tile& token, const Tile& live) {
  return lists.where == Where::slots ? by_slot(k, lists, token, live) : by_position(k, lists, token, live);
}

Tile is_written(Kernel& k, const Destinations& lists, const Tile& token, const Tile& live) {
  if (lists.where == Where::slots) {
    Tile slot = k.load(lists.slots + token, live, "slot");
    return live & counts(k, lists, token) & (slot >= 0);
  }
  Tile batch = k.load(lists.batch + token, live, "batch");
  Tile position = k.load(lists.position + token, live, "position");
  return live & counts(k, lists, token) & (batch >= 0) & (position >= 0);
}

Destination find_destinations(Kernel& k, const Destinations& lists, const Value& first_token, const Value& tokens) {
  if (lists.where == Where::ragged) return by_sequence(k, lists, first_token, tokens);
  return find_destination(k, lists, first_token + k.thread(), k.thread() < tokens);
}

}  // namespace pagejit
