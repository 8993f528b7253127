#include "tests/runtime/support.h"

#include <stdlib.h>

#include <fstream>
#include <sstream>

namespace pagejit::testing {
namespace fs = std::filesystem;

Artifact CountingCompiler::compile(const Request& request) {
  ++compiles;
  Artifact a;
  a.facts.symbol = "flatten";
  a.facts.target = request.target;
  a.facts.block = 128;
  a.facts.param_bytes = 64;
  a.ptx = ".visible .entry flatten(.param .b8 p[64]) { ret; }";
  a.ir = "define void @flatten() { ret void }";
  a.ms["codegen"] = 1.5;
  if (change) change(a);
  return a;
}

Request sample_request(int page) {
  return make_request("flatten align=16 head_dim=128 kv=bf16 page=" + std::to_string(page) + " tail=zero", "sm_90a",
                      "out ptr 0\nsize 8\n", "0123456789abcdef");
}

Artifact sample_artifact() {
  CountingCompiler compiler;
  Artifact a = compiler.compile(sample_request());
  a.key_text = sample_request().key_text;
  a.producer = "assembler=driver 13000\ncubin=9.0\nllvm=22.1.8\n";
  a.cubin = std::string(
      "\x7f"
      "ELF\0\1\2 machine code",
      20);
  a.log = "ptxas info: Used 24 registers\n";
  for (int i = 0; i < 40; ++i)
    a.ptx += "\n  ld.global.v4.b32 {r" + std::to_string(i * i) + "}, [rd" + std::to_string(i * 7) + "];";
  return a;
}

EngineOptions options_for(const std::string& cache_dir, Mode mode) {
  EngineOptions options;
  options.cache_dir = cache_dir;
  options.mode = mode;
  return options;
}

std::vector<std::string> files_under(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), folder).string());
  std::sort(files.begin(), files.end());
  return files;
}

std::string read_file(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

LogCapture::LogCapture() {
  forget_warnings();
  before_ = set_log_sink([this](LogLevel, std::string_view text) { lines.emplace_back(text); });
}

LogCapture::~LogCapture() {
  set_log_sink(std::move(before_));
}

Error thrown(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return e;
  }
  return Error(Code::internal, "nothing was thrown");
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace pagejit::testing
