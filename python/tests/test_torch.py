"""What only torch can show, where it is installed: its tensors, its operators, torch.compile. On a GPU where there is one."""

import pytest

torch = pytest.importorskip("torch")

import pagejit  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def case():
    torch.manual_seed(0)
    k, v = (torch.randn(6, 16, 2, 64, dtype=torch.bfloat16, device=DEVICE) for _ in "kv")
    lengths = torch.tensor([20, 3], dtype=torch.int32, device=DEVICE)
    table = torch.tensor([[3, 1], [0, 9999]], dtype=torch.int32, device=DEVICE)
    return k, v, lengths, table


def rows(cache):
    return torch.cat([cache[3], cache[1, :4], cache[0, :3]])


def test_flatten_of_torch_tensors(case):
    k, v, lengths, table = case
    k_out, v_out = pagejit.flatten_kv_cache(k, v, lengths, table, out_size=32, flatten_kv_layout="shd")
    assert torch.equal(k_out[:23], rows(k)) and torch.equal(v_out[:23], rows(v)) and not k_out[23:].any()
    assert k_out.dtype == torch.bfloat16 and k_out.device == k.device


def test_fp8_of_torch(case):
    k, v, lengths, table = case
    codes, scale = k.to(torch.float8_e4m3fn), torch.tensor([0.5], device=DEVICE)
    k_out, _ = pagejit.flatten_kv_cache(
        codes, codes.clone(), lengths, table, None, 32, None, scale, scale, 16, flatten_kv_layout="shd"
    )
    assert torch.equal(k_out[:23], rows((codes.float() * 0.5).half()))


def test_what_requires_a_gradient_or_has_an_unknown_dtype_is_refused_or_taken_as_it_is(case):
    k, v, lengths, table = case
    with pytest.raises(TypeError, match="seqlens has the DLPack element type"):
        pagejit.flatten_kv_cache(k, v, lengths.double(), table)


def test_older_torch_is_read_by_capsules(case):
    """A type without DLPack's C functions, as torch's was before 2.10."""

    class Older:
        def __init__(self, tensor):
            self.tensor, self.shape, self.dtype = tensor, tensor.shape, tensor.dtype
            self.new_empty = tensor.new_empty

        def __dlpack__(self, stream=None):
            return self.tensor.__dlpack__(stream=stream)

        def __dlpack_device__(self):
            return self.tensor.__dlpack_device__()

    k, v, lengths, table = (Older(t) for t in case)
    k_out, _ = pagejit.flatten_kv_cache(k, v, lengths, table, out_size=32, flatten_kv_layout="shd")
    assert torch.equal(k_out[:23], rows(case[0]))


def step(q, k_new, v_new, k, v, slots, lengths, table):
    torch.ops.pagejit.reshape_and_cache(k_new * 2, v_new, k, v, slots)
    k_flat, _ = pagejit.ops.flatten_kv_cache(k, v, lengths, table, 32, flatten_kv_layout="shd")
    out = pagejit.ops.decode_attention(q, k, v, table, lengths)
    return k_flat.sum(-1), out + 1


def test_compiled_code_calls_three_operators_without_a_graph_break(case):
    import pagejit.ops  # noqa: F401

    k, v, lengths, table = case
    q = torch.randn(2, 4, 64, dtype=torch.bfloat16, device=DEVICE)
    new = [torch.randn(2, 2, 64, dtype=torch.bfloat16, device=DEVICE) for _ in "kv"]
    slots = torch.tensor([16 + 3, 2], dtype=torch.int64, device=DEVICE)
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    plain = step(q, *new, k1 := k.clone(), v1 := v.clone(), slots, lengths, table)
    for how in (backend, "aot_eager"):
        k2, v2 = k.clone(), v.clone()
        compiled = torch.compile(step, backend=how, fullgraph=True)(q, *new, k2, v2, slots, lengths, table)
        assert all(torch.equal(a, b) for a, b in zip(plain, compiled))
        assert torch.equal(k1, k2) and torch.equal(v1, v2)
    assert len(graphs) == 1


def test_operators_have_sound_schemas(case):
    import pagejit.ops  # noqa: F401

    k, v, lengths, table = case
    out = [torch.zeros(32, 2, 64, dtype=torch.bfloat16, device=DEVICE) for _ in "kv"]
    torch.library.opcheck(
        torch.ops.pagejit.flatten_kv_cache.default, (k, v, lengths, table, *out), {"flatten_kv_layout": "shd"}
    )


def test_the_operator_of_attention_takes_windows_slopes_and_ragged_queries(case):
    import pagejit.ops

    k, v, lengths, table = case
    q = torch.randn(4, 4, 64, dtype=torch.bfloat16, device=DEVICE)
    choices = {
        "query_indptr": torch.tensor([0, 3, 4], dtype=torch.int32, device=DEVICE), "max_queries": 3, "window_left": 6,
        "alibi_slopes": torch.rand(4, device=DEVICE), "softcap": 20.0,
    }  # fmt: skip
    plain = pagejit.decode_attention(q, k, v, table, lengths, **choices)
    assert torch.equal(pagejit.ops.decode_attention(q, k, v, table, lengths, **choices), plain)
    for left_out in ("window_left", "alibi_slopes", "softcap"):
        fewer = {name: value for name, value in choices.items() if name != left_out}
        assert not torch.equal(pagejit.ops.decode_attention(q, k, v, table, lengths, **fewer), plain)
    torch.library.opcheck(
        torch.ops.pagejit.decode_attention.default, (q, k, v, table, lengths, torch.zeros_like(q)), choices
    )


@pytest.mark.skipif(DEVICE == "cpu", reason="no GPU")
def test_a_captured_graph_replays_with_other_lengths(case):
    k, v, lengths, table = case
    out = [torch.zeros(32, 2, 64, dtype=torch.bfloat16, device=DEVICE) for _ in "kv"]
    arguments = (k, v, lengths, table)
    pagejit.prepare(pagejit.flatten_kv_cache, *arguments, flatten_kv_layout="shd", out=out)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        pagejit.flatten_kv_cache(*arguments, flatten_kv_layout="shd", out=out)
    lengths.copy_(torch.tensor([17, 1]))
    graph.replay()
    assert torch.equal(out[0][:18], torch.cat([k[3], k[1, :1], k[0, :1]])) and not out[0][18:].any()
