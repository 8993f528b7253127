"""torch's own operators. It has no paged caches: attention gets K and V that are contiguous already, and is a yardstick."""

from __future__ import annotations

import functools

import torch


def flatten(t):
    if t.rows != t.pages * t.page:
        raise ImportError("written for whole pages")

    def call():
        for side, out in zip((t.k, t.v), t.out):
            rows = side.stored[t.table].flatten(1, 2).flatten(0, 1)
            if side.meta is not None:
                beside = side.meta[t.table].flatten(1, 2).flatten(0, 1) if side.meta.dim() == 4 else side.meta
                rows = side.read(rows, beside)
            out.copy_(rows if t.layout == "shd" else rows.transpose(0, 1))

    return call


def fill(t):
    if t.k.policy != 0:
        raise ImportError("no operator that quantises so")
    flat = [side.stored.flatten(0, 1) for side in (t.k, t.v)]
    return lambda: [f.index_copy_(0, t.slots, r) for f, r in zip(flat, t.rows_in)]


def concat_mla(t):
    if t.form != "bf16":
        raise ImportError("no operator that quantises so")
    flat = t.cache.flatten(0, 1)
    return lambda: flat.index_copy_(0, t.slots, torch.cat([t.latent, t.rope], -1))


def gather_mla(t):
    if t.rows != t.pages * t.page:
        raise ImportError("written for whole pages")
    return lambda: t.out.copy_((t.cache[t.table].view(t.rows, 576).float() * t.scale).bfloat16())


def contiguous(t):
    if t.k.policy != 0:
        raise ImportError("takes no quantised cache")
    if len(set(t.host_lengths)) > 1:
        raise ImportError("takes sequences of one length")
    batch = range(len(t.host_lengths))
    rows = [torch.stack([side.rows(t, b) for b in batch]).bfloat16() for side in (t.k, t.v)]
    return [r.transpose(1, 2).contiguous() for r in rows]


def decode(t):
    k, v = contiguous(t)

    def call():
        t.out = torch.nn.functional.scaled_dot_product_attention(t.q[:, :, None], k, v, scale=t.scale, enable_gqa=True)
        t.out = t.out[:, :, 0]

    return call


@functools.cache
def flex_attention(*shape):
    """One for each shape: several sets of buffers are compiled for once."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False)


def flex(t):
    if t.page != 64:
        raise ImportError("the same as with pages of 64: it has none")
    k, v = contiguous(t)
    compiled = flex_attention(*t.q.shape, *k.shape)

    def call():
        t.out = compiled(t.q[:, :, None], k, v, scale=t.scale, enable_gqa=True)[:, :, 0]

    return call


CALLS = {"flatten": flatten, "fill": fill, "concat_mla": concat_mla, "gather_mla": gather_mla, "decode": decode}
FLEX_CALLS = {"decode": flex}
