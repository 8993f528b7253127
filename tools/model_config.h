// A model's shape, read from the config.json that it is published with.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/model.h"
#include "runtime/base/elem.h"

namespace pagejit {

struct ModelConfig {
  std::string name;  // "llama-3-8b"
  int layers = 0;
  int heads = 0;     // query heads
  int kv_heads = 0;  // heads of the cache: 1 for MLA, whose heads share one latent row
  int dim_k = 0;     // MLA: kv_lora_rank + qk_rope_head_dim
  int dim_v = 0;     // MLA: kv_lora_rank
  int rope_dim = 0;  // how many dims of a head are rotated
  bool mla = false;  // V is a prefix of K
  bool window = false, softcap = false, sinks = false, alibi = false;  // of attention: see ModelShape
  Elem elem = Elem::bf16;

  /// What serving it asks for with caches of these page sizes and quantisations.
  ModelShape shape(std::vector<int> pages, std::vector<Quant> quants = {Quant::none}) const;
};

/// `model` is a name (one of model_names()) or the path of a config.json. Throws Error(argument) that names the file,
/// the key and what was expected there.
ModelConfig load_model(const std::string& model);
/// The same from text; `file` is what errors call it.
ModelConfig parse_model(std::string_view text, const std::string& name, const std::string& file);
/// The models that are built in, sorted.
std::vector<std::string> model_names();

}  // namespace pagejit
