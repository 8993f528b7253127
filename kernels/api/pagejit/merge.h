// merge_attn_states: two attentions over different keys as one. See docs/kernels/merge.md.
#pragma once
#include "kernels/merge/args.h"
