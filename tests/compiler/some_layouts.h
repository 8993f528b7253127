// Layouts for tests: those that kernels use, and random ones.
#pragma once
#include <random>
#include <vector>

#include "compiler/layout.h"

namespace pagejit {

/// Layouts of [m, n] for so many warps, slices and fragments among them where the shape allows.
std::vector<Layout> layouts_of(int m, int n, int warps);

/// Holds every element of [m, n]: bases mixed at random, in so many register bits as that takes and a few that make
/// copies.
Layout random_layout(std::mt19937_64& random, int m, int n, int warps);

}  // namespace pagejit
