"""Random inputs from a seed that is printed, and every kernel's tests twice: on NumPy's arrays, and on torch's tensors."""

import os
import random

import numpy as np
import pytest

TWICE = ("test_append", "test_attention", "test_flatten", "test_gather", "test_indices", "test_rope")


def has_torch():
    try:
        import torch  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.fixture
def rng(request):
    seed = int(os.environ.get("PAGEJIT_SEED") or random.SystemRandom().randrange(2**32))
    print(f"PAGEJIT_SEED={seed}")  # pytest shows it where the test fails
    return np.random.default_rng(seed)


def pytest_generate_tests(metafunc):
    if metafunc.module.__name__ in TWICE:
        metafunc.fixturenames.append("arrays")
        metafunc.parametrize("arrays", ["numpy", "torch"] if has_torch() else ["numpy"], indirect=True)


@pytest.fixture
def arrays(request, monkeypatch):
    """torch: on the GPU where there is one, on a stream of its own, else in host memory on the emulator."""
    if request.param == "torch":
        from on_torch import OnTorch

        monkeypatch.setattr(request.module, "pagejit", OnTorch())
