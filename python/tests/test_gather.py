import ml_dtypes
import numpy as np
import pytest
from paged import Pages, same_bits

import pagejit

LENGTHS, STARTS = [20, 5, 16], [3, 0, 16]


@pytest.fixture
def case(rng):
    pages = Pages(rng, LENGTHS, 16)
    src = rng.standard_normal((pages.pages, 16, 72)).astype(np.float16)
    counts = [n - s for n, s in zip(LENGTHS, STARTS)]
    cu = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    wanted = np.concatenate([pages.rows(src, b)[s:] for b, s in enumerate(STARTS)])
    return pages, src, cu, wanted


def test_gather_copies_from_each_start_and_leaves_the_rest(case):
    pages, src, cu, wanted = case
    dst = np.full((len(wanted) + 3, 72), 7, np.float16)
    assert pagejit.gather_cache(src, dst, pages.table, cu, np.array(STARTS, np.int32)) is dst
    assert same_bits(dst[: len(wanted)], wanted) and (dst[len(wanted) :] == 7).all()


def test_gather_with_tail_zero_clears_the_rest(case):
    pages, src, cu, wanted = case
    dst = np.full((len(wanted) + 3, 72), 7, np.float16)
    pagejit.gather_cache(src, dst, pages.table, cu, np.array(STARTS, np.int32), tail="zero")
    assert same_bits(dst[: len(wanted)], wanted) and not dst[len(wanted) :].any()


def test_gather_out_of_fp8_multiplies_and_stops_at_num_tokens(case):
    pages, src, cu, wanted = case
    codes = src.astype(ml_dtypes.float8_e4m3fn)
    dst = np.full((len(wanted), 72), 7, np.float32)
    pagejit.gather_and_maybe_dequant_cache(
        codes.view(np.uint8), dst, pages.table, cu, None, 10, "fp8", np.array([0.25], np.float32),
        np.array(STARTS, np.int32),
    )  # fmt: skip
    decoded = wanted.astype(ml_dtypes.float8_e4m3fn).astype(np.float32) * np.float32(0.25)
    assert same_bits(dst[:10], decoded[:10]) and (dst[10:] == 7).all()


def test_gather_of_rows_of_656_bytes_puts_them_behind_one_another(rng):
    pages = Pages(rng, LENGTHS, 16)
    src = np.zeros((pages.pages, 16, 656), np.uint8)
    codes = rng.standard_normal((pages.pages, 16, 512)).astype(ml_dtypes.float8_e4m3fn)
    src[..., :512] = codes.view(np.uint8)
    src[..., 512:528] = np.full((pages.pages, 16, 4), 0.5, np.float32).view(np.uint8)
    dst = np.zeros((sum(LENGTHS), 576), ml_dtypes.bfloat16)
    pagejit.cp_gather_and_upconvert_fp8_kv_cache(src, dst, pages.table, pages.lengths)
    wanted = np.concatenate([pages.rows(codes, b) for b in range(3)]).astype(np.float32) * 0.5
    assert same_bits(dst[:, :512], wanted.astype(ml_dtypes.bfloat16))
