"""New rows into a paged cache, quantised on the way. Semantics: docs/kernels/append.md.

Tokens with a negative slot, batch or position, and those from `valid_tokens` on, are padding: nothing of theirs is
written. Lists are read on the device, so a captured graph replays with what they hold then.
"""

from __future__ import annotations

from . import _core
from ._outputs import Array, pair


def fill_kv_cache(
    k_states: Array,
    v_states: Array | None,
    k_caches: Array,
    v_caches: Array | None,
    q_start_loc: Array | None,
    q_seq_length: Array,
    kv_seq_length: Array,
    max_q_seq_length: int | None,
    block_offsets: Array,
    k_scales_zeros: Array | None = None,
    v_scales_zeros: Array | None = None,
    quant_policy: int | str = 0,
    kv_layout: str = "bshd",
    *,
    scale_rule: str = "blocked",
    power_of_two: bool = False,
    valid_tokens: Array | None = None,
    settled: bool = False,
) -> None:
    """Writes ragged rows: row i of sequence b to position `kv_seq_length[b] - q_seq_length[b] + i`.

    Args:
        k_states: `[tokens, heads, dim]` float16, bfloat16 or float32; unquantised also one-byte types.
        v_states: As `k_states`, with a head dim of its own; None: K alone.
        k_caches: `[pages, page, heads, codes]` ("bshd") or `[pages, heads, page, codes]` ("bhsd"), written.
        v_caches: As `k_caches`.
        q_start_loc: `[batch]`, the first row of each sequence; None: they stand behind one another.
        q_seq_length: `[batch]` int32 or int64: rows of each sequence.
        kv_seq_length: `[batch]`, the new rows included.
        max_q_seq_length: Not needed; there for callers of the original.
        block_offsets: `[batch, columns]` page ids, int32 or int64.
        k_scales_zeros: Scales: read for fp8, else written. Shapes: docs/kernels/append.md.
        v_scales_zeros: As `k_scales_zeros`.
        quant_policy: As in `flatten_kv_cache`.
        kv_layout: "bshd" (or "NHD"), "bhsd" (or "HND").
        scale_rule: Of "fp8_group": "blocked", "mla", "indexer".
        power_of_two: Scales of "fp8_group" are rounded up to a power of two.
        valid_tokens: One int32 on the device.
        settled: A promise: the kernel launched just before on this stream does not write the lists.

    Raises:
        TypeError: An argument is no tensor, or of an element type that no kernel takes.
        ValueError: An argument does not fit; the text says which and what was expected.
    """
    _core.fill_kv_cache(
        k_states, v_states, k_caches, v_caches, q_start_loc, q_seq_length, kv_seq_length, block_offsets,
        k_scales_zeros, v_scales_zeros, quant_policy, kv_layout, scale_rule, power_of_two, valid_tokens, settled,
    )  # fmt: skip


def append_paged_kv_cache(
    append_key: Array,
    append_value: Array | None,
    batch_indices: Array,
    positions: Array,
    paged_kv_cache: Array | tuple[Array, Array],
    kv_indices: Array,
    kv_indptr: Array,
    kv_last_page_len: Array | None = None,
    kv_layout: str = "NHD",
    *,
    k_scale: Array | None = None,
    v_scale: Array | None = None,
    quant_policy: int | str = 0,
    valid_tokens: Array | None = None,
) -> None:
    """Writes row i to position `positions[i]` of sequence `batch_indices[i]`.

    Args:
        append_key: `[tokens, heads, dim]`.
        append_value: As `append_key`.
        batch_indices: `[tokens]` int32.
        positions: `[tokens]` int32.
        paged_kv_cache: `(k_cache, v_cache)`, 4-dimensional each, or one tensor `[pages, 2, …]`; written.
        kv_indices: Page ids of all sequences, int32.
        kv_indptr: `[batch + 1]` int32: where those of each sequence begin.
        kv_last_page_len: Not needed; there for callers of the original.
        kv_layout: "NHD" or "HND".
        k_scale: Scales of a quantised cache, as in `fill_kv_cache`.
        v_scale: As `k_scale`.
        quant_policy: As in `flatten_kv_cache`.
        valid_tokens: One int32 on the device.

    Raises:
        TypeError: An argument is no tensor, or of an element type that no kernel takes.
        ValueError: An argument does not fit.
    """
    if type(paged_kv_cache) is tuple and len(paged_kv_cache) == 2:  # a tenth of a microsecond less than pair()
        k_cache, v_cache = paged_kv_cache
    else:
        k_cache, v_cache = pair("append_paged_kv_cache", "paged_kv_cache", paged_kv_cache, 1)
    _core.append_paged_kv_cache(
        append_key, append_value, batch_indices, positions, k_cache, v_cache, kv_indices, kv_indptr, kv_layout,
        k_scale, v_scale, quant_policy, valid_tokens,
    )  # fmt: skip


