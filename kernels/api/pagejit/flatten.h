// flatten: the pages of every sequence gathered into one contiguous K and V. See docs/kernels/flatten.md.
#pragma once
#include "kernels/flatten/args.h"
