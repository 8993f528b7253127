#include "compiler/nvptx/codegen.h"

#include <fmt/format.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Target/TargetOptions.h>
#include <llvm/Transforms/Scalar/ADCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>

#include <chrono>
#include <mutex>

#include "runtime/base/error.h"

extern "C" void LLVMInitializeNVPTXTarget();
extern "C" void LLVMInitializeNVPTXTargetInfo();
extern "C" void LLVMInitializeNVPTXTargetMC();
extern "C" void LLVMInitializeNVPTXAsmPrinter();

namespace pagejit::nvptx {
namespace {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

const llvm::Target& nvptx() {
  static const llvm::Target* found = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    std::string error;
    const llvm::Target* t = llvm::TargetRegistry::lookupTarget(llvm::Triple("nvptx64-nvidia-cuda"), error);
    if (!t) fail(Code::internal, "LLVM was built without its NVPTX backend", {{"LLVM says", error}});
    return t;
  }();
  return *found;
}

std::unique_ptr<llvm::TargetMachine> machine(const Target& target, int isa) {
  llvm::TargetOptions options;
  options.AllowFPOpFusion =
      llvm::FPOpFusion::Strict;  // the emulator rounds after every operation; so does the GPU then
  return std::unique_ptr<llvm::TargetMachine>(nvptx().createTargetMachine(
      llvm::Triple("nvptx64-nvidia-cuda"), std::string(target.name), fmt::format("+ptx{}", isa), options, std::nullopt,
      std::nullopt, llvm::CodeGenOptLevel::None));
}

/// Takes LLVM's notes; our own frame throws them.
class Notes final : public llvm::DiagnosticHandler {
 public:
  explicit Notes(std::string& text) : text_(text) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo& info) override {
    if (info.getSeverity() != llvm::DS_Error) return true;
    llvm::raw_string_ostream out(text_);
    llvm::DiagnosticPrinterRawOStream printer(out);
    info.print(printer);
    out << '\n';
    return true;
  }

 private:
  std::string& text_;
};

std::string print(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream out(text);
  module.print(out, nullptr);
  return text;
}

void verify(const Emitted& kernel, const char* when) {
  std::string text;
  llvm::raw_string_ostream out(text);
  if (llvm::verifyModule(*kernel.module, &out))
    fail(Code::internal, fmt::format("the IR of '{}' is broken {} optimisation", kernel.facts.symbol, when),
         {{"LLVM says", text}, {"IR", print(*kernel.module)}});
}

void optimise(llvm::Module& module, llvm::TargetMachine& tm) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&tm);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  // The tile language emits little that is redundant, and ptxas optimises all over again: InstCombine and LLVM's own
  // scheduling cost four times as long as the rest together and left the machine code with more registers.
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::EarlyCSEPass());
  passes.addPass(llvm::ADCEPass());
  for (llvm::Function& f : module)
    if (!f.isDeclaration()) passes.run(f, functions);
}

}  // namespace

Text generate(Emitted& kernel, const Target& target, bool keep_ir) {
  Text text;
  std::string errors;
  llvm::Module& module = *kernel.module;
  module.getContext().setDiagnosticHandler(std::make_unique<Notes>(errors));
  double start = now_ms();
  auto tm = machine(target, kernel.facts.ptx_isa);
  module.setDataLayout(tm->createDataLayout());
  verify(kernel, "before");
  text.ms["prepare"] = now_ms() - start;
  if (keep_ir) text.ir = print(module);

  start = now_ms();
  optimise(module, *tm);
  text.ms["optimise"] = now_ms() - start;
  verify(kernel, "after");
  if (keep_ir) text.optimised = print(module);

  start = now_ms();
  llvm::SmallString<0> ptx;
  llvm::raw_svector_ostream out(ptx);
  llvm::legacy::PassManager passes;
  if (tm->addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::AssemblyFile))
    fail(Code::internal, "LLVM's NVPTX backend does not print PTX");
  passes.run(module);
  text.ms["codegen"] = now_ms() - start;
  if (!errors.empty())
    fail(Code::compile, fmt::format("LLVM could not compile '{}' for {}", kernel.facts.symbol, target.name),
         {{"stage", "codegen"}, {"LLVM says", errors}});
  text.ptx = std::string(ptx);
  return text;
}

std::string llvm_version() {
  return LLVM_VERSION_STRING;
}

}  // namespace pagejit::nvptx
