// A model's config.json: refused, or every Spec that serving it asks for is canonical, or too large for its family.
#include "kernels/registry.h"
#include "pagejit_models.h"
#include "tests/fuzz/fuzz.h"
#include "tools/model_config.h"

namespace pagejit::fuzz {

bool accepts(std::string_view input) {
  ModelConfig model;
  if (!taken(Code::argument, [&] { model = parse_model(input, "fuzz", "fuzz.json"); })) return false;
  expect(model.layers > 0 && model.heads > 0 && model.kv_heads > 0 && model.dim_k > 0 && model.dim_v > 0,
         "a shape that was accepted has no empty dimension");
  for (const Family& family : families())
    for (const std::string& line : family.specs_for_model(model.shape({16})))
      taken(Code::argument,
            [&] { expect(family.canonical(line) == line, "a model asks for Specs as they are printed"); });
  return true;
}

std::vector<std::string> seeds() {
  std::vector<std::string> texts{R"({"text_config": {"num_hidden_layers": 2, "num_attention_heads": 4,
    "hidden_size": 256, "partial_rotary_factor": 0.5, "torch_dtype": "float16"}})"};
  for (auto [name, text] : embedded_models) texts.emplace_back(text);
  return texts;
}

}  // namespace pagejit::fuzz
