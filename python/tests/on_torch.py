"""pagejit for NumPy arrays, by way of torch tensors: on the GPU where there is one, else in host memory.

Arrays that share memory become tensors that share memory, with the same strides. Calls go to a stream that is not the
default one; afterwards what they wrote is copied back into the arrays.
"""

import contextlib

import numpy as np
import torch

import pagejit

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
_NAMES = ("float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int8", "uint8", "int32", "int64")


def _torch_dtype(dtype):
    name = np.dtype(dtype).name
    return getattr(torch, name) if name in _NAMES else None


def _numpy_dtype(dtype):
    name = str(dtype).removeprefix("torch.")
    if name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name)


class _Moved:
    """The arrays of one call, and the tensors that stand for them."""

    def __init__(self):
        self.owners = {}  # id of the array that owns memory → (it, its bytes on the device)
        self.arrays = []  # (tensor, array) of each argument

    def bytes_of(self, owner):
        if id(owner) not in self.owners:
            flat = torch.from_numpy(owner.reshape(-1, order="K").view(np.uint8).copy()).to(DEVICE)
            self.owners[id(owner)] = (owner, flat)
        return self.owners[id(owner)][1]

    def take(self, x):
        if isinstance(x, (tuple, list)):
            return type(x)(self.take(y) for y in x)
        if isinstance(x, type) and issubclass(x, np.generic):
            return _torch_dtype(x)
        if not isinstance(x, np.ndarray) or _torch_dtype(x.dtype) is None:
            return x
        if x.size == 0:
            return torch.empty(x.shape, dtype=_torch_dtype(x.dtype), device=DEVICE)
        owner = x
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        offset = x.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        typed = self.bytes_of(owner).view(_torch_dtype(x.dtype))
        strides = [s // x.itemsize for s in x.strides]
        self.arrays.append((torch.as_strided(typed, x.shape, strides, offset // x.itemsize), x))
        return self.arrays[-1][0]

    def write_back(self):
        for owner, flat in self.owners.values():
            if owner.flags.writeable:
                owner.reshape(-1, order="K").view(np.uint8)[:] = flat.cpu().numpy()

    def give(self, result, storages):
        """The result as NumPy has it: the caller's own array where it is one, shared memory where it is shared."""
        if isinstance(result, tuple):
            return tuple(self.give(r, storages) for r in result)
        if not isinstance(result, torch.Tensor):
            return result
        for tensor, array in self.arrays:
            if tensor is result:
                return array
        storage = result.untyped_storage()
        if storage.data_ptr() not in storages:
            whole = torch.empty(0, dtype=torch.uint8, device=result.device).set_(storage)
            storages[storage.data_ptr()] = whole.cpu().numpy()
        typed = storages[storage.data_ptr()].view(_numpy_dtype(result.dtype))[result.storage_offset() :]
        strides = [s * typed.itemsize for s in result.stride()]
        return np.lib.stride_tricks.as_strided(typed, tuple(result.shape), strides)


def _side_stream():
    return torch.cuda.stream(torch.cuda.Stream()) if DEVICE == "cuda" else contextlib.nullcontext()


class OnTorch:
    """`pagejit`, its functions taking NumPy arrays and working on torch tensors."""

    def __getattr__(self, name):
        function = getattr(pagejit, name)
        if isinstance(function, type) or not callable(function):
            return function

        def call(*args, **kwargs):
            moved = _Moved()
            with _side_stream():
                args = [moved.take(a) for a in args]
                result = function(*args, **{k: moved.take(a) for k, a in kwargs.items()})
                if DEVICE == "cuda":
                    torch.cuda.current_stream().synchronize()
                moved.write_back()
                return moved.give(result, {})

        return call
