"""Attention over a paged cache (semantics: `DecodeArgs` in kernels/attend/args.h), and two attentions as one
(docs/kernels/merge.md)."""

from __future__ import annotations

from typing import Any

from . import _core
from ._outputs import Array, empty, workspace as _workspace


def decode_attention(
    q: Array,
    k_cache: Array,
    v_cache: Array | None,
    block_table: Array,
    seq_lens: Array,
    *,
    query_indptr: Array | None = None,
    scale: float | None = None,
    causal: bool = True,
    window_left: int = -1,
    window_right: int = -1,
    softcap: float = 0.0,
    sinks: Array | None = None,
    alibi_slopes: Array | None = None,
    k_scale: Array | None = None,
    v_scale: Array | None = None,
    quant_policy: int | str = 0,
    kv_layout: str = "NHD",
    page_size: int = 0,
    max_queries: int = 0,
    empty_lse_pos_inf: bool = False,
    settled: bool = False,
    out: Array | None = None,
    lse: Array | None = None,
    return_lse: bool = False,
    workspace: Array | None = None,
) -> Array | tuple[Array, Array]:
    """Attention of a few query tokens a sequence over its whole paged cache.

    Args:
        q: `[tokens, heads, dim]` float16 or bfloat16: the queries of all sequences, each sequence's last tokens.
        k_cache: `[pages, page, kv_heads, dim]` ("NHD") or `[pages, kv_heads, page, dim]` ("HND"), or
            `[tokens, kv_heads, dim]` with `page_size`. As `q`, or codes.
        v_cache: As `k_cache`, with a head dim and strides of its own. None: V is the first elements of K (MLA), as many
            as `out` has.
        block_table: `[batch, columns]` page ids, int32 or int64. Entries past a sequence's end are never read.
        seq_lens: `[batch]` int32 or int64: keys of each sequence, its queries' own among them.
        query_indptr: `[batch + 1]` int32: the first query of each sequence; None: all have `tokens / batch`.
        scale: Of the scores; None: 1 / sqrt(dim).
        causal: A query sees no key behind its own position.
        window_left: How many keys before its position a query sees; −1: all.
        window_right: The same behind it.
        softcap: Scores become softcap * tanh(score / softcap); 0: they do not.
        sinks: `[heads]` float32, or None.
        alibi_slopes: `[heads]` float32, or None.
        k_scale: Scales of a quantised cache, as in `flatten_kv_cache`.
        v_scale: As `k_scale`.
        quant_policy: As in `flatten_kv_cache`: none, fp8, int8, int4.
        kv_layout: "NHD" or "HND".
        page_size: Rows of a page, of 3-dimensional caches only.
        max_queries: With `query_indptr`: no sequence has more queries.
        empty_lse_pos_inf: The lse of a row that sees nothing is +inf, not −inf.
        settled: A promise: the kernel launched just before on this stream does not write the lists or fp8's scales.
        out: `[tokens, heads, dim_v]` to write to, as `q`.
        lse: `[tokens, heads]` float32 to write to.
        return_lse: The lse is returned as well, and made if it is None.
        workspace: uint8, 16-byte aligned, to work in, `decode_workspace` bytes; None: made for the call, by torch's
            allocator on a GPU. Calls of one stream may share it.

    Returns:
        `out`, or `(out, lse)`.
    """
    if out is None:
        out = _out("decode_attention", q, v_cache, quant_policy, None)
    if lse is None and return_lse:
        lse = empty("decode_attention", q, tuple(q.shape[:-1]), "float32")
    _core.decode_attention(
        q, k_cache, v_cache, block_table, seq_lens, query_indptr, k_scale, v_scale, sinks, alibi_slopes, quant_policy,
        kv_layout, scale, softcap, causal, window_left, window_right, page_size, max_queries, empty_lse_pos_inf, settled,
        out, lse, workspace, _workspace,
    )  # fmt: skip
    return (out, lse) if return_lse else out


def decode_workspace(
    q: Array, k_cache: Array, v_cache: Array | None, block_table: Array, seq_lens: Array, **choices: Any
) -> int:
    """How many bytes of workspace `decode_attention` needs with these arguments: of shapes and the device, not of lengths.

    Args:
        q: As in `decode_attention`, like all others.
        k_cache: What the tensors hold is not looked at.
        v_cache: None: `out` must be among `choices`.
        block_table: For a captured call, that of the largest batch.
        seq_lens: As `block_table`.
        **choices: The keyword arguments of `decode_attention`.
    """
    given = {**(decode_attention.__kwdefaults__ or {}), **choices}
    given["out"] = _out("decode_workspace", q, v_cache, given["quant_policy"], given["out"])
    return _core.decode_workspace(q, k_cache, v_cache, block_table, seq_lens, *(given[name] for name in _ORDER))


# What _core takes behind the five tensors.
_ORDER = (
    "query_indptr", "k_scale", "v_scale", "sinks", "alibi_slopes", "quant_policy", "kv_layout", "scale", "softcap",
    "causal", "window_left", "window_right", "page_size", "max_queries", "empty_lse_pos_inf", "settled",
    "out", "lse",
)  # fmt: skip


def _out(function: str, q: Array, v_cache: Array | None, quant_policy: int | str, out: Array | None) -> Array:
    if out is not None:
        return out
    if v_cache is None:
        raise ValueError(f"{function}: out is missing: with v_cache None its last dimension says what V is")
    return empty(function, q, (*q.shape[:-1], _dim_v(v_cache, quant_policy)))


def _dim_v(v_cache: Array, quant_policy: int | str) -> int:
    return v_cache.shape[-1] * (2 if quant_policy in (4, "int4") else 1)


def merge_attn_states(
    output: Array | None,
    prefix_output: Array,
    prefix_lse: Array,
    suffix_output: Array,
    suffix_lse: Array,
    output_lse: Array | None = None,
    prefill_tokens_with_context: int | Array | None = None,
    output_scale: Array | None = None,
    *,
    lse_axes: str = "heads_tokens",
) -> Array:
    """Attention over a prefix and over a suffix of the same keys, as one over all of them.

    Args:
        output: `[tokens, heads, dim]` to write to, as the inputs or fp8; may be one of the inputs. None: made, as
            `suffix_output`.
        prefix_output: `[tokens, heads, dim]` float16, bfloat16 or float32.
        prefix_lse: float32, natural logarithms, by `lse_axes`. An infinite one says that this side saw no key.
        suffix_output: As `prefix_output`.
        suffix_lse: As `prefix_lse`.
        output_lse: As `prefix_lse`, to write to; None: not wanted.
        prefill_tokens_with_context: Tokens from there on have no prefix: a number, or one int32 on the device. None:
            all have one.
        output_scale: Of an fp8 output: one float32 on the device, which it is divided by.
        lse_axes: "heads_tokens": `[heads, tokens]`; "tokens_heads": `[tokens, heads]`, as `decode_attention` gives it.

    Returns:
        `output`.
    """
    if output is None:
        output = empty("merge_attn_states", suffix_output, tuple(suffix_output.shape))
    _core.merge_attn_states(
        output, prefix_output, prefix_lse, suffix_output, suffix_lse, output_lse, prefill_tokens_with_context,
        output_scale, lse_axes,
    )  # fmt: skip
    return output
