import ml_dtypes
import numpy as np
import pytest
from paged import Pages, same_bits

import pagejit

TOKENS, Q_HEADS, KV_HEADS, R, N, D = 5, 4, 2, 64, 32, 64


def table(positions):
    angles = np.arange(positions)[:, None] / 10000.0 ** (np.arange(R // 2) / (R // 2))
    return np.concatenate([np.cos(angles), np.sin(angles)], -1).astype(np.float32)


def rotated(x, cos_sin, pos, neox):
    x, cs = x.astype(np.float64), cos_sin[pos].astype(np.float64)
    c, s = cs[:, None, : R // 2], cs[:, None, R // 2 :]
    if neox:
        a, b = x[..., : R // 2], x[..., R // 2 :]
        return np.concatenate([a * c - b * s, b * c + a * s], -1)
    y = np.empty_like(x)
    y[..., ::2] = x[..., ::2] * c - x[..., 1::2] * s
    y[..., 1::2] = x[..., 1::2] * c + x[..., ::2] * s
    return y


def near(code, wanted):
    """Within one step of fp8: the last bit of three and a half of the smallest step."""
    np.testing.assert_allclose(code.astype(np.float64), wanted, rtol=0.126, atol=2.0**-9)


@pytest.fixture
def inputs(rng):
    def random(*shape):
        return rng.standard_normal(shape).astype(np.float16)

    return {
        "q_rope": random(TOKENS, Q_HEADS, R),
        "k_rope": random(TOKENS, KV_HEADS, R),
        "q_nope": random(TOKENS, Q_HEADS, N),
        "k_nope": random(TOKENS, KV_HEADS, N),
        "v": random(TOKENS, KV_HEADS, D),
        "cos_sin_cache": table(100),
        "pos_ids": rng.integers(0, 100, TOKENS).astype(np.int32),
    }


@pytest.mark.parametrize("neox", [True, False])
def test_rope_quantize_rotates_scales_and_rounds(inputs, neox):
    q, k, q_plain, k_plain, v = pagejit.rope_quantize(
        **inputs, is_neox=neox, quant_scale_q=0.5, quant_scale_kv=np.array([2], np.float32)
    )
    assert q.dtype == ml_dtypes.float8_e4m3fn
    cos_sin, pos = inputs["cos_sin_cache"], inputs["pos_ids"]
    near(q, rotated(inputs["q_rope"], cos_sin, pos, neox) * 0.5)
    near(k, rotated(inputs["k_rope"], cos_sin, pos, neox) * 2)
    for code, name, scale in ((q_plain, "q_nope", 0.5), (k_plain, "k_nope", 2), (v, "v", 2)):
        exact = (inputs[name].astype(np.float32) * np.float32(scale)).astype(ml_dtypes.float8_e4m3fn)
        assert same_bits(code, exact)


def test_rope_append_writes_what_rope_quantize_gives_to_the_tokens_places(rng, inputs):
    pages = Pages(rng, [20, 5], 16)
    batch, positions = np.array([0, 0, 1, -1, 1], np.int32), np.array([15, 16, 4, 0, 0], np.int32)
    k_cache = np.zeros((pages.pages, 16, KV_HEADS, R + N), ml_dtypes.float8_e4m3fn)
    v_cache = np.zeros((pages.pages, 16, KV_HEADS, D), ml_dtypes.float8_e4m3fn)
    q, q_plain = pagejit.rope_quantize_append(
        **inputs, paged_kv_cache=(k_cache, v_cache), kv_indices=pages.indices, kv_indptr=pages.indptr,
        batch_indices=batch, positions=positions, zero_padding=True,
    )  # fmt: skip
    dense = pagejit.rope_quantize(**inputs)
    wanted_k, wanted_v = np.zeros_like(k_cache), np.zeros_like(v_cache)
    for t, (b, p) in enumerate(zip(batch, positions)):
        if b >= 0:
            wanted_k[pages.place(b, p)] = np.concatenate([dense[1][t], dense[3][t]], -1)
            wanted_v[pages.place(b, p)] = dense[4][t]
    assert same_bits(k_cache, wanted_k) and same_bits(v_cache, wanted_v)
    live = batch >= 0
    assert same_bits(q[live], dense[0][live]) and same_bits(q_plain[live], dense[2][live])
    assert not q[~live].view(np.uint8).any() and not q_plain[~live].view(np.uint8).any()


def test_rope_append_for_mla_has_two_caches_and_takes_slots(rng, inputs):
    del inputs["v"]
    inputs["k_rope"], inputs["k_nope"] = inputs["k_rope"][:, 0], inputs["k_nope"][:, 0]
    ckv, kpe = np.zeros((3, 16, N), ml_dtypes.float8_e4m3fn), np.zeros((3, 16, R), ml_dtypes.float8_e4m3fn)
    slots = np.array([40, 0, -1, 17, 16], np.int64)
    q, _ = pagejit.rope_quantize_append(
        **inputs, v=None, paged_kv_cache=(ckv, kpe), slot_mapping=slots, zero_padding=True
    )
    dense = pagejit.rope_quantize(**inputs)
    wanted = np.zeros((48, R), ml_dtypes.float8_e4m3fn)
    wanted[slots[slots >= 0]] = dense[1][slots >= 0]
    assert same_bits(kpe.reshape(48, R), wanted)
    assert q.dtype == kpe.dtype and not q[2].view(np.uint8).any()
