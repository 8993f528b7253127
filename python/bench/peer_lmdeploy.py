"""LMDeploy's Triton kernels."""

from __future__ import annotations

import enum
import logging

import torch
from borrowed import module


class Policy(enum.IntEnum):
    NONE, INT4, INT8, FP8, FP8_E5M2, TURBO_QUANT = 0, 4, 8, 16, 17, 42


STAND_INS = {"lmdeploy.messages": {"QuantPolicy": Policy}, "lmdeploy.utils": {"get_logger": logging.getLogger}}


def kernels(name: str):
    return module(f"lmdeploy.pytorch.kernels.cuda.{name}", STAND_INS)


def flatten(t):
    kernel = kernels("flatten_kv_cache").flatten_kv_cache

    def call():
        t.out = kernel(
            t.k.stored, t.v.stored, t.lengths, t.table, start_loc=t.starts, out_size=t.rows, out_dtype=torch.bfloat16,
            k_scales_zeros=t.k.meta, v_scales_zeros=t.v.meta, quant_policy=Policy(t.k.policy),
            flatten_kv_layout=t.layout,
        )  # fmt: skip

    return call


def flatten_mla(t):
    kernel = kernels("flatten_kv_cache").flatten_kv_cache_mla_fp8
    cache = t.cache.view(torch.float8_e4m3fn)

    def call():
        t.out = kernel(cache, t.lengths, t.table, t.starts, t.rows, torch.bfloat16, "shd")

    return call


def fill(t):
    kernel = kernels("fill_kv_cache").fill_kv_cache
    return lambda: kernel(
        *t.rows_in, t.k.stored, t.v.stored, t.starts, t.lengths, t.lengths, t.most, t.table, t.k.meta, t.v.meta,
        Policy(t.k.policy),
    )  # fmt: skip


def decode(t):
    if t.page < 16:
        raise ImportError("takes pages of 16 rows and more")
    kernel = kernels("pagedattention").flash_attn_with_kvcache

    def call():
        t.out = kernel(
            t.q, t.k.stored, t.v.stored, t.lengths, t.table, softmax_scale=t.scale, k_scales_zeros=t.k.meta,
            v_scales_zeros=t.v.meta, quant_policy=Policy(t.k.policy),
        )  # fmt: skip

    return call


def decode_mla(t):
    kernel = kernels("pagedattention").flash_attn_with_kvcache
    k = t.cache[:, :, None]

    def call():
        t.out = kernel(t.q, k, k[..., :512], t.lengths, t.table, softmax_scale=t.scale)

    return call


CALLS = {"flatten": flatten, "flatten_mla": flatten_mla, "fill": fill, "decode": decode, "decode_mla": decode_mla}
