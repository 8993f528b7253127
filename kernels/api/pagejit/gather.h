// gather_cache, gather_mla, gather_indexer: rows of a paged cache for chunked prefill. See docs/kernels/gather.md.
#pragma once
#include "kernels/gather/args.h"
