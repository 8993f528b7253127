"""Rotary embedding, quantisation and append in one launch. Semantics: docs/kernels/rope.md."""

from __future__ import annotations

from typing import Any

from . import _core
from ._outputs import Array, empty, pair


def _like(function: str, x: Array | None, dtype: Any) -> Array | None:
    return None if x is None else empty(function, x, tuple(x.shape), dtype)


def rope_quantize(
    q_rope: Array,
    k_rope: Array,
    q_nope: Array | None,
    k_nope: Array | None,
    cos_sin_cache: Array,
    pos_ids: Array,
    is_neox: bool = True,
    quantize_dtype: Any = "float8_e4m3fn",
    quant_scale_q: float | Array = 1.0,
    quant_scale_kv: float | Array = 1.0,
    q_rope_out: Array | None = None,
    k_rope_out: Array | None = None,
    q_nope_out: Array | None = None,
    k_nope_out: Array | None = None,
    *,
    v: Array | None = None,
    v_out: Array | None = None,
    settled: bool = False,
) -> tuple[Array | None, ...]:
    """Rotates and quantises Q and K, and quantises V, into dense outputs.

    Args:
        q_rope: `[tokens, query_heads, R]` float16, bfloat16 or float32: the rotated part of Q.
        k_rope: `[tokens, kv_heads, R]` or `[tokens, R]`.
        q_nope: `[tokens, query_heads, N]`, the plain part of Q; None: all of a head is rotated.
        k_nope: As `q_nope`, of K.
        cos_sin_cache: `[positions, R]` float32: R/2 cosines, then R/2 sines.
        pos_ids: `[tokens]` int32 or int64: rows of `cos_sin_cache`.
        is_neox: Halves are rotated against each other; else neighbours.
        quantize_dtype: Of outputs that are None: float8_e4m3fn, float8_e5m2, or the inputs' own (nothing is quantised).
        quant_scale_q: What Q is multiplied by before it is rounded: a number, or one float32 on the device.
        quant_scale_kv: The same of K and V.
        q_rope_out: As `q_rope`, to write to; the next three likewise.
        k_rope_out: As `k_rope`.
        q_nope_out: As `q_nope`.
        k_nope_out: As `k_nope`.
        v: `[tokens, kv_heads, D]`, or None.
        v_out: As `v`, to write to.
        settled: A promise: the kernel launched just before on this stream does not write tables, lists and scales.

    Returns:
        `q_rope_out`, `k_rope_out`, `q_nope_out`, `k_nope_out`, and `v_out` where `v` is given.
    """
    name = "rope_quantize"
    q_rope_out = _like(name, q_rope, quantize_dtype) if q_rope_out is None else q_rope_out
    k_rope_out = _like(name, k_rope, quantize_dtype) if k_rope_out is None else k_rope_out
    q_nope_out = _like(name, q_nope, quantize_dtype) if q_nope_out is None else q_nope_out
    k_nope_out = _like(name, k_nope, quantize_dtype) if k_nope_out is None else k_nope_out
    v_out = _like(name, v, quantize_dtype) if v_out is None else v_out
    _core.rope_quantize(
        q_rope, k_rope, q_nope, k_nope, v, cos_sin_cache, pos_ids, is_neox, quant_scale_q, quant_scale_kv, settled,
        q_rope_out, k_rope_out, q_nope_out, k_nope_out, v_out,
    )  # fmt: skip
    outputs = (q_rope_out, k_rope_out, q_nope_out, k_nope_out)
    return outputs if v is None else (*outputs, v_out)


def rope_quantize_append(
    q_rope: Array,
    k_rope: Array,
    q_nope: Array | None,
    k_nope: Array | None,
    v: Array | None,
    cos_sin_cache: Array,
    pos_ids: Array,
    paged_kv_cache: tuple[Array, Array] | Array,
    kv_indices: Array | None = None,
    kv_indptr: Array | None = None,
    batch_indices: Array | None = None,
    positions: Array | None = None,
    is_neox: bool = True,
    quantize_dtype: Any = None,
    quant_scale_q: float | Array = 1.0,
    quant_scale_kv: float | Array = 1.0,
    page_size: int | None = None,
    kv_layout: str = "NHD",
    q_rope_out: Array | None = None,
    q_nope_out: Array | None = None,
    *,
    slot_mapping: Array | None = None,
    valid_tokens: Array | None = None,
    zero_padding: bool = False,
    settled: bool = False,
) -> tuple[Array, Array | None]:
    """Rotates and quantises Q, and appends K and V, rotated and quantised, to a paged cache: in one launch.

    Args:
        q_rope: As in `rope_quantize`, like the next three and the table.
        k_rope: As there.
        q_nope: As there.
        k_nope: As there.
        v: `[tokens, kv_heads, D]`; None: MLA.
        cos_sin_cache: As there.
        pos_ids: As there.
        paged_kv_cache: `(k_cache, v_cache)`, `[pages, page, heads, R + N]` and `[…, D]` or by `kv_layout`, or one tensor
            `[pages, 2, …]`. MLA: `(ckv_cache, kpe_cache)`, `[pages, page, N]` and `[pages, page, R]`. Written.
        kv_indices: Page ids of all sequences.
        kv_indptr: `[batch + 1]`: where those of each sequence begin.
        batch_indices: `[tokens]`: each token's sequence; negative: padding.
        positions: `[tokens]`: its position there. These four are all int32 or all int64.
        is_neox: As in `rope_quantize`.
        quantize_dtype: Of query outputs that are None; None: the cache's.
        quant_scale_q: As in `rope_quantize`.
        quant_scale_kv: As in `rope_quantize`.
        page_size: Not needed, the cache says it; there for callers of the original.
        kv_layout: "NHD" or "HND".
        q_rope_out: As `q_rope`, to write to.
        q_nope_out: As `q_nope`, to write to.
        slot_mapping: `[tokens]` int32 or int64, in place of the four lists.
        valid_tokens: One int32 on the device: tokens from there on are padding.
        zero_padding: Query outputs of padding become zeros; else they stay as they were.
        settled: As in `rope_quantize`.

    Returns:
        `q_rope_out` and `q_nope_out`.
    """
    name = "rope_quantize_append"
    k_cache, v_cache = pair(name, "paged_kv_cache", paged_kv_cache, 1)
    if q_rope_out is None or (q_nope_out is None and q_nope is not None):
        dtype = quantize_dtype if quantize_dtype is not None else k_cache.dtype
        q_rope_out = _like(name, q_rope, dtype) if q_rope_out is None else q_rope_out
        q_nope_out = _like(name, q_nope, dtype) if q_nope_out is None else q_nope_out
    _core.rope_quantize_append(
        q_rope, k_rope, q_nope, k_nope, v, cos_sin_cache, pos_ids, k_cache, v_cache, kv_indices, kv_indptr,
        batch_indices, positions, slot_mapping, valid_tokens, is_neox, quant_scale_q, quant_scale_kv, kv_layout,
        zero_padding, settled, q_rope_out, q_nope_out,
    )  # fmt: skip
    return q_rope_out, q_nope_out
