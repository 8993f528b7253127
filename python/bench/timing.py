"""Times on the device and on the host, and what the device can do at most."""

from __future__ import annotations

import statistics
import time

import torch

CALLS = 10  # of one sample


def device(calls: list, samples: int = 20, captured: bool = True) -> list[float]:
    """Seconds that one of `calls` takes the device, in turns, from a graph of ten where they can be captured."""
    for call in calls:
        call()
    torch.cuda.synchronize()

    def run():
        for i in range(CALLS):
            calls[i % len(calls)]()

    if captured:
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                run()
            run = graph.replay
        except Exception:  # not every peer can be captured
            torch.cuda.synchronize()

    times = []
    for i in range(samples + 3):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        if i >= 3:
            times.append(begin.elapsed_time(end) / 1e3 / CALLS)
    return times


def host(call, samples: int = 100) -> float:
    """Median seconds that a call takes the host, while the device keeps up."""
    times = []
    for _ in range(samples):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
        torch.cuda.synchronize()
    return statistics.median(times)


def ceilings() -> dict[str, float]:
    """Bytes a second: of the device's own copy of 1 GiB, read and written, and of a sum over 4 GiB, only read."""
    a, b = (torch.zeros(1 << 30, dtype=torch.uint8, device="cuda") for _ in range(2))
    # Not from a graph: a copy that was captured reached 2.7 of the 4.2 TB/s.
    copy = 2 * a.numel() / statistics.median(device([lambda: b.copy_(a)], captured=False))
    wide = torch.zeros(1 << 30, dtype=torch.float32, device="cuda")
    return {"copy": copy, "read": 4 * wide.numel() / statistics.median(device([wide.sum]))}


def driver() -> str:
    try:
        with open("/proc/driver/nvidia/version") as file:
            return next((word for word in file.readline().split() if word[0].isdigit() and "." in word), "unknown")
    except OSError:
        return "unknown"
