"""pagejit beside its peers, on the same inputs in the same run: python python/bench/bench.py --out results

Peers that are not installed are named and skipped. A call whose result is wrong has no time. Without a GPU the shapes are
tiny, pagejit runs on the emulator, and times say nothing: that shows only that the bench works.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import time
from pathlib import Path

import torch
from cases import all_cases
from peers import PEERS


def device_time(call, repeats: int) -> list[float]:
    """Seconds a call takes the device, from a graph of several calls where it can be captured."""
    call()
    torch.cuda.synchronize()
    calls = 10
    try:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(calls):
                call()
        run = graph.replay
    except Exception:  # not every peer can be captured
        torch.cuda.synchronize()

        def run():
            for _ in range(calls):
                call()

    times = []
    for i in range(repeats + 3):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        if i >= 3:
            times.append(begin.elapsed_time(end) / 1e3 / calls)
    return times


def host_time(call, repeats: int = 200) -> float:
    """Median seconds that a call takes the host, while the device keeps up."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    return statistics.median(times)


def ceiling() -> float:
    """Bytes a second of the device's own copy, read and written."""
    a = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    b = torch.empty_like(a)
    return 2 * a.numel() / statistics.median(device_time(lambda: b.copy_(a), 20))


def measure(case, peer: str, gpu: bool, top: float) -> dict:
    row = {"case": case.name, "peer": peer}
    try:
        call = PEERS[peer](case)
    except ImportError as e:
        return row | {"skipped": str(e)}
    try:
        case.spoil()
        call()
        case.check()
        if not gpu:
            return row | {"right": True}
        times = sorted(device_time(call, 20))
        median = statistics.median(times)
        return row | {
            "right": True,
            "us": median * 1e6,
            "spread": (times[-2] - times[1]) / median,
            "bytes_per_s": case.bytes / median,
            "of_copy": case.bytes / median / top,
            "host_us": host_time(call) * 1e6,
        }
    except Exception as e:  # a peer's failure is a row of the table, not the end of the bench
        return row | {"failed": f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"}


def text_of(row: dict) -> str:
    start = f"{row['case']:18} {row['peer']:12} "
    if "us" in row:
        return start + f"{row['us']:9.1f} us  {row['bytes_per_s'] / 1e9:7.0f} GB/s  {row['of_copy']:5.0%} of copy  host {row['host_us']:5.1f} us"
    return start + ("right" if "right" in row else row.get("failed") or "skipped: " + row["skipped"])


def machine(gpu: bool) -> dict:
    from importlib.metadata import PackageNotFoundError, version

    known = {}
    for package in ("pagejit", "torch", "triton", "lmdeploy", "vllm", "flashinfer-python"):
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            known[package] = None
    name = torch.cuda.get_device_name() if gpu else "none: emulator"
    return {"gpu": name, "cuda": torch.version.cuda, "python": platform.python_version(), "packages": known}


def draw(rows: list[dict], about: dict, out: Path) -> None:
    """Bars of the fraction of the copy's rate, a group for each case."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    timed = [r for r in rows if "us" in r]
    cases = list(dict.fromkeys(r["case"] for r in timed))
    peers = [p for p in PEERS if any(r["peer"] == p for r in timed)]
    figure, axes = plt.subplots(figsize=(max(6, 1.6 * len(cases)), 4.5))
    width = 0.8 / max(1, len(peers))
    for n, peer in enumerate(peers):
        of = {r["case"]: r["of_copy"] for r in timed if r["peer"] == peer}
        axes.bar([i + n * width for i in range(len(cases))], [of.get(c, 0) for c in cases], width, label=peer)
    axes.set_xticks([i + 0.4 - width / 2 for i in range(len(cases))], cases, rotation=25, ha="right")
    axes.set_ylabel("bytes a second, as a fraction of the device's copy")
    axes.set_title(about["gpu"])
    axes.legend()
    figure.tight_layout()
    for kind in ("png", "svg"):
        figure.savefig(out / f"peers.{kind}", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for peers.json, .png and .svg")
    parser.add_argument("--peer", action="append", choices=list(PEERS), help="only these")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    gpu = torch.cuda.is_available()
    torch.manual_seed(0)
    about = machine(gpu) | {"date": time.strftime("%Y-%m-%d")}
    top = ceiling() if gpu else 0.0
    print(f"{about['gpu']}, copy {top / 1e9:.0f} GB/s, {about['packages']}")
    rows = []
    for make in all_cases("cuda" if gpu else "cpu", small=not gpu):
        case = make()
        for peer in given.peer or PEERS:
            rows.append(measure(case, peer, gpu, top))
            print(text_of(rows[-1]), flush=True)
        del case
        gc.collect()
    (given.out / "peers.json").write_text(json.dumps(about | {"copy_bytes_per_s": top, "rows": rows}, indent=2) + "\n")
    try:
        if gpu:
            draw(rows, about, given.out)
    except ImportError:
        print("no chart: matplotlib is not installed")


if __name__ == "__main__":
    main()
