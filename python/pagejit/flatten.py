"""Pages to contiguous rows: what LMDeploy's users know as `flatten_kv_cache`. Semantics: docs/kernels/flatten.md."""

from __future__ import annotations

from typing import Any

from . import _core
from ._outputs import Array, empty

_PACKED = {4: (2, 2), "int4": (2, 2), 42: (2, 4), "turbo": (2, 4)}  # elements in a byte, K's and V's
_UNQUANTISED = (0, "none")


def _outputs(
    k_caches: Array,
    v_caches: Array | None,
    out_size: int | None,
    out_dtype: Any,
    quant_policy: int | str,
    kv_layout: str,
    flatten_kv_layout: str,
) -> tuple[Array, Array | None]:
    page, heads = (2, 1) if kv_layout in ("bhsd", "HND") else (1, 2)
    if len(k_caches.shape) != 4:
        raise ValueError(f"flatten_kv_cache: k_caches has {len(k_caches.shape)} dimensions; expected 4, or pass out=")
    rows = out_size if out_size is not None else k_caches.shape[0] * k_caches.shape[page]
    count = k_caches.shape[heads]
    if out_dtype is None and quant_policy not in _UNQUANTISED:
        out_dtype = "float16"

    def one(cache: Array, per_byte: int) -> Array:
        dim = cache.shape[3] * per_byte
        shape = (rows, count, dim) if flatten_kv_layout == "shd" else (count, rows, dim)
        return empty("flatten_kv_cache", k_caches, shape, out_dtype)

    k_per_byte, v_per_byte = _PACKED.get(quant_policy, (1, 1))
    k_out = one(k_caches, k_per_byte)
    joint = v_caches is None or (quant_policy in _UNQUANTISED and _core.same_memory(k_caches, v_caches))
    return k_out, None if joint else one(v_caches, v_per_byte)


def flatten_kv_cache(
    k_caches: Array,
    v_caches: Array | None,
    seqlens: Array,
    block_offsets: Array,
    start_loc: Array | None = None,
    out_size: int | None = None,
    out_dtype: Any = None,
    k_scales_zeros: Array | None = None,
    v_scales_zeros: Array | None = None,
    quant_policy: int | str = 0,
    kv_layout: str = "bshd",
    flatten_kv_layout: str = "hsd",
    *,
    tail: str = "zero",
    zero_gaps: bool = False,
    settled: bool = False,
    out: tuple[Array, Array | None] | None = None,
) -> tuple[Array, Array]:
    """Gathers the pages of every sequence into one contiguous K and V, dequantised, and zeroes what follows.

    Args:
        k_caches: `[pages, page, heads, dim]` (kv_layout "bshd") or `[pages, heads, page, dim]` ("bhsd"). float16,
            bfloat16, float32, or the codes that `quant_policy` says. Any strides, the last one 1.
        v_caches: As `k_caches`, with a head dim and strides of its own. None, or K's own memory: V is the first
            elements of K (MLA), and the V returned is a view of the K returned.
        seqlens: `[batch]` int32 or int64.
        block_offsets: `[batch, columns]` page ids, int32 or int64. Entries past a sequence's end are never read.
        start_loc: `[batch]`, the first row of each sequence; None: they stand behind one another.
        out_size: Rows of the outputs; None: as many as the cache has. Read only where `out` is None.
        out_dtype: Of the outputs; None: the cache's, float16 for quantised caches. Read only where `out` is None.
        k_scales_zeros: Scales of a quantised cache, docs/kernels/flatten.md.
        v_scales_zeros: As `k_scales_zeros`.
        quant_policy: 0 or "none", 4 or "int4", 8 or "int8", 16 or "fp8", 17 or "fp8_e5m2", 42 or "turbo", "fp8_group".
        kv_layout: "bshd" (or "NHD"), "bhsd" (or "HND").
        flatten_kv_layout: "hsd": `[heads, rows, dim]`; "shd": `[rows, heads, dim]`.
        tail: "zero": rows behind the last sequence become zeros, to the very end. "untouched": they stay.
        zero_gaps: Rows between sequences become zeros as well.
        settled: A promise: the kernel launched just before on this stream does not write the lists.
        out: `(k_out, v_out)` to write to; v_out None where V is a part of K.

    Returns:
        K and V.

    Raises:
        TypeError: An argument is no tensor, or of an element type that no kernel takes.
        ValueError: An argument does not fit; the text says which and what was expected.
    """
    if out is None:
        out = _outputs(k_caches, v_caches, out_size, out_dtype, quant_policy, kv_layout, flatten_kv_layout)
    k_out, v_out = out
    _core.flatten_kv_cache(
        k_caches, v_caches, seqlens, block_offsets, start_loc, k_scales_zeros, v_scales_zeros, quant_policy,
        kv_layout, flatten_kv_layout, tail, zero_gaps, settled, k_out, v_out,
    )  # fmt: skip
    if v_out is None:
        v_out = k_out if v_caches is None else k_out[..., : v_caches.shape[-1]]
    return k_out, v_out


def flatten_kv_cache_mla_fp8(
    kv_cache: Array,
    seqlens: Array,
    block_offsets: Array,
    start_loc: Array | None = None,
    out_size: int | None = None,
    out_dtype: Any = "bfloat16",
    flatten_kv_layout: str = "hsd",
    *,
    tail: str = "zero",
    zero_gaps: bool = False,
    settled: bool = False,
    out: Array | None = None,
) -> Array:
    """Flattens MLA's rows of 656 bytes: 512 fp8 codes, four float32 scales, 64 rotated elements of 16 bits.

    Args:
        kv_cache: `[pages, page, heads, 656]` uint8.
        seqlens: `[batch]` int32 or int64.
        block_offsets: `[batch, columns]` page ids, int32 or int64.
        start_loc: `[batch]`, the first row of each sequence; None: they stand behind one another.
        out_size: Rows of the output; None: as many as the cache has.
        out_dtype: The type that wrote the rotated elements: bfloat16 or float16.
        flatten_kv_layout: "hsd": `[heads, rows, 576]`; "shd": `[rows, heads, 576]`.
        tail: As in `flatten_kv_cache`, like the next two.
        zero_gaps: As there.
        settled: As there.
        out: The output to write to.

    Returns:
        The rows, 576 elements each.
    """
    if out is None:
        rows = out_size if out_size is not None else kv_cache.shape[0] * kv_cache.shape[1]
        heads = kv_cache.shape[2]
        shape = (rows, heads, 576) if flatten_kv_layout == "shd" else (heads, rows, 576)
        out = empty("flatten_kv_cache_mla_fp8", kv_cache, shape, out_dtype)
    _core.flatten_kv_cache_mla_fp8(
        kv_cache, seqlens, block_offsets, start_loc, flatten_kv_layout, tail, zero_gaps, settled, out
    )
    return out
