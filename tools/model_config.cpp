#include "tools/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "pagejit_models.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

using Json = nlohmann::json;

/// The keys of one file, each asked for by name; complaints name file and key.
class Reader {
 public:
  Reader(const Json& object, std::string file) : object_(object), file_(std::move(file)) {}

  bool has(const char* key) const { return object_.contains(key) && !object_[key].is_null(); }

  int positive(const char* key) const {
    if (!has(key)) bad(key, "missing", "a whole number, at least 1");
    const Json& value = object_[key];
    constexpr long long most = 1 << 20;
    if (!value.is_number_integer() || value.get<long long>() < 1 || value.get<long long>() > most)
      bad(key, value.dump(), "a whole number, at least 1");
    return value.get<int>();
  }
  int positive_or(const char* key, int otherwise) const { return has(key) ? positive(key) : otherwise; }

  double fraction_or(const char* key, double otherwise) const {
    if (!has(key)) return otherwise;
    const Json& value = object_[key];
    if (!value.is_number() || !(value.get<double>() > 0 && value.get<double>() <= 1))
      bad(key, value.dump(), "a number above 0, at most 1");
    return value.get<double>();
  }

  /// False where the key is missing, null or false.
  bool says(const char* key) const { return has(key) && object_[key] != false; }
  bool is_type(std::string_view type) const { return has("model_type") && object_["model_type"] == type; }

  /// The type of the weights, which is that of an unquantised cache. Newer files say dtype, older ones torch_dtype.
  Elem elem() const {
    const char* key = has("dtype") ? "dtype" : "torch_dtype";
    if (!has(key)) return Elem::bf16;
    constexpr std::pair<std::string_view, Elem> known[] = {
        {"bfloat16", Elem::bf16}, {"float16", Elem::f16}, {"float32", Elem::f32}};
    for (auto [name, elem] : known)
      if (object_[key] == name) return elem;
    bad(key, object_[key].dump(), "\"bfloat16\", \"float16\" or \"float32\"");
  }

  [[noreturn]] void bad(const std::string& key, const std::string& found, const std::string& expected) const {
    fail(Code::argument, fmt::format("the model file {} has no usable {}", file_, key),
         {{"found", found},
          {"expected", expected},
          {"to do", "give the config.json that a model is published with, or a built-in name: " + join_names()}});
  }

  static std::string join_names() { return fmt::format("{}", fmt::join(model_names(), ", ")); }

 private:
  const Json& object_;
  std::string file_;
};

/// Some models rotate only the first part of a head.
int rope_dims(const Reader& r, int head_dim) {
  double part = r.fraction_or("partial_rotary_factor", 1);
  return std::max(2, static_cast<int>(head_dim * part) / 2 * 2);
}

void read_attention(const Reader& r, ModelConfig& m) {
  m.heads = r.positive("num_attention_heads");
  m.mla = r.has("kv_lora_rank");  // asked first: MLA files may carry a head_dim that is not the cache's
  if (m.mla) {
    m.kv_heads = 1;
    m.dim_v = r.positive("kv_lora_rank");
    m.rope_dim = r.positive("qk_rope_head_dim");
    m.dim_k = m.dim_v + m.rope_dim;
    return;
  }
  m.kv_heads = r.positive_or("num_key_value_heads", m.heads);
  if (m.heads % m.kv_heads != 0)
    r.bad("num_key_value_heads", std::to_string(m.kv_heads),
          fmt::format("a divisor of num_attention_heads, {}", m.heads));
  if (r.has("head_dim")) {
    m.dim_k = r.positive("head_dim");
  } else {
    int hidden = r.positive("hidden_size");
    if (hidden % m.heads != 0)
      r.bad("hidden_size", std::to_string(hidden), fmt::format("a multiple of num_attention_heads, {}", m.heads));
    m.dim_k = hidden / m.heads;
  }
  m.dim_v = m.dim_k;
  m.rope_dim = rope_dims(r, m.dim_k);
}

/// Which scores attention changes, and which it leaves out. Some models have no key for it, only their type.
void read_scores(const Reader& r, ModelConfig& m) {
  m.window = r.has("sliding_window") && (!r.has("use_sliding_window") || r.says("use_sliding_window"));
  m.softcap = r.says("attn_logit_softcapping");
  m.sinks = r.is_type("gpt_oss");
  m.alibi = r.says("alibi") || r.is_type("bloom");
}

std::optional<std::string> read_file(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return std::nullopt;
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace

ModelShape ModelConfig::shape(std::vector<int> pages, std::vector<Quant> quants) const {
  ModelShape s;
  s.elem = elem;
  s.dim_k = dim_k;
  s.dim_v = dim_v;
  s.joint = mla;
  s.window = window, s.softcap = softcap, s.sinks = sinks, s.alibi = alibi;
  s.query_heads = heads;
  s.kv_heads = kv_heads;
  s.rope_dim = rope_dim;
  s.pages = std::move(pages);
  s.quants = std::move(quants);
  return s;
}

ModelConfig parse_model(std::string_view text, const std::string& name, const std::string& file) {
  Json object;
  try {
    object = Json::parse(text);
  } catch (const Json::parse_error& e) {
    std::string_view before = text.substr(0, e.byte > 0 ? e.byte - 1 : 0);
    auto line = 1 + std::count(before.begin(), before.end(), '\n');
    fail(Code::argument, fmt::format("the model file {} is not JSON", file),
         {{"line", std::to_string(line)}, {"expected", "one JSON object, as in a model's config.json"}});
  } catch (const Json::out_of_range& e) {
    fail(Code::argument, fmt::format("the model file {} holds a number that is too large", file),
         {{"found", e.what()}});
  }
  if (!object.is_object())
    fail(Code::argument, fmt::format("the model file {} holds no JSON object", file),
         {{"found", object.type_name()}, {"expected", "one JSON object, as in a model's config.json"}});
  // Models that see and hear keep the language part's shape one level down.
  bool nested = object.contains("text_config") && object["text_config"].is_object();
  Reader r(nested ? object["text_config"] : object, file);
  ModelConfig m;
  m.name = name;
  m.layers = r.positive("num_hidden_layers");
  m.elem = r.elem();
  read_attention(r, m);
  read_scores(r, m);
  return m;
}

ModelConfig load_model(const std::string& model) {
  for (auto [name, text] : embedded_models)
    if (name == model) return parse_model(text, model, model);
  std::optional<std::string> text = read_file(model);
  if (!text)
    fail(Code::argument, fmt::format("there is no model '{}': no built-in one of that name and no such file", model),
         {{"built in", Reader::join_names()}, {"or", "the path of a config.json"}});
  std::filesystem::path path(model);
  // Every published file has the same name; its folder says whose it is.
  std::string name = path.stem() == "config" ? path.parent_path().filename().string() : path.stem().string();
  return parse_model(*text, name.empty() ? "model" : name, model);
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (auto [name, text] : embedded_models) names.emplace_back(name);
  return names;
}

}  // namespace pagejit
