"""Rows of a paged cache as one tensor, for chunked prefill: after vLLM's gathers. Semantics: docs/kernels/gather.md."""

from __future__ import annotations

from . import _core
from ._outputs import Array


def gather_cache(
    src_cache: Array,
    dst: Array,
    block_table: Array,
    cu_seq_lens: Array,
    seq_starts: Array | None = None,
    *,
    tail: str = "untouched",
    settled: bool = False,
) -> Array:
    """Copies the rows of every sequence, from its `seq_starts` on, to `dst`; converts between float types.

    Args:
        src_cache: `[pages, page, dim]` or `[pages, page, heads, dim]`: float16, bfloat16, float32, any one-byte type.
        dst: `[rows, dim]` or `[rows, heads, dim]`, written. One-byte types are copied to their own kind only.
        block_table: `[batch, columns]` page ids, int32 or int64.
        cu_seq_lens: `[batch + 1]` int32: sequence b owns rows `cu_seq_lens[b]` to `cu_seq_lens[b + 1] - 1` of `dst`.
        seq_starts: `[batch]` int32, the token of each first row; None: 0.
        tail: "untouched": rows that no sequence owns stay; "zero": they become zeros.
        settled: A promise: the kernel launched just before on this stream does not write the lists.

    Returns:
        `dst`.
    """
    _core.gather_cache(
        "gather_cache", src_cache, dst, block_table, cu_seq_lens, seq_starts, "auto", None, tail, settled
    )
    return dst


def gather_and_maybe_dequant_cache(
    src_cache: Array,
    dst: Array,
    block_table: Array,
    cu_seq_lens: Array,
    token_to_seq: Array | None = None,
    num_tokens: int | None = None,
    kv_cache_dtype: str = "auto",
    scale: Array | None = None,
    seq_starts: Array | None = None,
    *,
    tail: str = "untouched",
    settled: bool = False,
) -> Array:
    """As `gather_cache`, out of fp8 where `kv_cache_dtype` says so: `dst` becomes `float(src) * scale`.

    Args:
        src_cache: As in `gather_cache`; bytes are taken for the fp8 codes that `kv_cache_dtype` names.
        dst: `[rows, dim]` or `[rows, heads, dim]`, float16, bfloat16 or float32, written.
        block_table: As in `gather_cache`.
        cu_seq_lens: As in `gather_cache`.
        token_to_seq: Not needed; there for callers of the original.
        num_tokens: Rows of `dst` from there on are not written; None: all may be.
        kv_cache_dtype: "auto", "fp8" (or "fp8_e4m3"), "fp8_e5m2".
        scale: One float32 on the device, or one for each head; read only for fp8.
        seq_starts: As in `gather_cache`.
        tail: As in `gather_cache`.
        settled: As in `gather_cache`.

    Returns:
        `dst`.
    """
    to = dst if num_tokens is None else dst[:num_tokens]
    _core.gather_cache(
        "gather_and_maybe_dequant_cache", src_cache, to, block_table, cu_seq_lens, seq_starts, kv_cache_dtype, scale,
        tail, settled,
    )  # fmt: skip
    return dst


def cp_gather_and_upconvert_fp8_kv_cache(
    src_cache: Array,
    dst: Array,
    block_table: Array,
    seq_lens: Array,
    workspace_starts: Array | None = None,
    seq_starts: Array | None = None,
    *,
    tail: str = "untouched",
    settled: bool = False,
) -> Array:
    """Gathers MLA's rows of 656 bytes as rows of 576 elements.

    Args:
        src_cache: `[pages, page, 656]` uint8.
        dst: `[rows, 576]` float16 or bfloat16, written.
        block_table: `[batch, columns]` page ids, int32 or int64.
        seq_lens: `[batch]` int32 or int64.
        workspace_starts: `[batch]`, the first row of each sequence; None: they stand behind one another.
        seq_starts: `[batch]` int32, the token of each first row; None: 0.
        tail: As in `gather_cache`.
        settled: As in `gather_cache`.

    Returns:
        `dst`.
    """
    _core.gather_mla(src_cache, dst, block_table, seq_lens, workspace_starts, seq_starts, tail, settled)
    return dst


def cp_gather_indexer_k_quant_cache(
    kv_cache: Array,
    dst_k: Array,
    dst_scale: Array,
    block_table: Array,
    cu_seq_lens: Array,
    seq_starts: Array | None = None,
    *,
    tail: str = "untouched",
    settled: bool = False,
) -> tuple[Array, Array]:
    """Gathers codes and scales out of the sparse indexer's planar pages. Bytes are copied.

    Args:
        kv_cache: `[pages, page, dim + 4 * ceil(dim / 128)]` uint8; only the distance of pages is free.
        dst_k: `[rows, dim]`, any one-byte type, written.
        dst_scale: `[rows, 4 * ceil(dim / 128)]` uint8 or `[rows, ceil(dim / 128)]` float32, written.
        block_table: `[batch, columns]` page ids, int32 or int64.
        cu_seq_lens: `[batch + 1]` int32.
        seq_starts: `[batch]` int32; None: 0.
        tail: As in `gather_cache`.
        settled: As in `gather_cache`.

    Returns:
        `dst_k` and `dst_scale`.
    """
    _core.gather_indexer(kv_cache, dst_k, dst_scale, block_table, cu_seq_lens, seq_starts, tail, settled)
    return dst_k, dst_scale
