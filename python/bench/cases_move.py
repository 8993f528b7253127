"""Caches that are flattened, filled, rotated into and gathered from."""

from __future__ import annotations

import torch
from cases import Case, codes, int32, normal, rows_of, slots, tables


def flatten(device, quant, layout, batch, length, page=64, heads=8, dim=128) -> Case:
    t = tables(device, [length] * batch, page)
    k, v = (codes(device, quant, t.pages, page, heads, dim) for _ in "kv")
    shape = (t.rows, heads, dim) if layout == "shd" else (heads, t.rows, dim)
    t.k, t.v, t.layout, t.heads, t.dim = k, v, layout, heads, dim
    t.out = [torch.empty(shape, dtype=torch.bfloat16, device=device) for _ in "kv"]

    def checks():
        pairs = []
        for side, out in zip((k, v), t.out):
            wanted = torch.cat([side.rows(t, b).bfloat16() for b in range(batch)])
            pairs.append((out if layout == "shd" else out.transpose(0, 1), wanted, 0.0 if quant == "bf16" else 4e-3))
        return pairs

    moved = 2 * t.rows * heads * (k.row_bytes + 2 * dim)
    return Case(f"flatten {quant} → bf16, {batch} × {length}, {layout}", "flatten", t, moved, checks, lambda: t.out)


def flatten_mla(device, batch, length, page=64) -> Case:
    t = tables(device, [length] * batch, page)
    t.cache = torch.empty(t.pages, page, 1, 656, dtype=torch.uint8, device=device)
    t.cache[..., :512] = normal(device, t.pages, page, 1, 512, dtype=torch.float8_e4m3fn).view(torch.uint8)
    t.cache[..., 512:528] = torch.rand(t.pages, page, 1, 4, device=device).view(torch.uint8)
    t.cache[..., 528:] = normal(device, t.pages, page, 1, 64).view(torch.uint8)
    t.out = torch.empty(t.rows, 1, 576, dtype=torch.bfloat16, device=device)

    def checks():
        rows = torch.cat([rows_of(t, t.cache, b) for b in range(batch)])
        scale = rows[..., 512:528].contiguous().view(torch.float32).repeat_interleave(128, -1)
        latent = rows[..., :512].contiguous().view(torch.float8_e4m3fn).float() * scale
        return [(t.out, torch.cat([latent.bfloat16(), rows[..., 528:].contiguous().view(torch.bfloat16)], -1), 4e-3)]

    return Case(
        f"flatten MLA 656 bytes → bf16, {batch} × {length}", "flatten_mla", t, t.rows * (656 + 1152), checks,
        lambda: [t.out],
    )  # fmt: skip


