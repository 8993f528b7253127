"""Random inputs from a seed that is printed, and the emulator's own cache-less life."""

import os
import random

import numpy as np
import pytest


@pytest.fixture
def rng(request):
    seed = int(os.environ.get("PAGEJIT_SEED") or random.SystemRandom().randrange(2**32))
    print(f"PAGEJIT_SEED={seed}")  # pytest shows it where the test fails
    return np.random.default_rng(seed)
