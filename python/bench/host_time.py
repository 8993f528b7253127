"""What a call costs the host, from Python to the driver and back: python python/bench/host_time.py

Every kernel is loaded and every output and workspace is given. The shapes are so small that the device keeps up; runs of 50
calls, each after a synchronisation, median of 400.
"""

from __future__ import annotations

import platform
import statistics
import time

import torch

import pagejit


def median_us(call, runs: int = 400, calls: int = 50) -> float:
    call(1)
    times = []
    for _ in range(runs):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        call(calls)
        times.append((time.perf_counter() - begin) / calls)
    return statistics.median(times) * 1e6


def calls() -> dict:
    """Functions that make so many calls of each."""

    def rows(*shape):
        return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)

    def ints(*values):
        return torch.tensor(values, dtype=torch.int32, device="cuda")

    k, v, out_k, out_v = rows(8, 16, 8, 128), rows(8, 16, 8, 128), rows(8, 40, 128), rows(8, 40, 128)
    lengths, table, starts = ints(20, 5), torch.tensor([[3, 1], [0, 2]], dtype=torch.int32, device="cuda"), ints(0, 20)
    new_k, new_v = rows(2, 8, 128), rows(2, 8, 128)
    each, ones, slots = ints(0, 1), ints(1, 1), torch.tensor([5, 20], device="cuda")
    indices, indptr, where = ints(3, 1, 0, 2), ints(0, 2, 4), ints(19, 4)
    q, out, offsets = rows(2, 32, 128), rows(2, 32, 128), ints(0, 0, 0)
    workspace = torch.empty(32 << 20, dtype=torch.uint8, device="cuda")

    def flatten(n):
        for _ in range(n):
            pagejit.flatten_kv_cache(k, v, lengths, table, starts, out=(out_k, out_v))

    def fill(n):
        for _ in range(n):
            pagejit.fill_kv_cache(new_k, new_v, k, v, each, ones, lengths, 1, table)

    def append(n):
        for _ in range(n):
            pagejit.append_paged_kv_cache(new_k, new_v, each, where, (k, v), indices, indptr)

    def reshape(n):
        for _ in range(n):
            pagejit.reshape_and_cache(new_k, new_v, k, v, slots)

    def start_offsets(n):
        for _ in range(n):
            pagejit.start_offsets(lengths, out=offsets)

    def decode(n):
        for _ in range(n):
            pagejit.decode_attention(q, k, v, table, lengths, out=out, workspace=workspace)

    def decode_and_make(n):
        for _ in range(n):
            pagejit.decode_attention(q, k, v, table, lengths)

    return {
        "flatten_kv_cache": flatten,
        "fill_kv_cache": fill,
        "append_paged_kv_cache": append,
        "reshape_and_cache": reshape,
        "start_offsets": start_offsets,
        "decode_attention": decode,
        "decode_attention, out and workspace made": decode_and_make,
    }


def main() -> None:
    print(f"{torch.cuda.get_device_name()}, CPython {platform.python_version()}, torch {torch.__version__}")
    for name, call in calls().items():
        print(f"{name:40} {median_us(call):6.2f} us", flush=True)


if __name__ == "__main__":
    main()
