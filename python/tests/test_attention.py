import ml_dtypes
import numpy as np
import pytest
from paged import Pages

import pagejit


def reference(q, k, v, first, scale, causal=True):
    """One sequence: queries [n, heads, dim] at positions `first`…, keys and values [length, kv_heads, …]."""
    group = q.shape[1] // k.shape[1]
    q, k, v = (x.astype(np.float64) for x in (q, k.repeat(group, 1), v.repeat(group, 1)))
    score = np.einsum("ihd,nhd->ihn", q, k) * scale
    if causal:
        hidden = np.arange(k.shape[0])[None, None, :] > (first + np.arange(q.shape[0]))[:, None, None]
        score = np.where(hidden, -np.inf, score)
    p = np.exp(score - score.max(-1, keepdims=True))
    lse = np.log(p.sum(-1)) + score.max(-1)
    return np.einsum("ihn,nhd->ihd", p / p.sum(-1, keepdims=True), v), lse


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("queries, settled", [(1, False), (2, False), (1, True)])
def test_decode_attends_over_each_sequences_pages(rng, dtype, queries, settled):
    lengths = [37, 2, 16]
    pages = Pages(rng, lengths, 16)
    k, v = (rng.standard_normal((pages.pages, 16, 2, 64)).astype(dtype) for _ in "kv")
    q = rng.standard_normal((3 * queries, 4, 64)).astype(dtype)
    out, lse = pagejit.decode_attention(q, k, v, pages.table, pages.lengths, return_lse=True, settled=settled)
    assert out.dtype == q.dtype and out.shape == q.shape
    for b, n in enumerate(lengths):
        mine = slice(b * queries, (b + 1) * queries)
        wanted, wanted_lse = reference(q[mine], pages.rows(k, b), pages.rows(v, b), n - queries, 1 / 8)
        # p is rounded to the operands' 16 bits before it is summed and meets V.
        near = 2e-3 if dtype == np.float16 else 2e-2
        np.testing.assert_allclose(out[mine].astype(np.float64), wanted, rtol=near, atol=near)
        np.testing.assert_allclose(lse[mine], wanted_lse, rtol=near, atol=near)


def test_decode_with_v_as_a_part_of_k_writes_to_out(rng):
    pages = Pages(rng, [20], 16)
    k = rng.standard_normal((pages.pages, 16, 1, 96)).astype(np.float16)
    q = rng.standard_normal((1, 4, 96)).astype(np.float16)
    out = np.zeros((1, 4, 64), np.float16)
    given = pagejit.decode_attention(q, k, None, pages.table, pages.lengths, scale=0.1, out=out)
    rows = pages.rows(k, 0)
    wanted, _ = reference(q, rows, rows[..., :64], 19, 0.1)
    assert given is out
    np.testing.assert_allclose(out.astype(np.float64), wanted, rtol=2e-3, atol=2e-3)


def test_decode_says_what_is_missing(rng):
    x = np.zeros((1, 4, 64), np.float16)
    with pytest.raises(ValueError, match="out is missing"):
        pagejit.decode_attention(x, np.zeros((2, 16, 1, 64), np.float16), None, None, None)


def test_decode_refuses_a_workspace_that_is_too_small(rng):
    pages = Pages(rng, [400], 16)
    k = rng.standard_normal((pages.pages, 16, 2, 64)).astype(np.float16)
    q = rng.standard_normal((1, 4, 64)).astype(np.float16)
    arguments = (q, k, k.copy(), pages.table, pages.lengths)
    small = np.zeros(16, np.uint8)
    with pytest.raises(pagejit.ArgumentError, match="decode_attention: workspace"):
        pagejit.decode_attention(*arguments, workspace=small)
    enough = np.zeros(pagejit.decode_workspace(*arguments), np.uint8)
    assert len(enough) > 16
    given = pagejit.decode_attention(*arguments, workspace=enough)
    assert np.array_equal(given, pagejit.decode_attention(*arguments))
    with pytest.raises(pagejit.ArgumentError, match="decode_attention: workspace"):
        pagejit.decode_attention(*arguments, workspace=enough[:-16])


