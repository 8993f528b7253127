import numpy as np
import pytest
from paged import Pages

import pagejit


def test_batch_positions_count_to_each_length_and_mark_what_nobody_owns():
    indptr, lengths = np.array([0, 3, 3, 5], np.int32), np.array([10, 4, 2], np.int32)
    batch, positions = pagejit.batch_positions(indptr, lengths, 7)
    assert batch.tolist() == [0, 0, 0, 2, 2, -1, -1]
    assert positions.tolist() == [7, 8, 9, 0, 1, 0, 0]


def test_seq_lens_of_full_partial_and_no_pages():
    lengths = pagejit.seq_lens(np.array([0, 2, 2, 3], np.int32), np.array([5, 9, 16], np.int32), 16)
    assert lengths.tolist() == [21, 0, 16]


def test_slot_mapping_by_table_and_by_page_list_agree(rng):
    pages = Pages(rng, [20, 5], 16)
    batch, positions = np.array([0, 1, 0, -1], np.int32), np.array([17, 4, 0, 3], np.int32)
    wanted = [pages.slot(0, 17), pages.slot(1, 4), pages.slot(0, 0), -1]
    assert pagejit.slot_mapping(batch, positions, 16, pages.table).tolist() == wanted
    by_list = pagejit.slot_mapping(batch, positions, 16, kv_indptr=pages.indptr, kv_indices=pages.indices)
    assert by_list.tolist() == wanted


def test_start_offsets_end_with_the_sum():
    assert pagejit.start_offsets(np.array([3, 0, 5], np.int64)).tolist() == [0, 3, 3, 8]
    out = np.zeros(3, np.int64)
    assert pagejit.start_offsets(np.array([3, 0, 5], np.int32), out=out) is out and out.tolist() == [0, 3, 3]


def test_batch_positions_without_a_size_says_what_is_missing():
    with pytest.raises(ValueError, match="nnz is missing"):
        pagejit.batch_positions(np.array([0, 1], np.int32), np.array([1], np.int32))
