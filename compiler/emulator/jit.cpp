#include "compiler/emulator/jit.h"

#include <fmt/format.h>
#include <llvm/ExecutionEngine/Orc/AbsoluteSymbols.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>

#include <mutex>

#include "compiler/emulator/host_ops.h"
#include "runtime/base/error.h"

namespace pagejit::emulator {
namespace {
namespace orc = llvm::orc;

[[noreturn]] void failed(const char* what, llvm::Error error) {
  fail(Code::internal, fmt::format("the emulator could not {}: {}", what, llvm::toString(std::move(error))));
}
template <class T>
T got(const char* what, llvm::Expected<T> value) {
  if (!value) failed(what, value.takeError());
  return static_cast<T&&>(*value);  // T may be a reference
}

std::unique_ptr<orc::LLJIT> make_jit() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  orc::JITTargetMachineBuilder machine{llvm::Triple(llvm::sys::getProcessTriple())};
  machine.setCodeGenOptLevel(llvm::CodeGenOptLevel::None);
  return got("start its compiler", orc::LLJITBuilder()
                                       .setJITTargetMachineBuilder(std::move(machine))
                                       .setLinkProcessSymbolsByDefault(false)
                                       .setPlatformSetUp(orc::setUpInactivePlatform)
                                       .create());
}

}  // namespace

struct Jit::Inside {
  std::unique_ptr<orc::LLJIT> jit = make_jit();
  orc::JITDylib* host = nullptr;
  int kernels = 0;
  std::mutex mutex;  // one target machine, so one compilation at a time
};

Jit::Jit() : inside_(std::make_unique<Inside>()) {
  orc::LLJIT& jit = *inside_->jit;
  inside_->host = &got("make its library", jit.createJITDylib("host"));
  orc::SymbolMap symbols;
  for (const HostSymbol& s : host_symbols())
    symbols[jit.mangleAndIntern(s.name)] = {orc::ExecutorAddr::fromPtr(s.address), llvm::JITSymbolFlags::Exported};
  if (auto error = inside_->host->define(orc::absoluteSymbols(std::move(symbols))))
    failed("name its functions", std::move(error));
}

Jit::~Jit() = default;

Entry Jit::compile(Emitted& kernel) {
  std::lock_guard lock(inside_->mutex);
  orc::LLJIT& jit = *inside_->jit;
  kernel.module->setDataLayout(jit.getDataLayout());
  kernel.module->setTargetTriple(jit.getTargetTriple());
  std::string complaint;
  llvm::raw_string_ostream out(complaint);
  if (llvm::verifyModule(*kernel.module, &out))
    fail(Code::internal, fmt::format("the IR of '{}' for the emulator is broken: {}", kernel.facts.symbol, complaint));
  orc::JITDylib& library = got("make a library", jit.createJITDylib(fmt::format("kernel-{}", inside_->kernels++)));
  library.addToLinkOrder(*inside_->host);
  orc::ThreadSafeModule module(std::move(kernel.module), std::move(kernel.context));
  if (auto error = jit.addIRModule(library, std::move(module))) failed("take a kernel", std::move(error));
  return got("compile a kernel", jit.lookup(library, kernel.facts.symbol)).toPtr<Entry>();
}

}  // namespace pagejit::emulator
