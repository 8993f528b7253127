import ml_dtypes
import numpy as np
import pytest
from paged import Pages, same_bits

import pagejit

NEW, TOTAL = [3, 0, 17, 1], [20, 5, 17, 1]


def places(pages):
    """(token, page, row) of what is appended: the last rows of each sequence."""
    token = 0
    for b, (new, total) in enumerate(zip(NEW, TOTAL)):
        for i in range(new):
            yield (token, *pages.place(b, total - new + i))
            token += 1


def written(pages, cache, rows):
    wanted = cache.copy()
    for token, page, row in places(pages):
        wanted[page, row] = rows[token]
    return wanted


def lists(pages):
    batch = np.repeat(np.arange(len(NEW)), NEW).astype(np.int32)
    positions = np.concatenate([np.arange(t - n, t) for n, t in zip(NEW, TOTAL)]).astype(np.int32)
    slots = np.array([page * pages.page + row for _, page, row in places(pages)], np.int64)
    return batch, positions, slots


@pytest.fixture
def case(rng):
    pages = Pages(rng, TOTAL, 16)
    rows = [rng.standard_normal((sum(NEW), 2, 64)).astype(np.float16) for _ in "kv"]
    caches = [rng.standard_normal((pages.pages, 16, 2, 64)).astype(np.float16) for _ in "kv"]
    return pages, rows, caches


def check(pages, rows, before, after):
    for row, old, new in zip(rows, before, after):
        assert same_bits(new, written(pages, old, row))


def test_fill_writes_the_last_rows_of_each_sequence_and_nothing_else(case):
    pages, (k, v), caches = case
    before = [c.copy() for c in caches]
    pagejit.fill_kv_cache(
        k, v, *caches, None, np.array(NEW, np.int32), np.array(TOTAL, np.int32), max(NEW), pages.table
    )
    check(pages, (k, v), before, caches)


@pytest.mark.parametrize("joined", [False, True])
def test_append_paged_takes_a_pair_or_one_tensor(case, joined):
    pages, (k, v), caches = case
    batch, positions, _ = lists(pages)
    both = np.stack(caches, 1)
    cache = both if joined else (both[:, 0], both[:, 1])
    pagejit.append_paged_kv_cache(k, v, batch, positions, cache, pages.indices, pages.indptr)
    check(pages, (k, v), caches, (both[:, 0], both[:, 1]))


def test_append_skips_tokens_of_no_sequence_and_those_past_the_valid_ones(case):
    pages, (k, v), caches = case
    batch, positions, _ = lists(pages)
    batch[:] = -1
    before = [c.copy() for c in caches]
    pagejit.append_paged_kv_cache(k, v, batch, positions, tuple(caches), pages.indices, pages.indptr)
    assert all(same_bits(a, b) for a, b in zip(before, caches))
    none = np.zeros(1, np.int32)
    pagejit.append_paged_kv_cache(
        k, v, lists(pages)[0], positions, tuple(caches), pages.indices, pages.indptr, valid_tokens=none
    )
    assert all(same_bits(a, b) for a, b in zip(before, caches))


def test_append_mla_into_two_caches_and_into_joint_rows(rng):
    pages = Pages(rng, TOTAL, 16)
    batch, positions, _ = lists(pages)
    ckv = rng.standard_normal((sum(NEW), 512)).astype(np.float16)
    kpe = rng.standard_normal((sum(NEW), 64)).astype(np.float16)
    caches = [np.zeros((pages.pages, 16, n), np.float16) for n in (512, 64)]
    pagejit.append_paged_mla_kv_cache(ckv, kpe, batch, positions, *caches, pages.indices, pages.indptr)
    check(pages, (ckv, kpe), [np.zeros_like(c) for c in caches], caches)
    joint = np.zeros((pages.pages, 16, 576), np.float16)
    pagejit.append_paged_mla_kv_cache(ckv, kpe, batch, positions, joint, None, pages.indices, pages.indptr)
    assert same_bits(joint, np.concatenate(caches, -1))


