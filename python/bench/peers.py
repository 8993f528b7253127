"""pagejit and those beside it. A function gives the call to measure, or raises ImportError where the peer is not there."""

from __future__ import annotations

from collections.abc import Callable

import torch
from cases import Case

Call = Callable[[], object]


def pagejit_(case: Case) -> Call:
    import pagejit

    i = case.inputs
    if case.family == "flatten":
        return lambda: pagejit.flatten_kv_cache(
            i["k"], i["v"], i["lengths"], i["table"], i["starts"], out=i["out"], flatten_kv_layout="hsd"
        )
    if case.family == "append":
        cache = (i["k"], i["v"])
        return lambda: pagejit.append_paged_kv_cache(
            *i["rows"], i["batch_indices"], i["positions"], cache, i["indices"], i["indptr"]
        )
    return lambda: pagejit.decode_attention(i["q"], i["k"], i["v"], i["table"], i["lengths"], out=i["out"])


def lmdeploy(case: Case) -> Call:
    i = case.inputs
    if case.family == "flatten":
        from lmdeploy.pytorch.kernels.cuda.flatten_kv_cache import flatten_kv_cache

        def call():
            i["out"] = flatten_kv_cache(
                i["k"], i["v"], i["lengths"], i["table"], start_loc=i["starts"], out_size=i["rows"],
                out_dtype=i["k"].dtype, flatten_kv_layout="hsd",
            )  # fmt: skip

        return call
    if case.family == "append":
        from lmdeploy.pytorch.kernels.cuda.fill_kv_cache import fill_kv_cache

        batch = len(i["indptr"]) - 1
        tokens = len(i["positions"]) // batch
        each = torch.full((batch,), tokens, dtype=torch.int32, device=i["k"].device)
        starts = torch.arange(batch, dtype=torch.int32, device=i["k"].device) * tokens
        table = i["indices"].view(batch, -1)
        return lambda: fill_kv_cache(*i["rows"], i["k"], i["v"], starts, each, each, tokens, table)
    raise ImportError("its decode kernel takes its engine's own arguments")


def flashinfer(case: Case) -> Call:
    import flashinfer as fi

    i = case.inputs
    if case.family == "append":
        cache = (i["k"], i["v"])
        return lambda: fi.append_paged_kv_cache(
            *i["rows"], i["batch_indices"], i["positions"], cache, i["indices"], i["indptr"], i["last"]
        )
    if case.family != "decode":
        raise ImportError("it has no such kernel")
    batch, columns = i["table"].shape
    workspace = torch.empty(128 << 20, dtype=torch.uint8, device=i["q"].device)
    wrapper = fi.BatchDecodeWithPagedKVCacheWrapper(workspace, "NHD", use_tensor_cores=True)
    indptr = torch.arange(batch + 1, dtype=torch.int32, device=i["q"].device) * columns
    last = (i["lengths"] - 1) % i["page"] + 1
    heads, dim = i["q"].shape[1:]
    # plan() reads lengths on the host: it is done once for all layers of a step, and is not measured here.
    wrapper.plan(indptr, i["table"].flatten(), last, heads, i["kv_heads"], dim, i["page"], q_data_type=i["q"].dtype)
    cache = (i["k"], i["v"])
    return lambda: wrapper.run(i["q"], cache, out=i["out"])


def vllm_triton(case: Case) -> Call:
    i = case.inputs
    if case.family == "append":
        from vllm.v1.attention.ops.triton_reshape_and_cache_flash import triton_reshape_and_cache_flash as kernel

        one = torch.ones(1, device=i["k"].device)
        return lambda: kernel(*i["rows"], i["k"], i["v"], i["slots"], "auto", one, one)
    if case.family != "decode":
        raise ImportError("it has no such kernel")
    from vllm.v1.attention.ops.triton_decode_attention import decode_attention_fwd

    batch, heads, dim = i["q"].shape
    splits = 8
    parts = torch.empty(batch, heads, splits, dim + 1, device=i["q"].device)
    lse = torch.empty(batch, heads, device=i["q"].device)
    return lambda: decode_attention_fwd(
        i["q"], i["k"], i["v"], i["out"], lse, i["table"], i["lengths"], parts, splits, dim**-0.5, i["page"]
    )


def torch_(case: Case) -> Call:
    """Plain operators; SDPA on K and V that are contiguous already, which a paged cache's are not."""
    i = case.inputs
    if case.family == "flatten":
        batch, heads, dim = len(i["lengths"]), *i["k"].shape[2:]
        length = i["rows"] // batch

        def call():
            for cache, out in zip((i["k"], i["v"]), i["out"]):
                rows = cache[i["table"]].view(batch, -1, heads, dim)[:, :length].reshape(i["rows"], heads, dim)
                out.copy_(rows.transpose(0, 1))

        return call
    if case.family == "append":
        flat = [c.view(-1, *c.shape[2:]) for c in (i["k"], i["v"])]
        return lambda: [f.index_copy_(0, i["slots"], r) for f, r in zip(flat, i["rows"])]

    def attend():
        i["out"] = torch.nn.functional.scaled_dot_product_attention(i["q"][:, :, None], *i["flat"], enable_gqa=True)[:, :, 0]

    return attend


PEERS: dict[str, Callable[[Case], Call]] = {
    "pagejit": pagejit_,
    "lmdeploy": lmdeploy,
    "vllm triton": vllm_triton,
    "flashinfer": flashinfer,
    "torch": torch_,
}
