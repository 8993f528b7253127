"""What was measured, as lines on the terminal, as a table in Markdown and as a chart."""

from __future__ import annotations

import json
from pathlib import Path

COLORS = {
    "pagejit": "#0b6e4f", "lmdeploy": "#c8553d", "vllm triton": "#f28f3b", "flashinfer": "#588b8b", "torch": "#8d99ae",
    "torch flex": "#c5cbd6",
}  # fmt: skip


def line(row: dict) -> str:
    start = f"{row['case']:44} {row['peer']:12} "
    if "us" not in row:
        return start + ("right" if "right" in row else row.get("failed") or "skipped: " + row["skipped"])
    speed = f"{row['us']:9.1f} us  {row['bytes_per_s'] / 1e9:6.0f} GB/s  {row['of_ceiling']:5.0%}"
    flops = f"  {row['tflops']:.0f} TFLOP/s" if "tflops" in row else ""
    return start + speed + f"  host {row['host_us']:6.1f} us  spread {row['spread']:.1%}" + flops


def write(about: dict, out: Path) -> None:
    (out / "peers.json").write_text(json.dumps(about, indent=1) + "\n")
    (out / "peers.md").write_text(markdown(about["rows"]))
    if not any("us" in row for row in about["rows"]):
        return
    try:
        draw(about, out)
    except ImportError:
        print("no chart: matplotlib is not installed")


def markdown(rows: list[dict]) -> str:
    """Times in µs, and the fraction of the ceiling; the quickest of each row in bold."""
    peers = list(dict.fromkeys(row["peer"] for row in rows))
    text = f"| case | {' | '.join(peers)} |\n|---|{'---|' * len(peers)}\n"
    for case in dict.fromkeys(row["case"] for row in rows):
        mine = {row["peer"]: row for row in rows if row["case"] == case}
        best = min((row["us"] for row in mine.values() if "us" in row), default=0)
        text += f"| {case} | {' | '.join(cell(mine.get(p, {}), best) for p in peers)} |\n"
    return text


def cell(row: dict, best: float) -> str:
    if "us" not in row:
        return "right" if "right" in row else "failed" if "failed" in row else "–"
    number = f"{row['us']:.0f}" if row["us"] >= 100 else f"{row['us']:.1f}"
    return f"**{number}** ({row['of_ceiling']:.2f})" if row["us"] == best else f"{number} ({row['of_ceiling']:.2f})"


def draw(about: dict, out: Path) -> None:
    """A mark for each peer on each case's line, at its fraction of the ceiling."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    timed = [row for row in about["rows"] if "us" in row]
    cases = list(dict.fromkeys(row["case"] for row in timed))[::-1]
    figure, axes = plt.subplots(figsize=(9, 1.4 + 0.26 * len(cases)))
    for peer in reversed(list(dict.fromkeys(row["peer"] for row in timed))):
        mine = [row for row in timed if row["peer"] == peer]
        axes.scatter(
            [row["of_ceiling"] for row in mine], [cases.index(row["case"]) for row in mine], label=peer,
            color=COLORS.get(peer), s=46 if peer == "pagejit" else 30, marker="D" if peer == "pagejit" else "o",
        )  # fmt: skip
    axes.set_yticks(range(len(cases)), cases, fontsize=7)
    axes.set_xlim(0, max(1.05, max(row["of_ceiling"] for row in timed) * 1.03))
    axes.axvline(1, color="#444444", linewidth=0.8)
    axes.grid(axis="both", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_ylim(-0.8, len(cases) - 0.2)
    axes.set_xlabel("speed, as a fraction of the device's own copy; of attention: of reading", fontsize=8)
    axes.set_title(f"{about['gpu']}, {about['date']}", fontsize=9)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="lower center", ncols=len(labels), fontsize=7, frameon=False)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    for kind in ("png", "svg"):
        figure.savefig(out / f"peers.{kind}", dpi=130)
    plt.close(figure)
