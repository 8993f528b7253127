"""The bench beside peers, as far as it goes without a GPU: tiny shapes, no times."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
if importlib.util.find_spec("lmdeploy"):
    pytest.skip("LMDeploy is installed: these tests are about its absence", allow_module_level=True)

BENCH = Path(__file__).parents[1] / "bench" / "bench.py"


def bench(out, *arguments):
    command = [sys.executable, str(BENCH), "--out", str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 0, done.stderr
    return json.loads((out / "peers.json").read_text())["rows"], (out / "peers.md").read_text()


def test_a_row_is_checked_for_each_peer_and_who_is_missing_is_named(tmp_path):
    rows, table = bench(tmp_path, "--row", "fill", "--peer", "pagejit", "--peer", "torch", "--peer", "lmdeploy")
    of = {(row["case"], row["peer"]): row for row in rows}
    assert len(of) == 6
    for quant in ("bf16", "int8"):
        assert of[f"fill {quant}, 32 tokens", "pagejit"].get("right"), of
    assert of["fill bf16, 32 tokens", "torch"].get("right")
    assert "quantises" in of["fill int8, 32 tokens", "torch"]["skipped"]
    assert "lmdeploy" in of["fill bf16, 32 tokens", "lmdeploy"]["skipped"]
    assert "| fill int8, 32 tokens | right | – | – |" in table


def test_kernels_of_a_package_that_is_only_unpacked_are_found(tmp_path):
    folder = tmp_path / "lmdeploy" / "pytorch" / "kernels" / "cuda"
    folder.mkdir(parents=True)
    (tmp_path / "lmdeploy" / "__init__.py").write_text("raise RuntimeError('the server')")
    (folder / "fill_kv_cache.py").write_text(
        "from lmdeploy.messages import QuantPolicy\n"
        "def fill_kv_cache(k, v, k_cache, *_):\n"
        "    raise ValueError(f'called with {QuantPolicy(8).name}')\n"
    )
    rows, _ = bench(tmp_path / "out", "--row", "fill int8", "--peer", "lmdeploy", "--unpacked", str(tmp_path))
    assert [row.get("failed") for row in rows] == ["ValueError: called with INT8"]
