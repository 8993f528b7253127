// Where the row of a new token goes in a paged cache: the look-up that every writer begins with.
#pragma once
#include "compiler/kernel.h"
#include "kernels/common/ragged.h"
#include "kernels/common/where.h"

namespace pagejit {

/// The lists that the look-up reads; those of the other forms stay empty. Elements are i32 or i64, each as it is
/// stored.
struct Destinations {
  Where where;
  int page;       // rows of a page
  Pointer valid;  // one number: tokens from there on are written nowhere. May be null in the kernel: all tokens count

  // ragged: row i of sequence b has position kv_lengths[b] − length_b + i
  Ragged sequences;    // of the tokens
  Pointer kv_lengths;  // [batch], the new tokens included
  Pointer table;       // [batch, …] page ids, rows table_row apart
  Value table_row;

  Pointer slots;  // [tokens]

  // batch_pos: page = indices[indptr[batch] + position div page]
  Pointer batch, position;  // [tokens]
  Pointer indptr, indices;
};

/// One for each token asked for. A page of −1: the token is written nowhere.
struct Destination {
  Tile page;  // i64
  Tile row;   // i32, of the page
};

/// For each `token` (i32) that is `live`; slots and batch_pos only. Threads that ask for one token share its loads, so
/// nothing needs to go through shared memory. Tokens that are not live, with a negative slot, batch or position are
/// written nowhere, and nothing that belongs to them is looked up.
Destination find_destination(Kernel& k, const Destinations& lists, const Tile& token, const Tile& live);

/// Whether such a token is written anywhere, without looking up where: for what else is left out with it.
Tile is_written(Kernel& k, const Destinations& lists, const Tile& token, const Tile& live);

/// The destination for any form: thread r finds token first_token + r, for r < tokens. Called by whole warps, any
/// number of them.
Destination find_destinations(Kernel& k, const Destinations& lists, const Value& first_token, const Value& tokens);

}  // namespace pagejit