def test_reshape_and_cache_plain_and_in_fp8(case):
    pages, (k, v), caches = case
    slots = lists(pages)[2]
    before = [c.copy() for c in caches]
    pagejit.reshape_and_cache(k, v, *caches, slots)
    check(pages, (k, v), before, caches)
    fp8 = [np.zeros(c.shape, np.uint8) for c in caches]
    half = np.array([0.5], np.float32)
    pagejit.reshape_and_cache(k, v, *fp8, slots, "fp8", half, half)
    codes = [(x.astype(np.float32) / 0.5).astype(ml_dtypes.float8_e4m3fn).view(np.uint8) for x in (k, v)]
    check(pages, codes, [np.zeros_like(c) for c in fp8], fp8)


def test_fill_in_int8_and_flatten_give_the_rows_back_within_half_a_step(case):
    pages, (k, v), _ = case
    caches = [np.zeros((pages.pages, 16, 2, 64), np.uint8) for _ in "kv"]
    meta = [np.zeros((pages.pages, 16, 2, 2), np.float32) for _ in "kv"]
    new = np.array(NEW, np.int32)
    pagejit.fill_kv_cache(k, v, *caches, None, new, new, None, pages.table, *meta, quant_policy=8)
    out, _ = pagejit.flatten_kv_cache(
        *caches, new, pages.table, None, sum(NEW), np.float32, *meta, 8, flatten_kv_layout="shd"
    )
    step = (k.max(-1, keepdims=True).astype(np.float32) - k.min(-1, keepdims=True)) / 255
    assert (np.abs(out - k) <= step * 0.51).all()


def test_concat_mla_plain_and_as_656_bytes(rng):
    pages = Pages(rng, TOTAL, 16)
    slots = lists(pages)[2]
    kv_c = rng.standard_normal((sum(NEW), 512)).astype(ml_dtypes.bfloat16)
    k_pe = rng.standard_normal((sum(NEW), 64)).astype(ml_dtypes.bfloat16)
    cache = np.zeros((pages.pages, 16, 576), ml_dtypes.bfloat16)
    pagejit.concat_and_cache_mla(kv_c, k_pe, cache, slots)
    assert same_bits(cache, written(pages, np.zeros_like(cache), np.concatenate([kv_c, k_pe], -1)))
    rows = np.zeros((pages.pages, 16, 656), np.uint8)
    pagejit.concat_and_cache_mla(kv_c, k_pe, rows, slots, "fp8_ds_mla")
    groups = kv_c.astype(np.float32).reshape(-1, 4, 128)
    scales = np.maximum(np.abs(groups).max(-1) / np.float32(448), np.float32(2.0**-126)).astype(np.float32)
    codes = (groups / scales[..., None]).astype(ml_dtypes.float8_e4m3fn).reshape(-1, 512)
    row = np.concatenate([codes.view(np.uint8), scales.view(np.uint8), k_pe.view(np.uint8)], -1)
    assert same_bits(rows, written(pages, np.zeros_like(rows), row))


def test_indexer_pages_hold_codes_then_scales_and_are_gathered_again(rng):
    pages = Pages(rng, NEW, 16)
    k = rng.standard_normal((sum(NEW), 128)).astype(ml_dtypes.bfloat16)
    slots = np.array([pages.slot(b, t) for b, n in enumerate(NEW) for t in range(n)], np.int64)
    cache = np.zeros((pages.pages, 16, 132), np.uint8)
    pagejit.indexer_k_quant_and_cache(k, cache, slots)
    largest = np.abs(k.astype(np.float32)).max(-1)
    scales = 2.0 ** np.ceil(np.log2(np.maximum(largest.astype(np.float64), 1e-4) / 448))
    codes = (k.astype(np.float64) / scales[:, None]).astype(np.float32).astype(ml_dtypes.float8_e4m3fn)
    dst_k, dst_scale = np.zeros((sum(NEW), 128), np.uint8), np.zeros((sum(NEW), 1), np.float32)
    starts = np.concatenate([[0], np.cumsum(NEW)]).astype(np.int32)
    pagejit.cp_gather_indexer_k_quant_cache(cache, dst_k, dst_scale, pages.table, starts)
    assert same_bits(dst_scale[:, 0], scales.astype(np.float32)) and same_bits(dst_k, codes.view(np.uint8))
    planar = cache.reshape(pages.pages, -1)
    page, row = pages.place(2, 16)
    assert same_bits(planar[page, row * 128 : row * 128 + 128], codes.view(np.uint8)[3 + 16])
