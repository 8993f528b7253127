// Index lists made on the device: positions, lengths, slots, running sums. See docs/kernels/indices.md.
#pragma once
#include "kernels/indices/args.h"
