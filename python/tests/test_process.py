"""What is asked of the process: specs, costs, counters, options, compiling ahead of time."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest

import pagejit

CACHE = np.zeros((4, 16, 2, 64), np.float16)
LENGTHS = np.array([20], np.int32)
TABLE = np.array([[0, 1]], np.int32)
OUT = np.full((2, 32, 64), 7, np.float16), np.full((2, 32, 64), 7, np.float16)


def python(text, **environment):
    """Runs it in a process of its own: what is configured there stays there."""
    import os

    setup = "import numpy as np, pagejit\nlengths = np.array([3, 4], np.int32)\n"
    done = subprocess.run(
        [sys.executable, "-c", setup + text], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_explain_names_the_spec_and_launches_nothing():
    e = pagejit.explain(pagejit.flatten_kv_cache, CACHE, CACHE.copy(), LENGTHS, TABLE, out=OUT)
    assert e.spec.startswith("flatten ") and " page=16 " in e.spec and " dim_k=64 " in e.spec
    assert e.device == "emulator" and (OUT[0] == 7).all()
    assert e.spec in str(e)


def test_explain_names_both_kernels_of_a_split_attention():
    q = np.zeros((1, 4, 64), np.float16)
    many = np.zeros((64, 16, 2, 64), np.float16)
    table, lengths = np.arange(64, dtype=np.int32)[None], np.array([1000], np.int32)
    e = pagejit.explain(pagejit.decode_attention, q, many, many.copy(), table, lengths)
    assert e.spec.startswith("attend ") and e.then.spec.startswith("combine ") and e.then.then is None
    assert e.then.spec in str(e)


def test_explain_says_whether_a_kernel_is_cached_and_prepare_makes_it_so():
    odd = np.zeros((4, 11, 2, 64), np.float16)
    arguments = (odd, odd.copy(), LENGTHS, TABLE)
    before = pagejit.explain(pagejit.flatten_kv_cache, *arguments)
    assert not before.cached and before.load_ms is None and "not cached" in str(before)
    pagejit.prepare(pagejit.flatten_kv_cache, *arguments)
    after = pagejit.explain(pagejit.flatten_kv_cache, *arguments)
    assert after.cached and after.load_ms >= 0 and after.threads % 32 == 0 and after.param_bytes > 0


def test_explain_of_what_calls_no_kernel_is_refused():
    with pytest.raises(ValueError, match="explain: len calls no kernel"):
        pagejit.explain(len, [])


def test_an_error_in_explain_leaves_calls_as_they_were():
    with pytest.raises(TypeError):
        pagejit.explain(pagejit.start_offsets, [1], out=LENGTHS)
    assert pagejit.start_offsets(np.array([3, 4], np.int32)).tolist() == [0, 3, 7]


def test_prepare_takes_a_spec_line():
    spec = pagejit.explain(pagejit.seq_lens, LENGTHS, LENGTHS[:0], 16).spec
    compiles = pagejit.cache.stats()["devices"]["emulator"]["compiles"]
    pagejit.prepare(spec, device="emulator")
    pagejit.prepare(spec, device="emulator")
    assert pagejit.cache.stats()["devices"]["emulator"]["compiles"] <= compiles + 1


def test_stats_count_launches_and_name_the_folder(tmp_path):
    before = pagejit.cache.stats()["devices"].get("emulator", {}).get("launches", 0)
    pagejit.start_offsets(LENGTHS)
    stats = pagejit.cache.stats(tmp_path.as_posix())
    assert stats["devices"]["emulator"]["launches"] == before + 1
    assert stats["folder"] == tmp_path.as_posix() and stats["entries"] == 0


def test_nothing_changes_between_steps_that_would_compile(rng):
    arguments = [CACHE, CACHE.copy(), LENGTHS, TABLE]
    pagejit.flatten_kv_cache(*arguments, out_size=20)
    compiles = pagejit.cache.stats()["devices"]["emulator"]["compiles"]
    for batch in range(1, 6):
        lengths = rng.integers(0, 32, batch).astype(np.int32)
        pagejit.flatten_kv_cache(*arguments[:2], lengths, np.zeros((batch, 3), np.int32), out_size=40 * batch)
    assert pagejit.cache.stats()["devices"]["emulator"]["compiles"] == compiles


def test_threads_may_call_at_once(rng):
    wrong = []

    def work():
        for n in range(1, 20):
            lengths = np.full(n, 3, np.int32)
            if pagejit.start_offsets(lengths).tolist() != list(range(0, 3 * n + 1, 3)):
                wrong.append(n)

    threads = [threading.Thread(target=work) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


def test_device_is_the_emulator_without_a_gpu():
    assert pagejit.device("emulator") == pagejit.Device("emulator", "emulator", "emulator", 4)


def test_configure_is_refused_once_a_device_is_in_use():
    pagejit.device("emulator")
    with pytest.raises(ValueError, match="configure\\(\\) comes too late: emulator is in use"):
        pagejit.configure(mode="auto")


@pytest.mark.parametrize("option", ["mode", "seal"])
def test_configure_names_the_words_that_it_takes(option):
    with pytest.raises(ValueError, match=f"configure: {option} is 'x'; expected"):
        pagejit.configure(**{option: "x"})
    with pytest.raises(TypeError, match="on_event is a int"):
        pagejit.configure(on_event=1)


def test_the_hook_is_told_of_a_compile_and_may_raise():
    text = "def hook(e):\n  print(e['kind'], e['spec'].split()[0])\n  raise KeyError\npagejit.configure(on_event=hook)\n"
    assert python(text + "pagejit.start_offsets(lengths)\npagejit.start_offsets(lengths)") == "compile indices\n"


def test_after_seal_with_error_a_new_kernel_is_refused():
    text = """
