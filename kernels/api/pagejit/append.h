// Writers: the rows of new tokens into a paged cache, quantised on the way. See docs/kernels/append.md.
#pragma once
#include "kernels/append/args.h"
