"""Fresh outputs of the kind that the inputs are: torch tensors or NumPy arrays."""

from __future__ import annotations

from typing import Any

Array = Any  # a torch tensor, a NumPy array, or another tensor that speaks DLPack


def dtype_like(like: Array, name: str) -> Any:
    """The dtype called `name` ("bfloat16", "float8_e4m3fn") of the library that `like` comes from."""
    if hasattr(like, "new_empty"):
        import torch

        return getattr(torch, name)
    import numpy

    if name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        import ml_dtypes

        return numpy.dtype(getattr(ml_dtypes, name))
    return numpy.dtype(name)


def empty(function: str, like: Array, shape: tuple[int, ...], dtype: Any = None) -> Array:
    """An uninitialised output beside `like`: its library, its device and, unless given, its dtype."""
    if isinstance(dtype, str):
        dtype = dtype_like(like, dtype)
    if hasattr(like, "new_empty"):
        return like.new_empty(shape, dtype=dtype)
    if hasattr(like, "__array_interface__"):
        import numpy

        return numpy.empty(shape, dtype if dtype is not None else like.dtype)
    raise TypeError(
        f"{function}: out is missing, and pagejit cannot make one beside a {type(like).__name__}; pass out="
    )


def workspace(like: Array, size: int) -> Array:
    """Bytes for a kernel's own use. On a GPU they come from torch's allocator, so a captured graph keeps its own."""
    return empty("decode_attention", like, (max(size, 16),), "uint8")


def pair(function: str, name: str, value: Any, axis: int) -> tuple[Array, Array]:
    """K and V out of a tuple, or out of one tensor that has both along `axis`."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{function}: {name} has {len(value)} tensors; expected 2, K's and V's")
        return value[0], value[1]
    if value is None:
        return None, None
    if not hasattr(value, "shape"):
        raise TypeError(f"{function}: {name} is a {type(value).__name__}; expected a pair of tensors, or one tensor")
    if len(value.shape) != 5 or value.shape[axis] != 2:
        raise ValueError(
            f"{function}: {name} has the shape {tuple(value.shape)}; expected a pair of tensors, or one tensor of 5 "
            f"dimensions whose dimension {axis} is 2: K and V"
        )
    return value[:, 0], value[:, 1]
