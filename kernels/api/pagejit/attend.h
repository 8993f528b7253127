// decode_attention: attention over a paged cache. See docs/kernels/attend.md.
#pragma once
#include "kernels/attend/args.h"