pagejit.configure(seal="error")
pagejit.start_offsets(lengths)
pagejit.seal("emulator")
pagejit.start_offsets(lengths)
try:
    pagejit.start_offsets(lengths.astype(np.int64))
except pagejit.SealedError as e:
    print(e.code)
"""
    assert python(text) == "6\n"


def test_import_needs_neither_numpy_nor_torch():
    done = subprocess.run(
        [sys.executable, "-c", "import pagejit, sys; print('numpy' in sys.modules, 'torch' in sys.modules)"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "False False\n", done.stderr


def test_precompile_fills_a_cache_that_dry_run_then_sees(tmp_path):
    lines = [
        "indices what=starts from=i32 to=i32",
        "flatten k=bf16 v=bf16 to=bf16 dim_k=128 dim_v=128 page=16",
    ]
    wish = {"specs": lines, "targets": "sm_90a", "cache_dir": tmp_path / "cache"}
    assert [k["present"] for k in pagejit.precompile(**wish, dry_run=True)] == [False, False]
    made = pagejit.precompile(**wish, jobs=1)
    assert sorted(k["spec"].split()[0] for k in made) == ["flatten", "indices"]
    assert all(k["target"] == "sm_90a" for k in made)
    assert [k["present"] for k in pagejit.precompile(**wish, dry_run=True)] == [True, True]
    assert pagejit.cache.stats((tmp_path / "cache").as_posix())["entries"] == 2


def test_precompile_takes_a_config_object_and_says_what_is_wrong_with_it(tmp_path):
    class Config:
        def to_json_string(self):
            return json.dumps({"num_hidden_layers": 2, "num_attention_heads": 8, "hidden_size": 512})

    listed = pagejit.precompile(
        Config(), targets="sm_90a", page_sizes=[16], cache_dir=tmp_path, dry_run=True
    )
    assert any("dim_k=64" in k["spec"] for k in listed)
    with pytest.raises(pagejit.ArgumentError, match="no-such-model"):
        pagejit.precompile("no-such-model", targets="sm_90a", cache_dir=tmp_path, dry_run=True)
