"""A Llama-shaped model with random weights, served by transformers' continuous batching: with its own paged attention, and
with pagejit's kernels. Compares the tokens, explains the first that differs, and times both.

    python python/examples/transformers_paged.py            # a GPU: 8 layers of Llama 3 8B, 32 requests
    python python/examples/transformers_paged.py --tiny     # the emulator: shows only that it works
"""

from __future__ import annotations

import argparse
import time

import pagejit_attention
import torch
from transformers import ContinuousBatchingConfig, GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

import pagejit


def llama(tiny: bool, device: str) -> LlamaForCausalLM:
    sizes = (
        {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 64,
         "num_key_value_heads": 2, "vocab_size": 500}
        if tiny
        else {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 8, "num_attention_heads": 32,
              "num_key_value_heads": 8, "vocab_size": 32000}
    )  # fmt: skip
    config = LlamaConfig(**sizes, max_position_embeddings=8192, bos_token_id=None, eos_token_id=None)
    torch.manual_seed(0)
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        model = LlamaForCausalLM(config).eval()
        torch.set_default_dtype(torch.float32)
    return model


def generate(model, prompts, new: int, page: int, batch_tokens: int, **how) -> tuple[list[list[int]], float]:
    """Tokens of each request, and seconds of the whole generation, its warm-up included."""
    longest = max(map(len, prompts)) + new
    pages = sum(-(-(len(p) + new) // page) + 1 for p in prompts)
    tables = model.config._attn_implementation == pagejit_attention.NAME
    batching = ContinuousBatchingConfig(
        block_size=page, num_blocks=pages, max_batch_tokens=batch_tokens, max_requests_per_batch=len(prompts),
        max_blocks_per_request=-(-longest // page) if tables else 0, allow_block_sharing=False, **how,
    )  # fmt: skip
    asked = GenerationConfig(max_new_tokens=new, do_sample=False, eos_token_id=-1, pad_token_id=0)
    begin = time.perf_counter()
    out = model.generate_batch(prompts, generation_config=asked, continuous_batching_config=batching)
    seconds = time.perf_counter() - begin
    done = sorted(out.values(), key=lambda o: int(o.request_id.rsplit("_", 1)[-1]))
    assert [len(o.generated_tokens) for o in done] == [new] * len(prompts), "a request failed"
    return [o.generated_tokens for o in done], seconds


def timed(model, implementation: str, prompts, few: int, many: int, **how):
    """Tokens, seconds of a step that only decodes, and seconds of it all: from two lengths, each after a warm-up."""
    model.set_attn_implementation(implementation)
    generate(model, prompts, few, **how)
    _, short = generate(model, prompts, few, **how)
    tokens, long = generate(model, prompts, many, **how)
    return tokens, (long - short) / (many - few), long


@torch.no_grad()
def explain(model, prompts, stock, others: dict) -> bool:
    """Whether each first token that differs lies within what bfloat16 rounds: by the model's logits in single precision."""
    model.set_attn_implementation("sdpa")
    first = {
        name: [next((i for i, (a, b) in enumerate(zip(s, o)) if a != b), None) for s, o in zip(stock, tokens)]
        for name, tokens in others.items()
    }
    prefixes = {
        (r, i): torch.tensor([prompts[r] + stock[r][:i]], device=model.device)
        for at in first.values() for r, i in enumerate(at) if i is not None
    }  # fmt: skip
    rounded = {at: model(p, logits_to_keep=1).logits[0, -1].float() for at, p in prefixes.items()}
    model.float()
    exact = {at: model(p, logits_to_keep=1).logits[0, -1] for at, p in prefixes.items()}
    noise = {at: (rounded[at] - exact[at]).abs().max().item() for at in prefixes}
    fine = True
    for name, tokens in others.items():
        differ = [(r, i, stock[r][i], tokens[r][i]) for r, i in enumerate(first[name]) if i is not None]
        print(f"{name}: {len(prompts) - len(differ)} of {len(prompts)} requests have the stock's tokens, {len(stock[0])} each")
        gaps = [(abs(exact[r, i][a] - exact[r, i][b]).item(), r, i, a, b) for r, i, a, b in differ]
        for gap, r, i, a, b in [*gaps[:1], *(g for g in gaps[1:] if g[0] > noise[g[1], g[2]])]:
            within = gap <= noise[r, i]
            fine &= within
            print(
                f"  request {r}, token {i}: {b} for {a}; in single precision their logits are {gap:.3f} apart, bfloat16 moves "
                f"logits by up to {noise[r, i]:.3f}: {'rounding decides' if within else 'NOT explained by rounding'}"
            )
        if len(gaps) > 1:
            print(f"  and {len(gaps) - 1} more; all of these logits are at most {max(gaps)[0]:.3f} apart")
    return fine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a tiny model on the emulator")
    parser.add_argument("--requests", type=int, default=0)
    given = parser.parse_args()
    logging.set_verbosity_error()
    pagejit_attention.register()
    device = "cpu" if given.tiny else "cuda"
    print(pagejit.device("emulator" if given.tiny else "cuda"))
    model = llama(given.tiny, device)
    torch.manual_seed(1)
    requests = given.requests or (3 if given.tiny else 32)
    lengths = torch.randint(*((5, 40) if given.tiny else (512, 2049)), (requests,)).tolist()
    prompts = [torch.randint(0, model.config.vocab_size, (n,)).tolist() for n in lengths]
    few, many = (2, 8) if given.tiny else (8, 72)
    sizes = {"page": 16, "batch_tokens": 64} if given.tiny else {"page": 256, "batch_tokens": 2048}
    same = {"use_async_batching": False, "use_cuda_graph": False}
    runs = {
        "transformers' paged|sdpa": ("paged|sdpa", same),
        "transformers' paged|eager": ("paged|eager", same),
        "pagejit, driven alike": (pagejit_attention.NAME, same),
    }
    if not given.tiny:
        graphs = {"use_async_batching": True, "use_cuda_graph": (False, True)}
        runs["pagejit, steps as CUDA graphs"] = (pagejit_attention.NAME, graphs)
    print(f"{requests} requests, prompts of {min(lengths)} to {max(lengths)} tokens, {many} new tokens each")
    tokens = {}
    for name, (implementation, how) in runs.items():
        tokens[name], step, total = timed(model, implementation, prompts, few, many, **sizes, **how)
        print(f"{name:32} {step * 1e3:8.2f} ms a decode step, {requests * many / total:8.0f} tokens/s in all", flush=True)
    stock = tokens.pop(next(iter(runs)))
    raise SystemExit(0 if explain(model, prompts, stock, tokens) else 1)


if __name__ == "__main__":
    main()
