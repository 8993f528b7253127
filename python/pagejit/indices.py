"""Index lists made on the device. Semantics: docs/kernels/indices.md."""

from __future__ import annotations

from . import _core
from ._outputs import Array, empty


def batch_positions(
    append_indptr: Array,
    seq_lens: Array,
    nnz: int | None = None,
    batch_indices: Array | None = None,
    positions: Array | None = None,
) -> tuple[Array, Array]:
    """The sequence and the position of each token of a ragged batch; −1 and 0 for tokens that no sequence owns.

    Args:
        append_indptr: `[batch + 1]` int32: the first token of each sequence, and the end of the last.
        seq_lens: `[batch]` int32: lengths after the append.
        nnz: How many tokens there may be; needed where an output is None.
        batch_indices: `[nnz]` int32 to write to.
        positions: `[nnz]` int32 to write to.

    Returns:
        `batch_indices` and `positions`.
    """
    if batch_indices is None or positions is None:
        if nnz is None:
            raise ValueError("batch_positions: nnz is missing: how many tokens there may be, or pass both outputs")
        if batch_indices is None:
            batch_indices = empty("batch_positions", append_indptr, (nnz,), "int32")
        if positions is None:
            positions = empty("batch_positions", append_indptr, (nnz,), "int32")
    _core.batch_positions(append_indptr, seq_lens, batch_indices, positions)
    return batch_indices, positions


def seq_lens(kv_indptr: Array, kv_last_page_len: Array, page_size: int, *, out: Array | None = None) -> Array:
    """Lengths of sequences from how many pages they have, and how full the last one is.

    Args:
        kv_indptr: `[batch + 1]` int32: the first page of each sequence, and the end of the last.
        kv_last_page_len: `[batch]` int32: rows used of each last page.
        page_size: Rows of a page.
        out: `[batch]` int32 to write to.

    Returns:
        The lengths.
    """
    if out is None:
        out = empty("seq_lens", kv_last_page_len, tuple(kv_last_page_len.shape), "int32")
    _core.seq_lens(kv_indptr, kv_last_page_len, page_size, out)
    return out


def slot_mapping(
    batch_indices: Array,
    positions: Array,
    page_size: int,
    block_table: Array | None = None,
    *,
    kv_indptr: Array | None = None,
    kv_indices: Array | None = None,
    out: Array | None = None,
) -> Array:
    """The slot of each token: page * rows a page + row; −1 where its sequence, position or page id is negative.

    Args:
        batch_indices: `[tokens]` int32.
        positions: `[tokens]` int32.
        page_size: Rows of a page.
        block_table: `[batch, columns]` page ids, int32 or int64; or None, and then
        kv_indptr: `[batch + 1]` int32: where the pages of each sequence begin in
        kv_indices: page ids of all sequences, int32 or int64.
        out: `[tokens]` int32 or int64 to write to; None: int64.

    Returns:
        The slots.
    """
    if out is None:
        out = empty("slot_mapping", batch_indices, tuple(batch_indices.shape), "int64")
    _core.slot_mapping(batch_indices, positions, page_size, block_table, kv_indptr, kv_indices, out)
    return out


def start_offsets(lengths: Array, *, out: Array | None = None) -> Array:
    """Where each sequence begins if all stand behind one another: the exclusive running sum.

    Args:
        lengths: `[batch]` int32 or int64.
        out: `[batch]`, or `[batch + 1]` with the sum of all at the end; int32 or int64. None: `[batch + 1]` int32.

    Returns:
        The offsets.
    """
    if out is None:
        out = empty("start_offsets", lengths, (lengths.shape[0] + 1,), "int32")
    _core.start_offsets(lengths, out)
    return out
