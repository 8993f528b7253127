"""The shapes that are measured: inputs, bytes that must move, and what is right, made by torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch


@dataclass
class Case:
    """One row of the table. `output()` gives what the last call wrote; `expected` is what that must be."""

    name: str
    family: str
    bytes: int  # read and written at least
    inputs: dict
    output: Callable[[], torch.Tensor]
    expected: torch.Tensor
    tolerance: float = 0.0
    notes: list[str] = field(default_factory=list)

    def check(self) -> None:
        got, wanted = self.output().float(), self.expected.float()
        worst = (got - wanted).abs().max().item() if got.numel() else 0.0
        if not worst <= self.tolerance:
            raise AssertionError(f"differs by {worst:g} where {self.tolerance:g} is allowed")

    def spoil(self) -> None:
        """So that a call that writes nothing is not right by what the one before wrote."""
        self.output().fill_(float("nan"))


def pool(device, batch, length, page, heads, dim):
    """K and V caches with shuffled pages, and the table."""
    columns = -(-length // page)
    order = torch.randperm(batch * columns, device=device).to(torch.int32)
    caches = [
        torch.randn(batch * columns, page, heads, dim, device=device, dtype=torch.bfloat16) for _ in "kv"
    ]
    return *caches, order.view(batch, columns)


def flatten(device, batch, length, page=64, heads=8, dim=128) -> Case:
    k, v, table = pool(device, batch, length, page, heads, dim)
    lengths = torch.full((batch,), length, dtype=torch.int32, device=device)
    starts = torch.arange(batch, device=device, dtype=torch.int32) * length
    rows = batch * length
    out = [torch.empty(heads, rows, dim, dtype=k.dtype, device=device) for _ in "kv"]
    flat = [c[table.long()].reshape(batch, -1, heads, dim)[:, :length].reshape(rows, heads, dim) for c in (k, v)]
    expected = torch.stack(flat).transpose(1, 2)
    inputs = {"k": k, "v": v, "table": table, "lengths": lengths, "starts": starts, "out": out, "rows": rows}
    moved = 2 * 2 * rows * heads * dim * 2
    case = Case(f"flatten {batch}x{length}", "flatten", moved, inputs, lambda: torch.stack(inputs["out"]), expected)
    case.spoil = lambda: [o.fill_(float("nan")) for o in inputs["out"]]
    return case


def append(device, batch, tokens, page=16, heads=8, dim=128) -> Case:
    """`tokens` new rows of each of `batch` sequences, at the front of each."""
    k, v, table = pool(device, batch, tokens, page, heads, dim)
    rows = [torch.randn(batch * tokens, heads, dim, device=device, dtype=torch.bfloat16) for _ in "kv"]
    position = torch.arange(tokens, device=device, dtype=torch.int32).repeat(batch)
    sequence = torch.arange(batch, device=device, dtype=torch.int32).repeat_interleave(tokens)
    pages = table[sequence.long(), (position // page).long()].long()
    slots = pages * page + position % page
    columns = table.shape[1]
    inputs = {
        "k": k, "v": v, "rows": rows, "slots": slots, "batch_indices": sequence, "positions": position,
        "indices": table.flatten(), "indptr": torch.arange(batch + 1, device=device, dtype=torch.int32) * columns,
        "last": torch.full((batch,), (tokens - 1) % page + 1, dtype=torch.int32, device=device),
    }  # fmt: skip

    def stored():
        return torch.stack([c.view(-1, heads, dim)[slots] for c in (k, v)])

    moved = 2 * 2 * batch * tokens * heads * dim * 2
    case = Case(f"append {batch}x{tokens}", "append", moved, inputs, stored, torch.stack(rows))
    case.spoil = lambda: [c.fill_(float("nan")) for c in (k, v)]
    return case


def decode(device, batch, length, page=64, heads=32, kv_heads=8, dim=128) -> Case:
    k, v, table = pool(device, batch, length, page, kv_heads, dim)
    q = torch.randn(batch, heads, dim, device=device, dtype=torch.bfloat16)
    lengths = torch.full((batch,), length, dtype=torch.int32, device=device)
    flat = [c[table.long()].reshape(batch, -1, kv_heads, dim)[:, :length].transpose(1, 2).contiguous() for c in (k, v)]
    grouped = [f.repeat_interleave(heads // kv_heads, 1).float() for f in flat]
    expected = torch.nn.functional.scaled_dot_product_attention(q[:, :, None].float(), *grouped)[:, :, 0]
    out = torch.empty_like(q)
    inputs = {
        "q": q, "k": k, "v": v, "table": table, "lengths": lengths, "out": out, "flat": flat, "page": page,
        "kv_heads": kv_heads,
    }  # fmt: skip
    moved = 2 * batch * length * kv_heads * dim * 2
    return Case(f"decode {batch}x{length}", "decode", moved, inputs, lambda: inputs["out"], expected, tolerance=1e-2)


def all_cases(device, small: bool) -> list[Callable[[], Case]]:
    """Made one at a time, as they are measured: together they would not fit."""
    if small:
        shapes = [(flatten, 2, 100), (append, 2, 20), (decode, 2, 40)]
    else:
        shapes = [
            (flatten, 16, 4096), (flatten, 1, 32768), (flatten, 128, 512), (append, 128, 1), (append, 1, 4096),
            (append, 16, 1024), (decode, 1, 8192), (decode, 64, 4096), (decode, 128, 1024),
        ]  # fmt: skip
    return [lambda make=make, a=a, b=b: make(device, a, b) for make, a, b in shapes]