@pytest.mark.parametrize("policy, dtype, scale", [(16, ml_dtypes.float8_e4m3fn, 0.5)])
def test_decode_over_an_fp8_cache_multiplies_by_its_scales(rng, policy, dtype, scale):
    pages = Pages(rng, [37, 5], 16)
    k, v = (rng.standard_normal((pages.pages, 16, 2, 64)).astype(dtype) for _ in "kv")
    q = rng.standard_normal((2, 4, 64)).astype(np.float16)
    given = np.array([scale], np.float32)
    out = pagejit.decode_attention(
        q, k.view(np.uint8), v.view(np.uint8), pages.table, pages.lengths, k_scale=given, v_scale=given,
        quant_policy=policy,
    )  # fmt: skip
    for b, n in enumerate(pages.lengths):
        wanted, _ = reference(
            q[b : b + 1], pages.rows(k, b).astype(np.float64) * scale, pages.rows(v, b).astype(np.float64) * scale,
            int(n) - 1, 1 / 8,
        )  # fmt: skip
        np.testing.assert_allclose(out[b : b + 1].astype(np.float64), wanted, rtol=3e-3, atol=3e-3)


@pytest.mark.parametrize("policy, top", [(8, 255), (4, 15)])
def test_decode_over_integer_codes_takes_scale_times_code_minus_zero(rng, policy, top):
    pages = Pages(rng, [37, 5], 16)
    shape = (pages.pages, 16, 2, 64)
    codes = [rng.integers(0, top + 1, shape, np.uint8) for _ in "kv"]
    stored = codes if policy == 8 else [c[..., :32] | c[..., 32:] << 4 for c in codes]
    zeros = rng.integers(top // 3, top // 2, (2, *shape[:3], 1))
    metas = [np.concatenate([rng.uniform(0.5, 2, z.shape) / top, z], -1).astype(np.float16) for z in zeros]
    q = rng.standard_normal((2, 4, 64)).astype(np.float16)
    out = pagejit.decode_attention(
        q, *stored, pages.table, pages.lengths, k_scale=metas[0], v_scale=metas[1], quant_policy=policy
    )
    exact = [(c - m[..., 1:].astype(np.float64)) * m[..., :1].astype(np.float64) for c, m in zip(codes, metas)]
    for b, n in enumerate(pages.lengths):
        wanted, _ = reference(q[b : b + 1], *(pages.rows(x, b) for x in exact), int(n) - 1, 1 / 8)
        np.testing.assert_allclose(out[b : b + 1].astype(np.float64), wanted, rtol=5e-3, atol=5e-3)


def test_merge_weighs_both_sides_and_takes_the_suffix_where_there_is_no_prefix(rng):
    prefix, suffix = (rng.standard_normal((5, 4, 64)).astype(np.float32) for _ in range(2))
    lse = [rng.standard_normal((4, 5)).astype(np.float32) for _ in range(2)]
    lse[0][:, 1] = -np.inf
    prefix[1] = np.nan
    out_lse = np.zeros((4, 5), np.float32)
    out = pagejit.merge_attn_states(None, prefix, lse[0], suffix, lse[1], out_lse, 4)
    w = [np.exp(x.astype(np.float64)).T[..., None] for x in lse]
    wanted = (w[0] * np.nan_to_num(prefix.astype(np.float64)) + w[1] * suffix) / (w[0] + w[1])
    wanted[4] = suffix[4]
    np.testing.assert_allclose(out, wanted, rtol=1e-5, atol=1e-5)
    assert np.array_equal(out[4], suffix[4]) and np.array_equal(out_lse[:, 4], lse[1][:, 4])
    np.testing.assert_allclose(out_lse[:, :4].T, np.log(w[0] + w[1])[:4, :, 0], rtol=1e-5, atol=1e-5)
    turned = [np.ascontiguousarray(x.T) for x in lse]
    again = pagejit.merge_attn_states(
        np.zeros_like(out), prefix, turned[0], suffix, turned[1], None, np.array([4], np.int32), lse_axes="tokens_heads"
    )
    assert np.array_equal(again, out)


def test_merge_names_its_arguments(rng):
    x, lse = np.zeros((5, 4, 64), np.float32), np.zeros((4, 5), np.float32)
    with pytest.raises(ValueError, match="merge_attn_states: lse_axes is 'x'; expected one of heads_tokens"):
        pagejit.merge_attn_states(None, x, lse, x, lse, lse_axes="x")
    with pytest.raises(ValueError, match="suffix_output has"):
        pagejit.merge_attn_states(None, x, lse, x[:, :3], lse)
