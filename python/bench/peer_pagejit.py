"""pagejit, its outputs and workspace given."""

import torch


def flatten(t):
    import pagejit

    return lambda: pagejit.flatten_kv_cache(
        t.k.stored, t.v.stored, t.lengths, t.table, t.starts, k_scales_zeros=t.k.meta, v_scales_zeros=t.v.meta,
        quant_policy=t.k.policy, flatten_kv_layout=t.layout, out=t.out,
    )  # fmt: skip


def flatten_mla(t):
    import pagejit

    return lambda: pagejit.flatten_kv_cache_mla_fp8(
        t.cache, t.lengths, t.table, t.starts, flatten_kv_layout="shd", out=t.out
    )


def fill(t):
    import pagejit

    return lambda: pagejit.fill_kv_cache(
        *t.rows_in, t.k.stored, t.v.stored, t.starts, t.lengths, t.lengths, t.most, t.table, t.k.meta, t.v.meta,
        t.k.policy,
    )  # fmt: skip


def concat_mla(t):
    import pagejit

    how = "auto" if t.form == "bf16" else "fp8_ds_mla"
    return lambda: pagejit.concat_and_cache_mla(t.latent, t.rope, t.cache, t.slots, how)


def gather_mla(t):
    import pagejit

    return lambda: pagejit.gather_and_maybe_dequant_cache(
        t.cache, t.out, t.table, t.cu, kv_cache_dtype="fp8", scale=t.scale
    )


def rope(t):
    import pagejit

    return lambda: pagejit.rope_quantize_append(
        t.q_rope, t.k_rope, t.q_nope, t.k_nope, t.v, t.cos_sin, t.pos, t.caches, t.indices, t.indptr, t.batch_indices,
        t.positions, page_size=t.page, q_rope_out=t.out[0], q_nope_out=t.out[1],
    )  # fmt: skip


def workspace(t, size):
    return torch.empty(max(size, 16), dtype=torch.uint8, device=t.q.device)


def decode(t):
    import pagejit

    given = (t.q, t.k.stored, t.v.stored, t.table, t.lengths)
    choices = {
        "scale": t.scale, "k_scale": t.k.meta, "v_scale": t.v.meta, "quant_policy": t.k.policy, "out": t.out,
    }  # fmt: skip
    choices["workspace"] = workspace(t, pagejit.decode_workspace(*given, **choices))
    return lambda: pagejit.decode_attention(*given, **choices)


def decode_mla(t):
    import pagejit

    given = (t.q, t.cache[:, :, None], None, t.table, t.lengths)
    choices = {"scale": t.scale, "out": t.out}
    choices["workspace"] = workspace(t, pagejit.decode_workspace(*given, **choices))
    return lambda: pagejit.decode_attention(*given, **choices)


CALLS = {
    "flatten": flatten, "flatten_mla": flatten_mla, "fill": fill, "concat_mla": concat_mla, "gather_mla": gather_mla,
    "rope": rope, "decode": decode, "decode_mla": decode_mla,
}  # fmt: skip
