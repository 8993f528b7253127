"""The rows of the table, made one at a time as they are measured: together they would not fit."""

from __future__ import annotations

from collections.abc import Callable

from cases import Case
from cases_decode import decode, decode_mla, log_uniform
from cases_move import concat_mla, fill, flatten, flatten_mla, gather_mla, rope


def all_rows(device, small: bool) -> list[Callable[[], Case]]:
    """`small`: the same rows, so few bytes that the emulator can do them."""
    batch, length = (2, 70) if small else (32, 8192)
    wide, tall = (2, 70) if small else (64, 8192)
    tokens = 32 if small else 16384
    few = (16, 8, 4, 1) if small else (16384, 4096, 128, 1)
    rows = [
        lambda q=q, layout=layout: flatten(device, q, layout, batch, length)
        for q in ("bf16", "int8", "int4", "fp8")
        for layout in ("shd", "hsd")
    ]
    rows += [
        lambda: flatten_mla(device, wide, tall),
        lambda: gather_mla(device, wide, tall),
        lambda: fill(device, "bf16", tokens),
        lambda: fill(device, "int8", tokens),
        lambda: concat_mla(device, "bf16", tokens),
        lambda: concat_mla(device, "656 bytes", tokens),
    ]
    rows += [lambda n=n: rope(device, False, n, 16) for n in few] + [lambda n=n: rope(device, True, n, 64) for n in few]
    return rows + decode_rows(device, small)


def decode_rows(device, small: bool) -> list[Callable[[], Case]]:
    def of(batch, length, words="", **given):
        size = (2, 40) if small else (batch, length)
        return lambda: decode(device, f"decode {size[0]} × {size[1]}{words}", [size[1]] * size[0], **given)

    def mla(batch, length, heads):
        size = (1, 40) if small else (batch, length)
        return lambda: decode_mla(device, f"decode MLA {heads} heads, {size[0]} × {size[1]}", *size, heads)

    uneven = log_uniform(3, 4, 60) if small else log_uniform(64, 16, 131072)
    return [
        of(32, 8192),
        of(32, 8192, ", page 16", page=16),
        of(32, 8192, ", page 1", page=1),
        of(32, 8192, ", fp8", quant="fp8"),
        of(32, 8192, ", int8", quant="int8"),
        of(32, 8192, ", int4", quant="int4"),
        of(128, 4096, ", 64/8 heads", heads=64),
        of(1, 8192),
        of(8, 2048),
        lambda: decode(device, "decode 64 × 16 … 131072", uneven),
        mla(128, 8192, 16),
        mla(128, 4096, 128),
    ]