def fill(device, quant, tokens, batch=16, page=64, heads=8, dim=128) -> Case:
    t = slots(tables(device, [tokens // batch] * batch, page))
    t.k, t.v = (codes(device, quant, t.pages, page, heads, dim) for _ in "kv")
    t.rows_in = [normal(device, tokens, heads, dim) for _ in "kv"]
    t.most = tokens // batch

    def checks():
        stored = [torch.cat([side.rows(t, b) for b in range(batch)]) for side in (t.k, t.v)]
        return [(got, row, 0.0 if quant == "bf16" else 1e-2) for got, row in zip(stored, t.rows_in)]

    written = [x for side in (t.k, t.v) for x in (side.stored, side.meta) if x is not None]
    moved = 2 * tokens * heads * (2 * dim + t.k.row_bytes)
    return Case(f"fill {quant}, {tokens} tokens", "fill", t, moved, checks, lambda: written)


def concat_mla(device, form, tokens, batch=16, page=64) -> Case:
    t = slots(tables(device, [tokens // batch] * batch, page))
    t.form, t.latent, t.rope = form, normal(device, tokens, 512), normal(device, tokens, 64)
    width, dtype = (576, torch.bfloat16) if form == "bf16" else (656, torch.uint8)
    t.cache = torch.zeros(t.pages, page, width, dtype=dtype, device=device)

    def checks():
        rows = t.cache.flatten(0, 1)[t.slots]
        if form == "bf16":
            return [(rows, torch.cat([t.latent, t.rope], -1), 0.0)]
        scale = rows[:, 512:528].contiguous().view(torch.float32).repeat_interleave(128, -1)
        latent = rows[:, :512].contiguous().view(torch.float8_e4m3fn).float() * scale
        return [(latent, t.latent, 4e-2), (rows[:, 528:].contiguous().view(torch.bfloat16), t.rope, 0.0)]

    moved = tokens * (1152 + width * t.cache.element_size())
    return Case(f"concat MLA {form}, {tokens} tokens", "concat_mla", t, moved, checks, lambda: [t.cache])


def gather_mla(device, batch, length, page=64) -> Case:
    t = tables(device, [length] * batch, page)
    t.cache = normal(device, t.pages, page, 576, dtype=torch.float8_e4m3fn)
    t.scale = torch.tensor([0.5], device=device)
    t.cu = torch.cat([t.starts, int32(device, [t.rows])])
    t.out = torch.empty(t.rows, 576, dtype=torch.bfloat16, device=device)

    def checks():
        return [(t.out, torch.cat([(rows_of(t, t.cache, b).float() * 0.5).bfloat16() for b in range(batch)]), 0.0)]

    moved = t.rows * 576 * 3
    return Case(f"gather MLA fp8 → bf16, {batch} × {length}", "gather_mla", t, moved, checks, lambda: [t.out])


def rope(device, mla: bool, tokens, page) -> Case:
    """RoPE, fp8 and append in one: 64 rotated dimensions, and 64 (GQA) or 512 (MLA) that are not."""
    batch = min(tokens, 128) if tokens <= 128 else 4
    t = slots(tables(device, [tokens // batch] * batch, page))
    heads, kv_heads, plain = (128, 1, 512) if mla else (64, 8, 64)
    t.mla, t.pos = mla, t.positions
    t.q_rope, t.q_nope = normal(device, tokens, heads, 64), normal(device, tokens, heads, plain)
    t.k_rope, t.k_nope = normal(device, tokens, kv_heads, 64), normal(device, tokens, kv_heads, plain)
    t.v = None if mla else normal(device, tokens, kv_heads, 128)
    angles = torch.arange(max(t.host_lengths), device=device)[:, None] * 1e4 ** (-torch.arange(32, device=device) / 32)
    t.cos_sin = torch.cat([angles.cos(), angles.sin()], -1).float()
    fp8 = torch.float8_e4m3fn
    if mla:
        t.k_rope, t.k_nope = t.k_rope[:, 0], t.k_nope[:, 0]
        t.caches = [torch.empty(t.pages, page, n, dtype=fp8, device=device) for n in (512, 64)]
    else:
        t.caches = [torch.empty(t.pages, page, kv_heads, 128, dtype=fp8, device=device) for _ in "kv"]
    t.out = [torch.empty(x.shape, dtype=fp8, device=device) for x in (t.q_rope, t.q_nope)]

    def rotated(x):
        c, s = (p[:, None] for p in t.cos_sin[t.pos.long()].chunk(2, -1))
        a, b = (x if x.dim() == 3 else x[:, None]).float().chunk(2, -1)
        return torch.cat([a * c - b * s, b * c + a * s], -1).view(x.shape).to(fp8)

    def checks():
        stored = [c.flatten(0, 1)[t.slots] for c in t.caches]
        k_rope, k_nope = rotated(t.k_rope), t.k_nope.to(fp8)
        wanted = [k_nope, k_rope] if mla else [torch.cat([k_rope.float(), k_nope.float()], -1), t.v.to(fp8)]
        outs = zip(t.out, (rotated(t.q_rope), t.q_nope.to(fp8)))
        return [(g, w, 5e-3) for g, w in (*outs, *zip(stored, wanted))]

    moved = 3 * sum(x.numel() for x in (t.q_rope, t.q_nope, t.k_rope, t.k_nope, t.v) if x is not None)
    name = f"RoPE + fp8 + append, {'MLA 128 heads' if mla else 'GQA 64/8 heads'}, {tokens} token{'s' * (tokens > 1)}"
    return Case(name, "rope", t, moved, checks, lambda: [*t.caches, *t.out])
