"""pagejit's kernels as an attention backend of Hugging Face transformers' continuous batching (transformers 5.17).

    import pagejit_attention
    pagejit_attention.register()
    model = AutoModelForCausalLM.from_pretrained(…, attn_implementation="paged|pagejit", dtype=torch.bfloat16)
    model.generate_batch(prompts, …)

transformers owns the paged cache, its block tables and the schedule. This backend writes new keys and values where
transformers says (`fill_kv_cache`, `reshape_and_cache`) and attends over the pages in place (`decode_attention`): nothing is
gathered first, and no mask is made. For models without sliding windows. transformers 5.23 takes no backends but its own here.
"""

from __future__ import annotations

import torch
from transformers import AttentionInterface
from transformers.generation.continuous_batching import initialization

import pagejit

NAME = "paged|pagejit"


class Step:
    """What all layers of a step share: made by its first layer, on the device, so that a captured step makes it anew."""

    def __init__(self, cache, group, cu_seq_lens_q, cu_seq_lens_k, max_seqlen_k, block_table, read_index, write_index):
        self.queries = cu_seq_lens_q[1:] - cu_seq_lens_q[:-1]
        self.lengths = cu_seq_lens_k[1:] - cu_seq_lens_k[:-1]
        if block_table is not None:
            self.table = block_table[group]
            return
        # The slots of all keys, sequence behind sequence: every block_size-th names a page.
        slots = read_index[group] if read_index[group].numel() else write_index[group]
        columns = torch.arange(-(-max_seqlen_k // cache.block_size), device=slots.device) * cache.block_size
        at = (cu_seq_lens_k[:-1, None] + columns).clamp_(max=slots.numel() - 1)
        self.table = (slots[at] // cache.block_size).int()


class Attention:
    def __init__(self):
        self.step = None

    def __call__(
        self, module, query, key, value, attention_mask, *, cache, cu_seq_lens_q, cu_seq_lens_k, max_seqlen_q,
        max_seqlen_k, block_table=None, read_index=None, write_index=None, scaling=None, **_,
    ):  # fmt: skip
        """Query, key and value: `[1, heads, tokens, dim]`, the tokens of all sequences behind one another."""
        group, layer = cache.layer_index_to_group_indices[module.layer_idx]
        if module.layer_idx == 0:
            self.step = Step(
                cache, group, cu_seq_lens_q, cu_seq_lens_k, max_seqlen_k, block_table, read_index, write_index
            )
        step = self.step
        q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
        pages = (-1, cache.block_size, *cache.key_cache[layer].shape[1:])
        k_cache, v_cache = cache.key_cache[layer].view(pages), cache.value_cache[layer].view(pages)
        if block_table is not None:
            pagejit.fill_kv_cache(k, v, k_cache, v_cache, None, step.queries, step.lengths, None, step.table)
        else:
            pagejit.reshape_and_cache(k, v, k_cache, v_cache, write_index[group])
        out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
        pagejit.decode_attention(
            q, k_cache, v_cache, step.table, step.lengths, scale=scaling, out=out,
            query_indptr=cu_seq_lens_q, max_queries=max_seqlen_q,
        )  # fmt: skip
        return out[None], None


def register() -> None:
    AttentionInterface.register(NAME, Attention())
    theirs = initialization.ensure_decode_fast_path_is_available

    def block_tables_for_us_too(config, cb_config, user_requested):
        """transformers makes block tables for steps that only decode, but offers them to flash attention alone."""
        if config._attn_implementation != NAME:
            theirs(config, cb_config, user_requested)

    initialization.ensure_decode_fast_path_is_available = block_tables_for_us_too
