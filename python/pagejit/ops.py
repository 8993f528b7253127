"""The calls as operators of torch.library, for torch.compile: `import pagejit.ops`.

`torch.ops.pagejit.NAME` has the arguments of `pagejit.NAME`, outputs among them, and returns nothing: every operator only
writes. Functions of the same names here make the outputs that are left out. torch.compile traces through both without a
graph break; calls outside of compiled code are quicker by `pagejit.NAME`, which needs no dispatcher.
"""

from __future__ import annotations

import torch

import pagejit

_library = torch.library.Library("pagejit", "DEF")


def _define(name: str, schema: str, function) -> None:
    """An operator that writes what its schema marks as written. Its fake has nothing to compute.

    The dispatcher leaves out last arguments that are their defaults, so `function` has the schema's.
    """
    _library.define(f"{name}({schema}) -> ()")
    _library.impl(name, function, "CompositeExplicitAutograd")
    torch.library.register_fake(f"pagejit::{name}", lambda *args, **kwargs: None, lib=_library)


def _flatten(k_caches, v_caches, seqlens, block_offsets, k_out, v_out, start_loc=None, k_scales_zeros=None,
             v_scales_zeros=None, quant_policy=0, kv_layout="bshd", flatten_kv_layout="hsd", tail="zero"):  # fmt: skip
    pagejit.flatten_kv_cache(
        k_caches, v_caches, seqlens, block_offsets, start_loc, None, None, k_scales_zeros, v_scales_zeros,
        quant_policy, kv_layout, flatten_kv_layout, tail=tail, out=(k_out, v_out),
    )  # fmt: skip


_define(
    "flatten_kv_cache",
    "Tensor k_caches, Tensor? v_caches, Tensor seqlens, Tensor block_offsets, Tensor(a!) k_out, Tensor(b!)? v_out, "
    "Tensor? start_loc=None, Tensor? k_scales_zeros=None, Tensor? v_scales_zeros=None, int quant_policy=0, "
    'str kv_layout="bshd", str flatten_kv_layout="hsd", str tail="zero"',
    _flatten,
)


def _fill(k_states, v_states, k_caches, v_caches, q_start_loc, q_seq_length, kv_seq_length, block_offsets,
          k_scales_zeros=None, v_scales_zeros=None, quant_policy=0, kv_layout="bshd"):  # fmt: skip
    pagejit.fill_kv_cache(
        k_states, v_states, k_caches, v_caches, q_start_loc, q_seq_length, kv_seq_length, None, block_offsets,
        k_scales_zeros, v_scales_zeros, quant_policy, kv_layout,
    )  # fmt: skip


_define(
    "fill_kv_cache",
    "Tensor k_states, Tensor? v_states, Tensor(a!) k_caches, Tensor(b!)? v_caches, Tensor? q_start_loc, "
    "Tensor q_seq_length, Tensor kv_seq_length, Tensor block_offsets, Tensor(c!)? k_scales_zeros=None, "
    'Tensor(d!)? v_scales_zeros=None, int quant_policy=0, str kv_layout="bshd"',
    _fill,
)


def _append(append_key, append_value, batch_indices, positions, k_cache, v_cache, kv_indices, kv_indptr,
            kv_layout="NHD"):  # fmt: skip
    pagejit.append_paged_kv_cache(
        append_key, append_value, batch_indices, positions, (k_cache, v_cache), kv_indices, kv_indptr, None, kv_layout
    )


_define(
    "append_paged_kv_cache",
    "Tensor append_key, Tensor? append_value, Tensor batch_indices, Tensor positions, Tensor(a!) k_cache, "
    'Tensor(b!)? v_cache, Tensor kv_indices, Tensor kv_indptr, str kv_layout="NHD"',
    _append,
)

_define(
    "reshape_and_cache",
    "Tensor key, Tensor? value, Tensor(a!) key_cache, Tensor(b!)? value_cache, Tensor slot_mapping, "
    'str kv_cache_dtype="auto", Tensor? k_scale=None, Tensor? v_scale=None',
    pagejit.reshape_and_cache,
)

_define(
    "concat_and_cache_mla",
    "Tensor kv_c, Tensor k_pe, Tensor(a!) kv_cache, Tensor slot_mapping, "
    'str kv_cache_dtype="auto", Tensor? scale=None',
    pagejit.concat_and_cache_mla,
)


def _gather(src_cache, dst, block_table, cu_seq_lens, seq_starts=None, kv_cache_dtype="auto", scale=None):
    pagejit.gather_and_maybe_dequant_cache(
        src_cache, dst, block_table, cu_seq_lens, None, None, kv_cache_dtype, scale, seq_starts
    )


_define(
    "gather_cache",
    "Tensor src_cache, Tensor(a!) dst, Tensor block_table, Tensor cu_seq_lens, Tensor? seq_starts=None, "
    'str kv_cache_dtype="auto", Tensor? scale=None',
    _gather,
)


