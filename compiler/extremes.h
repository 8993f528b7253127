// The least and the largest number of each row, the first step of quantising it.
#pragma once
#include "compiler/kernel.h"

namespace pagejit {

/// f32, one for each item, in a layout that broadcasts over the tile they are of.
struct Extremes {
  Tile least, most;
};

/// Of each item of a tile [items, fields, columns] of f16, bf16 or f32; `exists` says which elements count (empty:
/// all). `most` is NaN where the item has a NaN. Numbers of 16 bits are compared in pairs, and one word then carries
/// both extremes from lane to lane.
Extremes extremes(Kernel& k, const Tile& a, const Tile& exists);

}  // namespace pagejit
