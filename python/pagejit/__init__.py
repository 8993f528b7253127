"""pagejit: GPU kernels for paged KV caches, generated, cached and launched at run time.

Functions take torch tensors, or others that speak DLPack, and run on the tensors' GPU and torch's current stream; with
arrays in host memory, NumPy's or torch's, they run on the emulator. None of them waits for the device. Once its kernel
is loaded (`prepare`) every call may be captured into a CUDA graph.
"""

import atexit as _atexit

from . import _core, cache
from .append import (
    append_paged_kv_cache,
    append_paged_mla_kv_cache,
    concat_and_cache_mla,
    fill_kv_cache,
    indexer_k_quant_and_cache,
    reshape_and_cache,
)
from .attention import decode_attention, decode_workspace, merge_attn_states
from .errors import (
    AbsentError,
    ArgumentError,
    CacheError,
    CacheMissError,
    CaptureError,
    CompileError,
    DeadlineError,
    DriverError,
    Error,
    SealedError,
    UnsupportedError,
)
from .flatten import flatten_kv_cache, flatten_kv_cache_mla_fp8
from .gather import (
    cp_gather_and_upconvert_fp8_kv_cache,
    cp_gather_indexer_k_quant_cache,
    gather_and_maybe_dequant_cache,
    gather_cache,
)
from .indices import batch_positions, seq_lens, slot_mapping, start_offsets
from .process import Device, Explanation, configure, device, explain, precompile, prepare, seal, stream
from .rope import rope_quantize, rope_quantize_append

_atexit.register(_core.close)

__all__ = [name for name in dir() if not name.startswith("_")]