def append_paged_mla_kv_cache(
    append_ckv: Array,
    append_kpe: Array,
    batch_indices: Array,
    positions: Array,
    ckv_cache: Array,
    kpe_cache: Array | None,
    kv_indices: Array,
    kv_indptr: Array,
    kv_last_page_len: Array | None = None,
    *,
    valid_tokens: Array | None = None,
) -> None:
    """Writes the two parts of MLA's rows, as `append_paged_kv_cache` writes K and V.

    Args:
        append_ckv: `[tokens, N]`.
        append_kpe: `[tokens, R]`.
        batch_indices: `[tokens]` int32.
        positions: `[tokens]` int32.
        ckv_cache: `[pages, page, N]`; with `kpe_cache` None, joint rows `[pages, page, N + R]`. Written.
        kpe_cache: `[pages, page, R]`, written; or None.
        kv_indices: Page ids of all sequences, int32.
        kv_indptr: `[batch + 1]` int32.
        kv_last_page_len: Not needed; there for callers of the original.
        valid_tokens: One int32 on the device.
    """
    _core.append_paged_mla_kv_cache(
        append_ckv, append_kpe, batch_indices, positions, ckv_cache, kpe_cache, kv_indices, kv_indptr, valid_tokens
    )


def reshape_and_cache(
    key: Array,
    value: Array | None,
    key_cache: Array,
    value_cache: Array | None,
    slot_mapping: Array,
    kv_cache_dtype: str = "auto",
    k_scale: Array | None = None,
    v_scale: Array | None = None,
    *,
    kv_layout: str = "NHD",
    valid_tokens: Array | None = None,
) -> None:
    """Writes row i to slot `slot_mapping[i]`: page * rows a page + row.

    Args:
        key: `[tokens, heads, dim]`; there are as many tokens as slots, and there may be more rows.
        value: As `key`.
        key_cache: `[pages, page, heads, dim]`, or by `kv_layout`; written. Bytes are taken for fp8 codes where
            `kv_cache_dtype` says so.
        value_cache: As `key_cache`, strides of its own.
        slot_mapping: `[tokens]` int64 or int32.
        kv_cache_dtype: "auto", "fp8" (or "fp8_e4m3"), "fp8_e5m2".
        k_scale: One float32 on the device, or one for each head; read only for fp8.
        v_scale: As `k_scale`.
        kv_layout: "NHD" or "HND".
        valid_tokens: One int32 on the device.
    """
    _core.reshape_and_cache(
        key, value, key_cache, value_cache, slot_mapping, kv_cache_dtype, k_scale, v_scale, kv_layout, valid_tokens
    )


def concat_and_cache_mla(
    kv_c: Array,
    k_pe: Array,
    kv_cache: Array,
    slot_mapping: Array,
    kv_cache_dtype: str = "auto",
    scale: Array | None = None,
    *,
    scale_rule: str = "mla",
    power_of_two: bool = False,
    valid_tokens: Array | None = None,
) -> None:
    """Writes the two parts of MLA's rows into one row each.

    Args:
        kv_c: `[tokens, N]`.
        k_pe: `[tokens, R]`.
        kv_cache: `[pages, page, N + R]`; "fp8_ds_mla": uint8 `[pages, page, 656]`. Written.
        slot_mapping: `[tokens]` int64 or int32.
        kv_cache_dtype: "auto", "fp8" (or "fp8_e4m3"), "fp8_e5m2", "fp8_ds_mla".
        scale: One float32 on the device; read only for one-scale fp8.
        scale_rule: Of "fp8_ds_mla": "mla", "blocked", "indexer".
        power_of_two: Scales of "fp8_ds_mla" are rounded up to a power of two.
        valid_tokens: One int32 on the device.
    """
    _core.concat_and_cache_mla(
        kv_c, k_pe, kv_cache, slot_mapping, kv_cache_dtype, scale, scale_rule, power_of_two, valid_tokens
    )


def indexer_k_quant_and_cache(
    k: Array,
    kv_cache: Array,
    slot_mapping: Array,
    quant_block_size: int = 128,
    scale_fmt: str = "ue8m0",
    *,
    valid_tokens: Array | None = None,
) -> None:
    """Writes the sparse indexer's keys: each page holds its rows' fp8 codes, then their scales.

    Args:
        k: `[tokens, dim]`.
        kv_cache: uint8 `[pages, page, dim + 4 * ceil(dim / 128)]`, contiguous inside a page; written.
        slot_mapping: `[tokens]` int64 or int32.
        quant_block_size: 128.
        scale_fmt: "ue8m0": scales are powers of two; "none".
        valid_tokens: One int32 on the device.
    """
    _core.indexer_k_quant_and_cache(k, kv_cache, slot_mapping, quant_block_size, scale_fmt or "none", valid_tokens)
