import ml_dtypes
import numpy as np
import pytest
from paged import Pages, same_bits

import pagejit

LENGTHS = [20, 0, 16, 1]


def flat(pages, cache, rows):
    out = np.zeros((rows, *cache.shape[2:]), cache.dtype)
    joined = np.concatenate([pages.rows(cache, b) for b in range(len(pages.lengths))])
    out[: len(joined)] = joined
    return out


def random_cache(rng, pages, heads, dim, dtype):
    return rng.standard_normal((pages.pages, pages.page, heads, dim)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("layout", ["shd", "hsd"])
def test_flatten_gathers_every_row_and_zeroes_the_rest(rng, dtype, layout):
    pages = Pages(rng, LENGTHS, 16)
    k, v = random_cache(rng, pages, 2, 80, dtype), random_cache(rng, pages, 2, 48, dtype)
    k_out, v_out = pagejit.flatten_kv_cache(
        k, v, pages.lengths, pages.table, out_size=50, flatten_kv_layout=layout
    )
    axes = (0, 1, 2) if layout == "shd" else (1, 0, 2)
    assert same_bits(k_out.transpose(axes), flat(pages, k, 50))
    assert same_bits(v_out.transpose(axes), flat(pages, v, 50))


def test_flatten_takes_a_view_of_one_layer_and_reads_no_neighbour(rng):
    pages = Pages(rng, LENGTHS, 16)
    layers = np.full((pages.pages, 3, 2, 16, 2, 64), np.nan, np.float16)
    k, v = layers[:, 1, 0], layers[:, 1, 1]
    k[:], v[:] = random_cache(rng, pages, 2, 64, np.float16), random_cache(rng, pages, 2, 64, np.float16)
    k_out, v_out = pagejit.flatten_kv_cache(k, v, pages.lengths, pages.table, out_size=40, flatten_kv_layout="shd")
    assert same_bits(k_out, flat(pages, k, 40)) and same_bits(v_out, flat(pages, v, 40))


def test_flatten_of_pages_with_heads_first(rng):
    pages = Pages(rng, LENGTHS, 16)
    k = random_cache(rng, pages, 2, 64, np.float16)
    heads_first = np.ascontiguousarray(k.transpose(0, 2, 1, 3))
    k_out, _ = pagejit.flatten_kv_cache(
        heads_first, heads_first.copy(), pages.lengths, pages.table, out_size=40, kv_layout="bhsd",
        flatten_kv_layout="shd",
    )  # fmt: skip
    assert same_bits(k_out, flat(pages, k, 40))


def test_flatten_returns_a_view_where_v_is_a_part_of_k(rng):
    pages = Pages(rng, LENGTHS, 16)
    k = random_cache(rng, pages, 1, 576, np.float16)
    k_out, v_out = pagejit.flatten_kv_cache(k, k[..., :512], pages.lengths, pages.table, flatten_kv_layout="shd")
    assert np.shares_memory(k_out, v_out) and v_out.shape[-1] == 512
    assert same_bits(k_out, flat(pages, k, len(k_out)))


def test_flatten_with_starts_and_its_own_outputs_leaves_gaps(rng):
    pages = Pages(rng, [5, 3], 16)
    k = random_cache(rng, pages, 1, 64, np.float32)
    k_out, v_out = np.full((20, 1, 64), 7, np.float32), np.full((20, 1, 64), 7, np.float32)
    given = pagejit.flatten_kv_cache(
        k, k.copy(), pages.lengths, pages.table, np.array([8, 0], np.int64), flatten_kv_layout="shd", tail="untouched",
        out=(k_out, v_out),
    )  # fmt: skip
    assert given[0] is k_out and given[1] is v_out
    assert same_bits(k_out[8:13], pages.rows(k, 0)) and same_bits(k_out[:3], pages.rows(k, 1))
    assert (k_out[3:8] == 7).all() and (k_out[13:] == 7).all()


@pytest.mark.parametrize("policy, per_byte, top", [(8, 1, 255), ("int4", 2, 15)])
def test_flatten_of_integer_codes_is_scale_times_code_minus_zero(rng, policy, per_byte, top):
    pages = Pages(rng, LENGTHS, 16)
    codes = rng.integers(0, top + 1, (pages.pages, 16, 2, 64), np.uint8)
    stored = codes if per_byte == 1 else codes[..., :32] | codes[..., 32:] << 4
    meta = rng.uniform(0.5, 2, (pages.pages, 16, 2, 2)).astype(np.float32)
    k_out, _ = pagejit.flatten_kv_cache(
        stored, stored.copy(), pages.lengths, pages.table, out_size=40, out_dtype=np.float32, k_scales_zeros=meta,
        v_scales_zeros=meta, quant_policy=policy, flatten_kv_layout="shd",
    )  # fmt: skip
    m = meta.astype(np.float64)
    wanted = (codes * m[..., :1] - m[..., :1] * m[..., 1:]).astype(np.float32)
    np.testing.assert_allclose(k_out, flat(pages, wanted, 40), rtol=1e-6, atol=1e-5)


def test_flatten_takes_bytes_for_the_fp8_codes_that_the_policy_names(rng):
    pages = Pages(rng, LENGTHS, 16)
    for policy, dtype in ((16, ml_dtypes.float8_e4m3fn), (17, ml_dtypes.float8_e5m2)):
        codes = random_cache(rng, pages, 2, 64, dtype)
        scale = np.array([0.5], np.float32)
        k_out, _ = pagejit.flatten_kv_cache(
            codes.view(np.uint8), codes.copy().view(np.uint8), pages.lengths, pages.table, out_size=40,
            k_scales_zeros=scale, v_scales_zeros=scale, quant_policy=policy, flatten_kv_layout="shd",
        )  # fmt: skip
        assert same_bits(k_out, flat(pages, (codes.astype(np.float32) * 0.5).astype(np.float16), 40))


def test_flatten_of_rows_of_656_bytes(rng):
    pages = Pages(rng, LENGTHS, 16)
    cache = np.zeros((pages.pages, 16, 1, 656), np.uint8)
    codes = rng.standard_normal((pages.pages, 16, 1, 512)).astype(ml_dtypes.float8_e4m3fn)
    scales = rng.uniform(0.5, 2, (pages.pages, 16, 1, 4)).astype(np.float32)
    rope = rng.standard_normal((pages.pages, 16, 1, 64)).astype(ml_dtypes.bfloat16)
    cache[..., :512], cache[..., 512:528], cache[..., 528:] = (x.view(np.uint8) for x in (codes, scales, rope))
    out = pagejit.flatten_kv_cache_mla_fp8(cache, pages.lengths, pages.table, out_size=40, flatten_kv_layout="shd")
    latent = (codes.astype(np.float32) * scales.repeat(128, -1)).astype(ml_dtypes.bfloat16)
    assert same_bits(out, flat(pages, np.concatenate([latent, rope], -1), 40))
