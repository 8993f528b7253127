"""What is wrong is said in the words of the Python function, and nothing is touched."""

import ml_dtypes
import numpy as np
import pytest

import pagejit

CACHE = np.zeros((4, 16, 2, 64), np.float16)
LENGTHS = np.array([20], np.int32)
TABLE = np.zeros((1, 2), np.int32)


def flatten(**changed):
    arguments = {"k_caches": CACHE, "v_caches": CACHE.copy(), "seqlens": LENGTHS, "block_offsets": TABLE}
    return pagejit.flatten_kv_cache(**{**arguments, "out_size": 32, **changed})


def outputs():
    return tuple(np.full((2, 32, 64), 7, np.float16) for _ in "kv")


def frozen():
    array = np.zeros((2, 32, 64), np.float16)
    array.setflags(write=False)
    return array


WRONG_TYPES = {
    "a list": ({"seqlens": [1]}, "flatten_kv_cache: seqlens is a list; expected a torch tensor, a NumPy array or"),
    "a dtype": ({"block_offsets": TABLE.astype(np.float64)}, "block_offsets has the dtype float64; expected float32"),
    "dims": ({"seqlens": np.zeros((1,) * 6, np.int32)}, "seqlens has 6 dimensions; expected at most 5"),
}


@pytest.mark.parametrize("case", WRONG_TYPES)
def test_wrong_type(case):
    changed, text = WRONG_TYPES[case]
    out = outputs()
    with pytest.raises(TypeError) as raised:
        flatten(out=out, **changed)
    assert text in str(raised.value)
    assert all((o == 7).all() for o in out)


WRONG_VALUES = {
    "layout": ({"kv_layout": "x"}, "flatten_kv_cache: kv_layout is 'x'; expected one of NHD, bshd, HND, bhsd"),
    "out layout": ({"flatten_kv_layout": "x"}, "flatten_kv_layout is 'x'; expected one of hsd, shd"),
    "tail": ({"tail": "x"}, "tail is 'x'; expected one of zero, untouched"),
    "policy": ({"quant_policy": 5}, "quant_policy is '5'; expected 0 or 'none', 4 or 'int4'"),
    "policy text": ({"quant_policy": "x"}, "quant_policy is 'x'; expected 0 or 'none'"),
    "heads": ({"v_caches": CACHE[:, :, :1]}, "v_caches has 1 heads; expected 2, as k_caches has"),
    "rank": ({"seqlens": TABLE}, "seqlens has rank 2; expected rank 1"),
    "element": ({"seqlens": LENGTHS.astype(np.int8)}, "seqlens has the element type i8; expected one of i32, i64"),
    "missing": ({"block_offsets": None}, "block_offsets is missing"),
    "stride": ({"v_caches": np.zeros((4, 16, 2, 128), np.float16)[..., ::2]}, "v_caches has the stride 2 along its"),
    "backwards": ({"v_caches": CACHE[::-1].copy()[::-1]}, "v_caches has the stride -2048 along pages"),
    "read-only": ({"out": (frozen(), frozen())}, "flatten_kv_cache: out[0] is read-only, and this call writes it"),
}


@pytest.mark.parametrize("case", WRONG_VALUES)
def test_wrong_value(case):
    changed, text = WRONG_VALUES[case]
    out = outputs()
    with pytest.raises(ValueError) as raised:
        flatten(**{"out": out, **changed})
    assert text in str(raised.value)
    assert all((o == 7).all() for o in out)


def test_other_texts():
    def refuses(text, function, *args, **kwargs):
        with pytest.raises((TypeError, ValueError)) as raised:
            function(*args, **kwargs)
        assert text in str(raised.value)

    k = np.zeros((3, 2, 64), np.float16)
    slots = np.zeros(3, np.int64)
    refuses("kv_cache_dtype is 'x'", pagejit.reshape_and_cache, k, k, CACHE, CACHE.copy(), slots, "x")
    refuses("k_scale is missing", pagejit.reshape_and_cache, k, None, CACHE.astype(np.uint8), None, slots, "fp8")
    refuses("paged_kv_cache has 3 tensors", pagejit.append_paged_kv_cache, k, k, slots, slots, (1, 2, 3), slots, slots)
    refuses("paged_kv_cache has the shape", pagejit.append_paged_kv_cache, k, k, slots, slots, CACHE, slots, slots)
    refuses("paged_kv_cache is a int", pagejit.append_paged_kv_cache, k, k, slots, slots, 1, slots, slots)
    refuses("quant_block_size is '64'; expected 128", pagejit.indexer_k_quant_and_cache, k, k, slots, 64)
    refuses("scale_fmt is 'x'", pagejit.indexer_k_quant_and_cache, k, k, slots, 128, "x")
    refuses("scale is 'None'", pagejit.gather_and_maybe_dequant_cache, k, k, TABLE, slots, None, None, "fp8")
    refuses("out is missing, and pagejit cannot make one", pagejit.start_offsets, memoryview(LENGTHS))
    refuses("k_caches has 3 dimensions", pagejit.flatten_kv_cache, k, k, LENGTHS, TABLE)


def test_an_error_carries_its_code_and_fields():
    with pytest.raises(pagejit.Error) as raised:
        flatten(v_caches=CACHE[:, :, :1])
    e = raised.value
    assert isinstance(e, ValueError) and isinstance(e, pagejit.ArgumentError)
    assert e.code == 1 and e.message.startswith("flatten_kv_cache: v_caches") and ("argument", "v_caches") in e.fields


def test_a_page_id_out_of_range_is_a_finding_of_the_emulator():
    with pytest.raises(pagejit.Error, match="k_caches|v_caches|no memory|outside"):
        flatten(block_offsets=np.full((1, 2), 100000, np.int32))


def test_no_device_is_an_error_of_its_own():
    with pytest.raises(ValueError, match="the device is 'x'; expected auto, cuda, cuda:N, or emulator"):
        pagejit.device("x")


def test_bfloat16_of_numpy_is_known_by_its_name():
    out, _ = flatten(k_caches=CACHE.astype(ml_dtypes.bfloat16), v_caches=CACHE.astype(ml_dtypes.bfloat16))
    assert out.dtype == ml_dtypes.bfloat16
