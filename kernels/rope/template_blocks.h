// Which block and thread of a launch works on what. The host deals it out (Deals in host.h), this reads it back.
#pragma once
#include <vector>

#include "compiler/kernel.h"
#include "kernels/common/destination.h"
#include "kernels/rope/spec.h"

namespace pagejit::rope {

/// A multiplier of what is stored: a number of the launch, or one in memory.
struct Scale {
  bool quantised;
  Pointer at;  // may be null in the kernel
  Value number;
};
Value load_scale(Kernel& k, const Scale& scale);

/// What all blocks share.
struct Lists {
  Destinations places;
  Pointer pos_ids, table;
  Value table_row, tokens, tile;
};

/// What the blocks of one part share.
struct Work {
  int part;
  bool rotated, query;
  Pointer in, out;
  Value token_stride, head_stride;
  Value out_page, out_row, out_head;  // dense: out_page is a token's stride, and out_row is not used
  Value heads;
  Scale scale;
  Value blocks, splits, pass, group, split_magic, pass_magic;
};

Lists make_lists(const Kernel::Parameters<Params>& p, const Spec& s);
/// Of the parts that the Spec has; those with the longest look-up first.
std::vector<Work> make_works(const Kernel::Parameters<Params>& p, const Spec& s);

/// The tile of tokens that this block works on.
Value tile_of(Kernel& k, const Kernel::Parameters<Params>& p);

/// What one thread works on: columns from `column` on of heads first_head + local_head, then every `pass`-th.
struct Share {
  Value token, first_head, local_head, column;
  Value live;  // i1: there is such a token
};
Share share(Kernel& k, const Spec& s, const Lists& lists, const Work& w, const Value& tile, const Value& block);

}  // namespace pagejit::rope
