"""A paged cache as plain Python sees it: which page and row a position of a sequence has."""

import numpy as np


class Pages:
    """Random page tables for sequences of given lengths; entries that nobody may read are far out of range."""

    def __init__(self, rng, lengths, page, spare=2):
        self.lengths = np.array(lengths, np.int32)
        self.page = page
        need = [-(-int(n) // page) for n in lengths]
        self.pages = sum(need) + spare
        ids = [int(i) for i in rng.permutation(self.pages)]
        self.of = [[ids.pop() for _ in range(n)] for n in need]
        self.table = np.full((len(lengths), max([*need, 1]) + 1), 2147480000, np.int32)
        for b, mine in enumerate(self.of):
            self.table[b, : len(mine)] = mine
        self.indptr = np.cumsum([0, *need]).astype(np.int32)
        self.indices = np.array([i for mine in self.of for i in mine] or [0], np.int32)

    def place(self, sequence, position):
        return self.of[sequence][position // self.page], position % self.page

    def slot(self, sequence, position):
        page, row = self.place(sequence, position)
        return page * self.page + row

    def rows(self, cache, sequence):
        """The rows of a sequence out of a cache `[pages, page, …]`."""
        n = int(self.lengths[sequence])
        return np.stack([cache[self.place(sequence, t)] for t in range(n)]) if n else cache[:0, 0]


def same_bits(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()
