"""Devices and options of the process, and what a call would launch."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from . import _core


@dataclass(frozen=True)
class Device:
    """A device that kernels run on.

    Attributes:
        device: "cuda:0", "emulator".
        name: "NVIDIA H200", "emulator".
        target: What kernels are compiled for: "sm_90a", "emulator".
        multiprocessors: How many it has.
    """

    device: str
    name: str
    target: str
    multiprocessors: int


def device(name: str = "auto") -> Device:
    """What a device is: "cuda", "cuda:1", "emulator", or "auto": the first GPU, else the emulator."""
    return Device(**_core.device(name))


def configure(
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    cache_ro: Iterable[str | os.PathLike[str]] | str | None = None,
    mode: str | None = None,
    seal: str | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Options of all devices; to be called before the first kernel. What is None the environment says.

    Args:
        cache_dir: Private root of the kernel cache.
        cache_ro: Folders and bundles that are only read.
        mode: "auto", "require" (never compiles), "rebuild".
        seal: What a compile after `seal()` is: "warn" or "error".
        on_event: Told of hits, misses, compiles and more, with a dict: kind, layer, cause, spec, target, ms, count. It
            is called on the thread on which that happens, and must not call kernels.

    Raises:
        ValueError: A device is in use already.
    """
    if on_event is not None and not callable(on_event):
        raise TypeError(f"configure: on_event is a {type(on_event).__name__}; expected a function of one dict")
    if mode not in (None, "auto", "require", "rebuild"):
        raise ValueError(f"configure: mode is '{mode}'; expected auto, require or rebuild")
    if seal not in (None, "warn", "error"):
        raise ValueError(f"configure: seal is '{seal}'; expected warn or error")
    if cache_ro is not None and not isinstance(cache_ro, str):
        cache_ro = ":".join(os.fspath(path) for path in cache_ro)
    _core.configure(os.fspath(cache_dir or ""), cache_ro or "", mode or "", seal or "", on_event)


def seal(name: str = "auto") -> None:
    """Warm-up of a device is over: from now on a compile is a warning or, with `configure(seal="error")`, an error."""
    _core.seal(name)


@contextlib.contextmanager
def stream(handle: int) -> Iterator[None]:
    """Within it, this thread's launches go to this CUDA stream, not to torch's current one.

    Args:
        handle: A CUstream or cudaStream_t as a number.
    """
    _core.set_stream(handle)
    try:
        yield
    finally:
        _core.set_stream(None)


@dataclass(frozen=True)
class Explanation:
    """What a call would launch.

    Attributes:
        spec: The spec line of its kernel, as `pagejit-precompile --spec` takes it.
        device: "cuda:0", "emulator".
        cached: Whether the kernel can be had without compiling it.
        load_ms: What having it took just now, in milliseconds: next to nothing where it was loaded already. None where
            it would have to be compiled; `prepare` does that.
        threads: Of a block; None where it is not cached, like the next three.
        registers: Of a thread, where the driver has said so.
        shared_bytes: Shared memory of a block.
        param_bytes: What a launch passes by value.
        then: The kernel that the same call launches behind it, as attention does; or None.
    """

    spec: str
    device: str
    cached: bool
    load_ms: float | None = None
    threads: int | None = None
    registers: int | None = None
    shared_bytes: int | None = None
    param_bytes: int | None = None
    then: Explanation | None = None

    def __str__(self) -> str:
        state = f"cached, {self.load_ms:.2f} ms to have it" if self.cached else "not cached: it would be compiled"
        cost = f"; {self.threads} threads a block, {self.shared_bytes} bytes shared" if self.cached else ""
        behind = f"\n{self.then}" if self.then else ""
        return f"{self.spec}\n  on {self.device}: {state}{cost}{behind}"


@contextlib.contextmanager
def _intent(name: str) -> Iterator[None]:
    _core.set_intent(name)
    try:
        yield
    finally:
        _core.set_intent("launch")


def explain(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """Which kernel `fn(*args, **kwargs)` would launch, whether it is cached, and what it costs. Launches nothing.

    Args:
        fn: A function of pagejit, or one that calls some: the last call is explained.
        *args: Its arguments.
        **kwargs: Its arguments.

    Raises:
        ValueError: The call would fail, or launches nothing.
    """
    with _intent("explain"):
        fn(*args, **kwargs)
        found = _core.explained()
    if not found:
        raise ValueError(f"explain: {getattr(fn, '__name__', fn)} calls no kernel of pagejit's")
    specs, device = found[-1]
    explained = None
    for spec in reversed(specs):
        facts = _core.examine(spec, device)
        explained = Explanation(spec, device, facts is not None, **(facts or {}), then=explained)
    return explained


def prepare(fn: Callable[..., Any] | str, *args: Any, device: str = "auto", **kwargs: Any) -> None:
    """Loads, and compiles if need be, the kernels that `fn(*args, **kwargs)` would launch. Launches nothing.

    Args:
        fn: A function of pagejit, or one that calls some; or a spec line.
        *args: Its arguments. The alignment of their memory counts, their contents do not.
        device: Of a spec line.
        **kwargs: Its arguments.
    """
    if isinstance(fn, str):
        _core.prepare(fn, device)
        return
    with _intent("prepare"):
        fn(*args, **kwargs)


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    return [os.fspath(value)] if isinstance(value, (str, os.PathLike)) else [os.fspath(v) for v in value]


def precompile(
    models: Any = None,
    *,
    targets: Any,
    page_sizes: Iterable[int] = (16, 64),
    quants: Any = ("none",),
    specs: Any = None,
    manifests: Any = None,
    cache_dir: str | os.PathLike[str] | None = None,
    bundle: str | os.PathLike[str] | None = None,
    failures: str | os.PathLike[str] = "pagejit-failures",
    jobs: int = 0,
    keep_going: bool = False,
    dry_run: bool = False,
) -> list[dict[str, Any]]:
    """Compiles ahead of time all that serving models can ask for. Needs no GPU.

    Args:
        models: Built-in models or `config.json` files, one or several; or a transformers config.
        targets: Such as "sm_90a", one or several.
        page_sizes: Rows of a page.
        quants: How the cache is quantised: none, fp8, fp8_group, int8, int4, turbo4.
        specs: Spec lines, one or several.
        manifests: Files that list kernels; PAGEJIT_RECORD writes such files.
        cache_dir: Folder to fill; None: the user's own.
        bundle: File to put all kernels into.
        failures: Folder for what failed kernels leave.
        jobs: Kernels at a time; 0: as many as CPUs.
        keep_going: Makes the others after one has failed.
        dry_run: Makes nothing, and says of each kernel whether it is cached.

    Returns:
        A dict for each kernel: key, spec, target and more.
    """
    with contextlib.ExitStack() as files:
        if hasattr(models, "to_json_string"):
            models = files.enter_context(_config_file(models))
        wish = (_texts(models), _texts(manifests), _texts(specs), _texts(targets), list(page_sizes), _texts(quants))
        folder = os.fspath(cache_dir or "")
        if dry_run:
            return json.loads(_core.coverage(*wish, folder))["variants"]
        made = _core.precompile(*wish, folder, os.fspath(bundle or ""), os.fspath(failures), jobs, keep_going)
    return json.loads(made)["variants"]


@contextlib.contextmanager
def _config_file(config: Any) -> Iterator[str]:
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(config.to_json_string())
        file.flush()
        yield file.name
