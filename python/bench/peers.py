"""pagejit and those beside it. PEERS[name][kind](case) gives the call to measure; a kind that is missing is no kernel of
that peer's, and what raises ImportError is not installed or cannot do this row: the text says why."""

from __future__ import annotations

import peer_flashinfer
import peer_lmdeploy
import peer_pagejit
import peer_torch
import peer_vllm

PEERS = {
    "pagejit": peer_pagejit.CALLS,
    "lmdeploy": peer_lmdeploy.CALLS,
    "vllm triton": peer_vllm.CALLS,
    "flashinfer": peer_flashinfer.CALLS,
    "torch": peer_torch.CALLS,
    "torch flex": peer_torch.FLEX_CALLS,
}


def call_of(peer: str, case):
    if case.kind not in PEERS[peer]:
        raise ImportError("no such kernel")
    return PEERS[peer][case.kind](case.of)
