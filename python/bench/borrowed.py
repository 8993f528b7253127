"""Kernels' modules out of a package that is not installed, only unpacked: `bench.py --unpacked FOLDER`.

LMDeploy's and vLLM's wheels bring servers with them, and pin a torch of their own. Their Triton kernels need neither: of the
folders on the way to them none of the `__init__.py` is run, and the few names that kernels take from elsewhere in the
package are given here.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path

folder: Path | None = None


def module(name: str, stand_ins: dict[str, dict]):
    """The module `name`: installed, or out of the folder with `stand_ins`, names by module, for what it imports."""
    top = name.split(".")[0]
    if top not in sys.modules:
        if importlib.util.find_spec(top) is None:
            if folder is None or not (folder / top).is_dir():
                raise ImportError(f"{top} is not installed, nor unpacked in a folder that --unpacked names")
            _skeleton(name, stand_ins)
    elif folder is not None and not hasattr(sys.modules[top], "__file__"):
        _skeleton(name, stand_ins)
    return importlib.import_module(name)


def _skeleton(name: str, stand_ins: dict[str, dict]) -> None:
    parts = name.split(".")
    for n in range(1, len(parts)):
        _package(".".join(parts[:n]), folder.joinpath(*parts[:n]))
    for other, names in stand_ins.items():
        above = other.split(".")
        for n in range(1, len(above)):
            _package(".".join(above[:n]), folder.joinpath(*above[:n]))
        if other not in sys.modules:
            sys.modules[other] = types.ModuleType(other)
            setattr(sys.modules[".".join(above[:-1])], above[-1], sys.modules[other])
        vars(sys.modules[other]).update(names)


def _package(name: str, path: Path) -> None:
    if name not in sys.modules:
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package


def version(top: str) -> str | None:
    """Of an unpacked package, by the folder that pip calls `.dist-info`."""
    found = sorted(folder.glob(f"{top.replace('-', '_')}-*.dist-info")) if folder else []
    return found[0].name.removesuffix(".dist-info").split("-")[1] if found else None
