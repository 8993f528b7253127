"""What is measured: inputs, the bytes that must move, and what is right, made by torch in single precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import torch

Checks = list[tuple[torch.Tensor, torch.Tensor, float]]


@dataclass
class Case:
    """One row of the table.

    Attributes:
        name: What the table calls it.
        kind: Which of a peer's functions serves it.
        of: The inputs, and the outputs that a call writes to; a peer that makes its own puts them here.
        bytes: Read and written at least.
        checks: After a call: what was written, what is right, and the relative error that is allowed.
        written: What a call overwrites.
        ceiling: "copy" or "read": whose rate `bytes` are compared with.
        flops: Of attention on many heads, which computes more than it moves.
    """

    name: str
    kind: str
    of: SimpleNamespace
    bytes: int
    checks: Callable[[], Checks]
    written: Callable[[], list[torch.Tensor]]
    ceiling: str = "copy"
    flops: float = 0.0

    def check(self) -> None:
        for got, wanted, allowed in self.checks():
            off = error(got, wanted)
            if not off <= allowed:
                raise AssertionError(f"wrong: relative error {off:.2g}, {allowed:.2g} is allowed")

    def spoil(self) -> None:
        """So that a call that writes nothing is not right by what the one before wrote."""
        for t in self.written():
            t.view(torch.uint8).fill_(0x7F)  # a NaN in fp8 and, nearly the largest number, in bf16


def error(got: torch.Tensor, wanted: torch.Tensor) -> float:
    """‖got − wanted‖ / ‖wanted‖, a piece at a time: single precision copies of all of it may not fit."""
    if got.shape != wanted.shape:
        return float("inf")
    off = size = 0.0
    for a, b in zip(got.flatten().split(1 << 26), wanted.flatten().split(1 << 26)):
        a, b = a.float(), b.float()
        off += (a - b).square().sum(dtype=torch.float64).item()
        size += b.square().sum(dtype=torch.float64).item()
    return (off / size) ** 0.5


def normal(device, *shape, dtype=torch.bfloat16) -> torch.Tensor:
    return torch.randn(*shape, device=device, dtype=torch.bfloat16).to(dtype)


def int32(device, values) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.int32, device=device)


def tables(device, lengths: list[int], page: int) -> SimpleNamespace:
    """Shuffled pages of each sequence, as a table and as a list; entries past a sequence's end are page 0."""
    need = [-(-n // page) for n in lengths]
    order = torch.randperm(sum(need)).to(torch.int32)
    table = torch.zeros(len(lengths), max(need), dtype=torch.int32)
    for row, mine in zip(table, order.split(need)):
        row[: len(mine)] = mine
    ends = torch.tensor([0, *need]).cumsum(0)
    starts = torch.tensor([0, *lengths]).cumsum(0)
    return SimpleNamespace(
        page=page, pages=sum(need), table=table.to(device), lengths=int32(device, lengths), host_lengths=lengths,
        indices=order.to(device), indptr=int32(device, ends), starts=int32(device, starts[:-1]), rows=int(starts[-1]),
        last=int32(device, [(n - 1) % page + 1 for n in lengths]),
    )  # fmt: skip


def slots(t: SimpleNamespace) -> SimpleNamespace:
    """Where each row of each sequence lies: the lists by which writers find their places."""
    batch, positions, where = [], [], []
    for b, n in enumerate(t.host_lengths):
        p = torch.arange(n, device=t.table.device)
        batch.append(torch.full_like(p, b))
        positions.append(p)
        where.append(t.table[b].long()[p // t.page] * t.page + p % t.page)
    return SimpleNamespace(
        **vars(t), batch_indices=torch.cat(batch).int(), positions=torch.cat(positions).int(), slots=torch.cat(where)
    )


def rows_of(t: SimpleNamespace, cache: torch.Tensor, b: int) -> torch.Tensor:
    """Rows of sequence b out of a cache `[pages, page, …]`."""
    n = t.host_lengths[b]
    return cache[t.table[b, : -(-n // t.page)].long()].flatten(0, 1)[:n]


@dataclass
class Codes:
    """A cache of random codes: what is stored, what stands beside it, and how it is read."""

    policy: int  # LMDeploy's number
    stored: torch.Tensor
    meta: torch.Tensor | None
    read: Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]  # rows and their metadata, in single precision

    @property
    def row_bytes(self) -> int:
        """Of one head of one token."""
        beside = self.meta.shape[-1] * self.meta.element_size() if self.meta is not None and self.meta.dim() == 4 else 0
        return self.stored.shape[-1] * self.stored.element_size() + beside

    def rows(self, t: SimpleNamespace, b: int) -> torch.Tensor:
        by_token = self.meta is not None and self.meta.dim() == 4
        return self.read(rows_of(t, self.stored, b), rows_of(t, self.meta, b) if by_token else self.meta)


def codes(device, quant: str, pages: int, page: int, heads: int, dim: int) -> Codes:
    shape = (pages, page, heads, dim)
    if quant == "bf16":
        return Codes(0, normal(device, *shape), None, lambda c, m: c.float())
    if quant == "fp8":
        scale = torch.tensor([0.5], device=device)
        return Codes(16, normal(device, *shape, dtype=torch.float8_e4m3fn), scale, lambda c, m: c.float() * m)
    middle = 128 if quant == "int8" else 8
    meta = torch.full((*shape[:3], 2), middle, dtype=torch.float16, device=device)
    meta[..., 0] = torch.rand(shape[:3], device=device) / middle
    per_byte = 1 if quant == "int8" else 2
    stored = torch.randint(0, 256, (*shape[:3], dim // per_byte), dtype=torch.uint8, device=device)

    def read(c, m):
        c = c.float() if quant == "int8" else torch.cat([c & 15, c >> 4], -1).float()
        return (c - m[..., 1:].float()) * m[..., :1].float()

    return Codes(8 if quant == "int8" else 4, stored, meta, read)
