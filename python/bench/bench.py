"""pagejit beside its peers, on the same inputs in the same run: python python/bench/bench.py --out results

Peers that are not there are named and skipped, with the reason. A call whose result is wrong has no time. Without a GPU the
shapes are tiny, pagejit runs on the emulator, and times say nothing: that shows only that the bench works.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import time
from pathlib import Path

import borrowed
import report
import timing
import torch
from peers import PEERS, call_of
from rows import all_rows


SETS, LITTLE = 5, 1 << 28  # calls that move fewer bytes take turns on so many sets of buffers: L2 keeps less of them


def measure(cases: list, peer: str, gpu: bool, ceilings: dict[str, float]) -> dict:
    case = cases[0]
    row = {"case": case.name, "peer": peer}
    try:
        calls = [call_of(peer, c) for c in cases]
    except ImportError as e:
        return row | {"skipped": str(e)}
    except Exception as e:
        return row | {"failed": f"{type(e).__name__}: {(str(e).splitlines() or [''])[0]}"}
    try:
        for call, c in zip(calls, cases):
            c.spoil()
            call()
            c.check()
        if not gpu:
            return row | {"right": True}
        times = sorted(timing.device(calls))
        median = times[len(times) // 2]
        found = {
            "right": True,
            "us": median * 1e6,
            "spread": (times[-2] - times[1]) / median,
            "bytes_per_s": case.bytes / median,
            "of_ceiling": case.bytes / median / ceilings[case.ceiling],
            "host_us": timing.host(calls[0]) * 1e6,
        }
        if case.flops:
            found["tflops"] = case.flops / median / 1e12
        return row | found
    except Exception as e:  # a peer's failure is a row of the table, not the end of the bench
        return row | {"failed": f"{type(e).__name__}: {(str(e).splitlines() or [''])[0]}"}


def machine(gpu: bool) -> dict:
    from importlib.metadata import PackageNotFoundError, version

    known = {}
    for package in ("pagejit", "torch", "triton", "lmdeploy", "vllm", "flashinfer-python"):
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            known[package] = borrowed.version(package)
    about = {"gpu": "none: emulator", "cuda": torch.version.cuda, "python": platform.python_version(), "packages": known}
    if gpu:
        about |= {"gpu": torch.cuda.get_device_name(), "driver": timing.driver()}
    return about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for peers.json, .md, .png and .svg")
    parser.add_argument("--peer", action="append", choices=list(PEERS), help="only these")
    parser.add_argument("--row", action="append", help="only rows whose name has this in it")
    parser.add_argument("--unpacked", type=Path, help="folder with unpacked packages of peers that are not installed")
    parser.add_argument("--draw", type=Path, help="draw the chart and the table of this peers.json, measure nothing")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.draw:
        report.write(json.loads(given.draw.read_text()), given.out)
        return
    borrowed.folder = given.unpacked
    gpu = torch.cuda.is_available()
    torch.manual_seed(0)
    ceilings = timing.ceilings() if gpu else {}
    about = machine(gpu) | {"date": time.strftime("%Y-%m-%d"), "ceilings": ceilings, "rows": []}
    print(about["gpu"], about["packages"], *(f"{name} {rate / 1e9:.0f} GB/s" for name, rate in ceilings.items()))
    for make in all_rows("cuda" if gpu else "cpu", small=not gpu):
        cases = [make()]
        if given.row and not any(part in cases[0].name for part in given.row):
            continue
        if gpu and cases[0].bytes < LITTLE:
            cases += [make() for _ in range(SETS - 1)]
        for peer in given.peer or PEERS:
            row = measure(cases, peer, gpu, ceilings)
            about["rows"].append(row)
            print(report.line(row), flush=True)
        del cases
        gc.collect()
        (given.out / "peers.json").write_text(json.dumps(about, indent=1) + "\n")
    report.write(about, given.out)


if __name__ == "__main__":
    main()
