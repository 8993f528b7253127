"""FlashInfer. Its plan() reads lengths on the host, once for all layers of a step: it is not measured here."""

from __future__ import annotations

import torch


def flashinfer():
    try:
        import flashinfer as it
    except ImportError as e:
        raise ImportError(f"flashinfer is not installed ({e})") from e
    return it


def fill(t):
    if t.k.policy != 0:
        raise ImportError("it appends unquantised rows")
    kernel = flashinfer().append_paged_kv_cache
    cache = (t.k.stored, t.v.stored)
    return lambda: kernel(*t.rows_in, t.batch_indices, t.positions, cache, t.indices, t.indptr, t.last)


def rope(t):
    from flashinfer.rope import rope_quantize_fp8_append_paged_kv_cache as kernel

    return lambda: kernel(
        t.q_rope, t.k_rope, t.q_nope, t.k_nope, t.v, t.cos_sin, t.pos, tuple(t.caches), t.indices, t.indptr,
        t.batch_indices, t.positions, page_size=t.page, q_rope_out=t.out[0], q_nope_out=t.out[1], enable_pdl=True,
    )  # fmt: skip


def decode(t):
    if t.k.policy not in (0, 16):
        raise ImportError("takes no cache of integer codes")
    it = flashinfer()
    workspace = torch.zeros(512 << 20, dtype=torch.uint8, device=t.q.device)
    wrapper = it.BatchDecodeWithPagedKVCacheWrapper(workspace, "NHD", use_tensor_cores=True, backend="fa2")
    wrapper.plan(
        t.indptr, t.indices, t.last, t.heads, t.kv_heads, t.dim, t.page, q_data_type=t.q.dtype,
        kv_data_type=t.k.stored.dtype, sm_scale=t.scale,
    )  # fmt: skip
    cache, scale = (t.k.stored, t.v.stored), 0.5 if t.k.policy else None
    return lambda: wrapper.run(t.q, cache, out=t.out, k_scale=scale, v_scale=scale)


def decode_mla(t):
    it = flashinfer()
    workspace = torch.zeros(128 << 20, dtype=torch.uint8, device=t.q.device)
    wrapper = it.mla.BatchMLAPagedAttentionWrapper(workspace, backend="fa3")
    each = torch.arange(len(t.host_lengths) + 1, dtype=torch.int32, device=t.q.device)
    wrapper.plan(
        each, t.indptr, t.indices, t.lengths, t.heads, 512, 64, t.page, False, t.scale, t.q.dtype, t.cache.dtype
    )
    latent, rope = t.q.split((512, 64), -1)
    parts = t.cache.split((512, 64), -1)
    return lambda: wrapper.run(latent, rope, *parts, out=t.out)


CALLS = {"fill": fill, "rope": rope, "decode": decode, "decode_mla": decode_mla}
