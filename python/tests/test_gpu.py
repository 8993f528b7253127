"""What only a GPU can show: sizes that fill it, captured graphs, compiled code. What each kernel computes, the other files
check on a GPU too where torch has one."""

import pytest

torch = pytest.importorskip("torch")
if not torch.cuda.is_available():
    pytest.skip("no GPU", allow_module_level=True)

import pagejit  # noqa: E402
import pagejit.ops  # noqa: E402

HEADS, KV_HEADS, DIM, PAGE = 32, 8, 128, 64


def random(*shape, dtype=torch.bfloat16):
    return torch.randn(*shape, device="cuda").to(dtype)


class Serving:
    """A paged cache, a table of shuffled pages, and lengths that a test may change."""

    def __init__(self, lengths, most):
        torch.manual_seed(0)
        self.lengths = torch.tensor(lengths, dtype=torch.int32, device="cuda")
        columns = -(-most // PAGE)
        order = torch.randperm(len(lengths) * columns, device="cuda").to(torch.int32)
        self.table = order.view(len(lengths), columns)
        self.k, self.v = (random(len(order), PAGE, KV_HEADS, DIM) for _ in "kv")

    def rows(self, cache, b):
        pages = cache[self.table[b].long()]
        return pages.reshape(-1, *cache.shape[2:])[: int(self.lengths[b])]

    def slots(self):
        """Where each sequence's last row lies."""
        last = (self.lengths - 1).long()
        return self.table.gather(1, (last // PAGE)[:, None])[:, 0].long() * PAGE + last % PAGE

    def attended(self, q, k, v):
        """In double precision: queries `[batch, heads, dim]` over K and V, functions of a sequence's number."""
        outs = []
        for b in range(len(self.lengths)):
            kb, vb = (x.double().repeat_interleave(HEADS // KV_HEADS, 1) for x in (k(b), v(b)))
            p = torch.einsum("hd,nhd->hn", q[b].double(), kb).mul(DIM**-0.5).softmax(-1)
            outs.append(torch.einsum("hn,nhd->hd", p, vb))
        return torch.stack(outs)


def error(out, wanted):
    return ((out.double() - wanted).norm() / wanted.norm()).item()


@pytest.fixture
def serving():
    return Serving([1, 4096, 777, 64, 65], 4096)


def step(q, k_new, v_new, k, v, slots, table, lengths):
    torch.ops.pagejit.reshape_and_cache(k_new * 2, v_new, k, v, slots)
    k_flat, v_flat = pagejit.ops.flatten_kv_cache(k, v, lengths, table, 8192, flatten_kv_layout="shd")
    out = pagejit.ops.decode_attention(q, k, v, table, lengths)
    return k_flat[:, 0] + v_flat[:, 0], out * 2


def step_inputs(s):
    batch = len(s.lengths)
    return random(batch, HEADS, DIM), random(batch, KV_HEADS, DIM), random(batch, KV_HEADS, DIM)


def test_code_compiled_by_inductor_calls_three_operators_without_a_graph_break(serving):
    s, given = serving, step_inputs(serving)
    k, v = s.k.clone(), s.v.clone()
    plain = step(*given, s.k, s.v, s.slots(), s.table, s.lengths)
    compiled = torch.compile(step, fullgraph=True)(*given, k, v, s.slots(), s.table, s.lengths)
    assert all(torch.equal(a, b) for a, b in zip(plain, compiled))
    assert torch.equal(k, s.k) and torch.equal(v, s.v)


def test_a_captured_step_replays_with_other_lengths(serving):
    s, given = serving, step_inputs(serving)
    lengths, slots = s.lengths, s.slots()
    captured = (*given, s.k, s.v, slots, s.table, lengths)
    pagejit.prepare(step, *captured)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outs = step(*captured)
    for new in ([3, 100, 4096, 2, 1], [4096, 1, 1, 4000, 64]):
        lengths.copy_(torch.tensor(new))
        slots.copy_(s.slots())
        for x in given:
            x.normal_()
        k, v = s.k.clone(), s.v.clone()
        graph.replay()
        wanted = step(*given, k, v, slots, s.table, lengths)
        assert all(torch.equal(a, b) for a, b in zip(outs, wanted))
        assert torch.equal(s.k, k) and torch.equal(s.v, v)


def test_calls_follow_torchs_current_stream(serving):
    """The input is written late on the call's stream: work on any other would read it too early."""
    s = serving
    source = s.k.clone()
    s.k.zero_()
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(50_000_000)
        s.k.copy_(source)
        out, _ = pagejit.flatten_kv_cache(s.k, s.v, s.lengths, s.table, out_size=8192, flatten_kv_layout="shd")
    torch.cuda.synchronize()
    joined = torch.cat([s.rows(source, b) for b in range(len(s.lengths))])
    assert torch.equal(out[: len(joined)], joined) and not out[len(joined) :].any()


def test_decode_of_sixteen_bits(serving):
    s = serving
    q = random(len(s.lengths), HEADS, DIM)
    out = pagejit.decode_attention(q, s.k, s.v, s.table, s.lengths)
    assert error(out, s.attended(q, lambda b: s.rows(s.k, b), lambda b: s.rows(s.v, b))) <= 3e-3


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_decode_of_fp8(serving, dtype):
    s = serving
    q = random(len(s.lengths), HEADS, DIM)
    k, v = s.k.to(dtype), s.v.to(dtype)
    scales = torch.tensor([0.5], device="cuda"), torch.tensor([2.0], device="cuda")
    out = pagejit.decode_attention(
        q, k, v, s.table, s.lengths, k_scale=scales[0], v_scale=scales[1], quant_policy="fp8"
    )
    of = (lambda b, c=c, x=x: s.rows(c, b).double() * x.double() for c, x in zip((k, v), scales))
    assert error(out, s.attended(q, *of)) <= 3e-3


@pytest.mark.parametrize("policy", [8, 4])
def test_decode_of_integer_codes(serving, policy):
    s = serving
    q = random(len(s.lengths), HEADS, DIM)
    shape = (*s.k.shape[:3], DIM)
    codes = [torch.randint(0, 256 if policy == 8 else 16, shape, dtype=torch.uint8, device="cuda") for _ in "kv"]
    half = DIM // 2
    stored = codes if policy == 8 else [c[..., :half] | c[..., half:] << 4 for c in codes]
    middle = 128 if policy == 8 else 8
    metas = [
        torch.stack([torch.rand(shape[:3], device="cuda") / middle, torch.full(shape[:3], middle, device="cuda")], -1)
        for _ in "kv"
    ]
    out = pagejit.decode_attention(
        q, *stored, s.table, s.lengths, k_scale=metas[0], v_scale=metas[1], quant_policy=policy
    )
    of = (
        lambda b, c=c, m=m: (s.rows(c, b).double() - s.rows(m, b)[..., 1:].double()) * s.rows(m, b)[..., :1].double()
        for c, m in zip(codes, metas)
    )
    assert error(out, s.attended(q, *of)) <= 3e-3


def test_a_first_call_inside_a_capture_is_refused_and_the_capture_can_go_on(serving):
    s = serving
    odd, other = random(16, 7, 3, 24), random(16, 7, 3, 24)
    table = torch.zeros(1, 2, dtype=torch.int32, device="cuda")
    lengths = torch.tensor([9], dtype=torch.int32, device="cuda")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        with pytest.raises(pagejit.CaptureError):
            pagejit.flatten_kv_cache(odd, other, lengths, table, out_size=9)
        s.lengths.add_(1)
    before = s.lengths.clone()
    graph.replay()
    assert torch.equal(s.lengths, before + 1)
