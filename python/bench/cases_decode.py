"""Attention of one query a sequence over a paged cache."""

from __future__ import annotations

import random

import torch
from cases import Case, codes, normal, rows_of, tables


def attended(q, k, v, scale) -> torch.Tensor:
    """One sequence: `[heads, dim]` over rows `[length, kv_heads, dim]`, in single precision."""
    grouped = q.float().view(k.shape[1], -1, q.shape[-1])
    p = torch.einsum("hgd,nhd->hgn", grouped, k).mul(scale).softmax(-1)
    return torch.einsum("hgn,nhd->hgd", p, v).reshape(q.shape[0], -1)


def decode(device, name, lengths, quant="bf16", page=64, heads=32, kv_heads=8, dim=128) -> Case:
    t = tables(device, lengths, page)
    t.k, t.v = (codes(device, quant, t.pages, page, kv_heads, dim) for _ in "kv")
    t.q = normal(device, len(lengths), heads, dim)
    t.heads, t.kv_heads, t.dim, t.scale = heads, kv_heads, dim, dim**-0.5
    t.out = torch.empty_like(t.q)
    wanted = torch.stack([attended(t.q[b], t.k.rows(t, b), t.v.rows(t, b), t.scale) for b in range(len(lengths))])
    moved = 2 * t.rows * kv_heads * t.k.row_bytes
    checks = lambda: [(t.out, wanted, 6e-3)]  # noqa: E731
    return Case(name, "decode", t, moved, checks, lambda: [t.out], ceiling="read")


def decode_mla(device, name, batch, length, heads, page=64) -> Case:
    t = tables(device, [length] * batch, page)
    t.cache = normal(device, t.pages, page, 576)
    t.q = normal(device, batch, heads, 576)
    t.heads, t.scale = heads, 192**-0.5
    t.out = torch.empty(batch, heads, 512, dtype=torch.bfloat16, device=device)

    def one(b):
        rows = rows_of(t, t.cache, b).float()[:, None]
        return attended(t.q[b], rows, rows[..., :512], t.scale)

    wanted = torch.stack([one(b) for b in range(batch)])
    checks = lambda: [(t.out, wanted, 6e-3)]  # noqa: E731
    return Case(
        name, "decode_mla", t, t.rows * 1152, checks, lambda: [t.out], ceiling="read",
        flops=2.0 * t.rows * heads * (576 + 512),
    )  # fmt: skip


def log_uniform(count: int, least: int, most: int) -> list[int]:
    numbers = random.Random(0)
    return [round(least * (most / least) ** numbers.random()) for _ in range(count)]
