#include "tools/model_config.h"

#include <doctest/doctest.h>

#include <string>

#include "runtime/base/error.h"

using namespace pagejit;

namespace {
std::string refusal(const std::string& text) {
  try {
    parse_model(text, "some", "some.json");
  } catch (const Error& e) {
    CHECK(e.code() == Code::argument);
    return e.what();
  }
  return "accepted";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
}  // namespace

TEST_CASE("models: Llama 3 has 8 KV heads of hidden_size / heads") {
  ModelConfig m = load_model("llama-3-8b");
  CHECK(m.layers == 32);
  CHECK(m.heads == 32);
  CHECK(m.kv_heads == 8);
  CHECK(m.dim_k == 128);
  CHECK(m.dim_v == 128);
  CHECK_FALSE(m.mla);
  CHECK(m.elem == Elem::bf16);
}

TEST_CASE("models: an MLA cache is one row of latent and rope dims, whatever head_dim says") {
  ModelConfig m = load_model("deepseek-v3");
  CHECK(m.mla);
  CHECK(m.kv_heads == 1);
  CHECK(m.dim_k == 576);
  CHECK(m.dim_v == 512);
  CHECK(m.rope_dim == 64);
  ModelConfig odd = parse_model(R"({"num_hidden_layers": 47, "num_attention_heads": 20, "head_dim": 64,
                                    "kv_lora_rank": 512, "qk_rope_head_dim": 64})",
                                "odd", "odd.json");
  CHECK(odd.dim_k == 576);
}

TEST_CASE("models: all dims of a head are rotated unless the file names a part") {
  std::string start = R"({"num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 96)";
  CHECK(parse_model(start + "}", "some", "some.json").rope_dim == 96);
  CHECK(parse_model(start + R"(, "partial_rotary_factor": 0.5})", "some", "some.json").rope_dim == 48);
  CHECK(has(refusal(start + R"(, "partial_rotary_factor": 2})"), "a number above 0, at most 1"));
}

TEST_CASE("models: windows, soft-caps, sinks and slopes are known by their keys, or by the model's type") {
  std::string start = R"({"num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 96)";
  auto with = [&](const std::string& more) { return parse_model(start + more + "}", "some", "some.json"); };
  ModelConfig plain = with("");
  CHECK_FALSE((plain.window || plain.softcap || plain.sinks || plain.alibi));
  CHECK(with(R"(, "sliding_window": 4096)").window);
  CHECK(with(R"(, "sliding_window": 4096, "use_sliding_window": true)").window);
  CHECK_FALSE(with(R"(, "sliding_window": 4096, "use_sliding_window": false)").window);
  CHECK_FALSE(with(R"(, "sliding_window": null)").window);
  CHECK(with(R"(, "attn_logit_softcapping": 50.0)").softcap);
  CHECK_FALSE(with(R"(, "attn_logit_softcapping": null)").softcap);
  CHECK(with(R"(, "model_type": "gpt_oss")").sinks);
  CHECK(with(R"(, "alibi": true)").alibi);
  CHECK_FALSE(with(R"(, "alibi": false)").alibi);
  CHECK(with(R"(, "model_type": "bloom")").alibi);
  CHECK(with(R"(, "sliding_window": 128, "model_type": "gpt_oss")").shape({16}).window);
}

TEST_CASE("models: every built-in file can be read") {
  CHECK(model_names().size() >= 6);
  for (const std::string& name : model_names()) {
    CAPTURE(name);
    CHECK_NOTHROW(load_model(name));
  }
}

TEST_CASE("models: head_dim, where given, beats hidden_size / heads") {
  ModelConfig m = parse_model(R"({"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                                  "hidden_size": 100, "head_dim": 80, "dtype": "float16"})",
                              "m", "m.json");
  CHECK(m.dim_k == 80);
  CHECK(m.elem == Elem::f16);
}

TEST_CASE("models: null counts as absent, as in files that spell out every key") {
  ModelConfig m = parse_model(R"({"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 256,
                                  "kv_lora_rank": null, "head_dim": null, "num_key_value_heads": null})",
                              "m", "m.json");
  CHECK(m.kv_heads == 4);
  CHECK(m.dim_k == 64);
}

TEST_CASE("models: broken JSON is refused with the file's name and the line") {
  std::string text = refusal("{\n  \"num_hidden_layers\": 32,\n  oops\n}");
  CHECK(has(text, "some.json"));
  CHECK(has(text, "not JSON"));
  CHECK(has(text, "line      3"));
  CHECK(has(refusal(""), "not JSON"));
  CHECK(has(refusal("[1, 2]"), "no JSON object"));
  CHECK(has(refusal(R"({"num_hidden_layers": 51e912})"), "a number that is too large"));
}

TEST_CASE("models: a missing or senseless key is refused by name, with what was expected") {
  struct Row {
    const char *text, *key, *found;
  };
  for (Row row :
       {Row{R"({"num_attention_heads": 4})", "num_hidden_layers", "missing"},
        Row{R"({"num_hidden_layers": 2})", "num_attention_heads", "missing"},
        Row{R"({"num_hidden_layers": 0, "num_attention_heads": 4})", "num_hidden_layers", "0"},
        Row{R"({"num_hidden_layers": 2.5, "num_attention_heads": 4})", "num_hidden_layers", "2.5"},
        Row{R"({"num_hidden_layers": 2, "num_attention_heads": 4})", "hidden_size", "missing"},
        Row{R"({"num_hidden_layers": 2, "num_attention_heads": 3, "hidden_size": 10})", "hidden_size", "10"},
        Row{R"({"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 3})", "num_key_value_heads",
            "3"},
        Row{R"({"num_hidden_layers": 2, "num_attention_heads": 4, "kv_lora_rank": 512})", "qk_rope_head_dim",
            "missing"},
        Row{R"({"num_hidden_layers": 2, "torch_dtype": "int3", "num_attention_heads": 4})", "torch_dtype", "int3"}}) {
    std::string text = refusal(row.text);
    CAPTURE(text);
    CHECK(has(text, row.key));
    CHECK(has(text, row.found));
    CHECK(has(text, "expected"));
  }
}

TEST_CASE("models: an unknown name lists the known ones") {
  try {
    load_model("llama-9");
    FAIL("accepted");
  } catch (const Error& e) {
    CHECK(has(e.what(), "llama-9"));
    CHECK(has(e.what(), "llama-3-8b"));
  }
}