def _rope(q_rope, k_rope, q_nope, k_nope, v, cos_sin_cache, pos_ids, k_cache, v_cache, q_rope_out, q_nope_out,
          slot_mapping, is_neox=True, quant_scale_q=1.0, quant_scale_kv=1.0, kv_layout="NHD"):  # fmt: skip
    pagejit.rope_quantize_append(
        q_rope, k_rope, q_nope, k_nope, v, cos_sin_cache, pos_ids, (k_cache, v_cache), is_neox=is_neox,
        quant_scale_q=quant_scale_q, quant_scale_kv=quant_scale_kv, kv_layout=kv_layout, q_rope_out=q_rope_out,
        q_nope_out=q_nope_out, slot_mapping=slot_mapping,
    )  # fmt: skip


_define(
    "rope_quantize_append",
    "Tensor q_rope, Tensor k_rope, Tensor? q_nope, Tensor? k_nope, Tensor? v, Tensor cos_sin_cache, Tensor pos_ids, "
    "Tensor(a!) k_cache, Tensor(b!) v_cache, Tensor(c!) q_rope_out, Tensor(d!)? q_nope_out, Tensor slot_mapping, "
    'bool is_neox=True, float quant_scale_q=1.0, float quant_scale_kv=1.0, str kv_layout="NHD"',
    _rope,
)


def _decode(q, k_cache, v_cache, block_table, seq_lens, out, lse=None, query_indptr=None, max_queries=0, scale=None,
            causal=True, window_left=-1, window_right=-1, softcap=0.0, sinks=None, alibi_slopes=None, k_scale=None,
            v_scale=None, quant_policy=0, kv_layout="NHD", page_size=0, empty_lse_pos_inf=False):  # fmt: skip
    pagejit.decode_attention(
        q, k_cache, v_cache, block_table, seq_lens, query_indptr=query_indptr, max_queries=max_queries, scale=scale,
        causal=causal, window_left=window_left, window_right=window_right, softcap=softcap, sinks=sinks,
        alibi_slopes=alibi_slopes, k_scale=k_scale, v_scale=v_scale, quant_policy=quant_policy, kv_layout=kv_layout,
        page_size=page_size, empty_lse_pos_inf=empty_lse_pos_inf, out=out, lse=lse,
    )  # fmt: skip


_define(
    "decode_attention",
    "Tensor q, Tensor k_cache, Tensor? v_cache, Tensor block_table, Tensor seq_lens, Tensor(a!) out, "
    "Tensor(b!)? lse=None, Tensor? query_indptr=None, int max_queries=0, float? scale=None, bool causal=True, "
    "int window_left=-1, int window_right=-1, float softcap=0.0, Tensor? sinks=None, Tensor? alibi_slopes=None, "
    'Tensor? k_scale=None, Tensor? v_scale=None, int quant_policy=0, str kv_layout="NHD", int page_size=0, '
    "bool empty_lse_pos_inf=False",
    _decode,
)


def _merge(*arguments):
    pagejit.merge_attn_states(*arguments)


_define(
    "merge_attn_states",
    "Tensor(a!) output, Tensor prefix_output, Tensor prefix_lse, Tensor suffix_output, Tensor suffix_lse, "
    "Tensor(b!)? output_lse=None, int? prefill_tokens_with_context=None, Tensor? output_scale=None",
    _merge,
)


def flatten_kv_cache(
    k_caches: torch.Tensor,
    v_caches: torch.Tensor,
    seqlens: torch.Tensor,
    block_offsets: torch.Tensor,
    out_size: int,
    *,
    start_loc: torch.Tensor | None = None,
    k_scales_zeros: torch.Tensor | None = None,
    v_scales_zeros: torch.Tensor | None = None,
    quant_policy: int = 0,
    kv_layout: str = "bshd",
    flatten_kv_layout: str = "hsd",
    tail: str = "zero",
    out_dtype: torch.dtype | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`pagejit.flatten_kv_cache` for compiled code: makes its outputs in the graph."""
    heads = k_caches.shape[1 if kv_layout in ("bhsd", "HND") else 2]
    per_byte = {4: (2, 2), 42: (2, 4)}.get(quant_policy, (1, 1))
    dtype = out_dtype or (k_caches.dtype if quant_policy == 0 else torch.float16)
    made = []
    for cache, codes in zip((k_caches, v_caches), per_byte):
        dim = cache.shape[3] * codes
        shape = (out_size, heads, dim) if flatten_kv_layout == "shd" else (heads, out_size, dim)
        made.append(torch.empty(shape, dtype=dtype, device=cache.device))
    torch.ops.pagejit.flatten_kv_cache(
        k_caches, v_caches, seqlens, block_offsets, *made, start_loc, k_scales_zeros, v_scales_zeros, quant_policy,
        kv_layout, flatten_kv_layout, tail,
    )  # fmt: skip
    return made[0], made[1]


def decode_attention(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    block_table: torch.Tensor,
    seq_lens: torch.Tensor,
    **choices,
) -> torch.Tensor:
    """`pagejit.decode_attention` for compiled code, of a V of its own: makes its output in the graph."""
    dim_v = v_cache.shape[-1] * (2 if choices.get("quant_policy") == 4 else 1)
    out = torch.empty((*q.shape[:-1], dim_v), dtype=q.dtype, device=q.device)
    torch.ops.pagejit.decode_attention(q, k_cache, v_cache, block_table, seq_lens, out, **choices)
    return out
