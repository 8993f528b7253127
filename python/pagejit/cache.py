"""The kernel cache: what happened to kernels in this process, and what lies on the disk."""

from __future__ import annotations

from typing import Any

from . import _core


def stats(folder: str | None = None) -> dict[str, Any]:
    """Counters of this process, and what a cache folder holds.

    Args:
        folder: A cache folder or a bundle; None: the one that this process uses.

    Returns:
        `devices`: for each device in use, by name, its totals: compiles, assemblies, memory_hits, disk_hits, launches,
        align_fallbacks, compile_ms, load_ms. `folder`, `entries`, `bytes`: what lies on the disk.
    """
    return {"devices": _core.statistics(), **_core.holdings(folder or "")}
