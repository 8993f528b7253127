#include "compiler/nvptx/compiler.h"

#include <fmt/format.h>

#include <chrono>

#include "compiler/nvptx/codegen.h"
#include "compiler/nvptx/lowering.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

class NvptxCompiler final : public Compiler {
 public:
  NvptxCompiler(EmitFunction emit, NvptxOptions options) : emit_(std::move(emit)), options_(options) {}

  std::string producer() const override { return fmt::format("llvm={}\n", nvptx::llvm_version()); }

  Artifact compile(const Request& request) override {
    const Target& chip = target(request.target);
    if (chip.is_emulator()) fail(Code::internal, "the emulator compiles its own kernels");
    auto start = std::chrono::steady_clock::now();
    auto lowering = make_nvptx_lowering(chip);
    Emitted kernel = emit_(request, *lowering);
    double emit_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    nvptx::Text text = nvptx::generate(kernel, chip, options_.keep_ir);
    Artifact a;
    a.key_text = request.key_text;
    a.producer = producer();
    a.facts = kernel.facts;
    if (options_.keep_ir) a.facts.ir_hash = hash128_hex(text.ir);
    a.ptx = std::move(text.ptx);
    a.ir = std::move(text.ir);
    a.ms = std::move(text.ms);
    a.ms["emit"] = emit_ms;
    return a;
  }

 private:
  EmitFunction emit_;
  NvptxOptions options_;
};

}  // namespace

std::shared_ptr<Compiler> make_nvptx_compiler(EmitFunction emit, NvptxOptions options) {
  return std::make_shared<NvptxCompiler>(std::move(emit), options);
}

}  // namespace pagejit
