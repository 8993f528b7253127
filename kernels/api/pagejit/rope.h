// rope: rotary embedding, quantisation and append in one launch. See docs/kernels/rope.md.
#pragma once
#include "kernels/rope/args.h"
