"""vLLM's Triton kernels, called as its Triton backends call them. What its compiled extension does is not here."""

from __future__ import annotations

import enum
import logging

import torch
from borrowed import module


class Mode(enum.IntEnum):
    NONE, FP8_PER_TENSOR, INT8_PER_TOKEN_HEAD, FP8_PER_TOKEN_HEAD, INT4_PER_TOKEN_HEAD = range(5)


class Platform:
    """An NVIDIA GPU."""

    is_rocm = is_xpu = is_device_capability_family = is_device_capability = staticmethod(lambda *_: False)
    is_cuda = is_cuda_alike = has_device_capability = staticmethod(lambda *_: True)
    fp8_dtype = staticmethod(lambda: torch.float8_e4m3fn)


def kernels(name: str):
    import triton

    fp8 = torch.finfo(torch.float8_e4m3fn)
    stand_ins = {
        "vllm.platforms": {"current_platform": Platform},
        "vllm.triton_utils": {"triton": triton, "tl": triton.language},
        "vllm.envs": {"VLLM_BATCH_INVARIANT": False},
        "vllm.logger": {"init_logger": logging.getLogger},
        "vllm.v1.kv_cache_interface": {"KVQuantMode": Mode, "is_quantized_kv_cache": lambda kind: "fp8" in kind},
        "vllm.model_executor.layers.quantization.utils.quant_utils": {
            "FP8_DTYPE": torch.float8_e4m3fn, "get_fp8_min_max": lambda: (fp8.min, fp8.max),
        },
    }  # fmt: skip
    return module(f"vllm.v1.attention.ops.{name}", stand_ins)


def fill(t):
    if t.k.policy != 0:
        raise ImportError("it quantises by scales of another form")
    kernel = kernels("triton_reshape_and_cache_flash").triton_reshape_and_cache_flash
    one = torch.ones(1, device=t.slots.device)
    return lambda: kernel(*t.rows_in, t.k.stored, t.v.stored, t.slots, "auto", one, one)


SEGMENTS, LEAST_GRID = 16, 128  # of its backend


def decode(t):
    if t.k.policy not in (0, 16):
        raise ImportError("it quantises by scales of another form")
    kernel = kernels("triton_unified_attention").unified_attention
    batch, device = len(t.host_lengths), t.q.device
    most = LEAST_GRID // t.kv_heads
    parts = torch.empty(max(most, 1), t.heads, SEGMENTS, t.dim, device=device)
    marks = [torch.empty(max(most, 1), t.heads, SEGMENTS, device=device) for _ in range(2)]
    each = torch.arange(batch + 1, dtype=torch.int32, device=device)
    scale = None if t.k.meta is None else t.k.meta.expand(batch, t.kv_heads)
    mode = Mode.NONE if t.k.policy == 0 else Mode.FP8_PER_TENSOR
    longest = max(t.host_lengths)
    return lambda: kernel(
        q=t.q, k=t.k.stored, v=t.v.stored, out=t.out, cu_seqlens_q=each, max_seqlen_q=1, seqused_k=t.lengths,
        max_seqlen_k=longest, softmax_scale=t.scale, causal=True, window_size=(-1, -1), block_table=t.table, softcap=0,
        q_descale=None, k_descale=scale, v_descale=scale, seq_threshold_3D=most, num_par_softmax_segments=SEGMENTS,
        softmax_segm_output=parts, softmax_segm_max=marks[0], softmax_segm_expsum=marks[1], kv_quant_mode=mode,
    )  # fmt: skip


def decode_mla(t):
    kernel = kernels("triton_decode_attention").decode_attention_fwd
    batch, device = len(t.host_lengths), t.q.device
    cores = torch.cuda.get_device_properties(device).multi_processor_count
    splits = min(1 << max(0, max(t.host_lengths) // 512 - 1).bit_length(), 2 * cores)
    parts = torch.empty(batch, t.heads, splits, 513, device=device)
    lse = torch.empty(batch, t.heads, device=device, dtype=torch.bfloat16)
    one = torch.ones((), device=device)
    cache = t.cache[:, :, None]
    return lambda: kernel(
        t.q, cache, cache[..., :512], t.out, lse, t.table, t.lengths, parts, splits, t.scale, t.page,
        k_scale=one, v_scale=one, is_mla=True,
    )  # fmt: skip


CALLS = {"fill": fill, "decode": decode, "decode_mla": decode_mla}
