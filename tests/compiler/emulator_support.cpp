#include "tests/compiler/emulator_support.h"

namespace pagejit::test {

HandKernel::HandKernel(Lowering& lowering, Emitted& made) : lowering_(lowering), made_(made), ir_(*made.context) {
  made_.facts.symbol = "hand";
  made_.facts.target = "emulator";
  made_.facts.param_bytes = sizeof(HandParams);
  function_ = lowering_.begin(*made_.module, ir_, "hand", param_fields<HandParams>(), sizeof(HandParams), 0);
}

int HandKernel::in(Elem elem) {
  made_.sites.push_back({"in", elem, Space::global, 0, 0, 0});
  return static_cast<int>(made_.sites.size()) - 1;
}
int HandKernel::out(Elem elem) {
  made_.sites.push_back({"out", elem, Space::global, 8, 0, 0});
  return static_cast<int>(made_.sites.size()) - 1;
}
int HandKernel::tile(const char* name, Elem elem, int elements) {
  int size = elements * bytes(elem);
  made_.sites.push_back({name, elem, Space::shared, -1, shared_, size});
  shared_ += (size + 15) / 16 * 16;
  return static_cast<int>(made_.sites.size()) - 1;
}

llvm::Value* HandKernel::base(int site) {
  const Site& s = made_.sites[static_cast<std::size_t>(site)];
  if (s.space == Space::global) return lowering_.param(ir_, s.param_offset, ir_.getInt64Ty());
  return ir_.CreateAdd(lowering_.shared_base(ir_), i32(s.shared_offset));
}

llvm::Value* HandKernel::at(int site, llvm::Value* index) {
  llvm::Value* start = base(site);
  llvm::Value* wide = ir_.CreateSExtOrTrunc(index, start->getType());
  auto size = static_cast<std::uint64_t>(bytes(made_.sites[static_cast<std::size_t>(site)].elem));
  return ir_.CreateAdd(start, ir_.CreateMul(wide, llvm::ConstantInt::get(start->getType(), size)));
}

llvm::Value* HandKernel::load(int site, llvm::Value* index, llvm::Type* elem, int count, llvm::Value* mask) {
  int size = static_cast<int>(elem->getPrimitiveSizeInBits()) / 8;
  Space space = made_.sites[static_cast<std::size_t>(site)].space;
  return lowering_.load(ir_, {space, elem, count, count * size, site}, at(site, index), mask);
}

void HandKernel::store(int site, llvm::Value* index, llvm::Value* value, llvm::Value* mask) {
  llvm::Type* elem = value->getType()->getScalarType();
  int size = static_cast<int>(value->getType()->getPrimitiveSizeInBits()) / 8;
  int count = size * 8 / static_cast<int>(elem->getPrimitiveSizeInBits());
  Space space = made_.sites[static_cast<std::size_t>(site)].space;
  lowering_.store(ir_, {space, elem, count, size, site}, at(site, index), value, mask);
}

void HandKernel::when(llvm::Value* condition, const std::function<void()>& then,
                      const std::function<void()>& otherwise) {
  llvm::LLVMContext& context = ir_.getContext();
  auto* yes = llvm::BasicBlock::Create(context, "then", function_);
  auto* no = llvm::BasicBlock::Create(context, "else", function_);
  auto* after = llvm::BasicBlock::Create(context, "after", function_);
  ir_.CreateCondBr(condition, yes, no);
  ir_.SetInsertPoint(yes);
  then();
  ir_.CreateBr(after);
  ir_.SetInsertPoint(no);
  if (otherwise) otherwise();
  ir_.CreateBr(after);
  ir_.SetInsertPoint(after);
}

void HandKernel::finish(int block) {
  ir_.CreateRetVoid();
  made_.facts.block = block;
  made_.facts.dynamic_shared = shared_;
  lowering_.finish(*made_.module, *function_, shared_);
}

HandEmulator::HandEmulator(EmulatorOptions options)
    : backend([this](const Request&, Lowering& lowering) { return emit(lowering); }, options) {}

Emitted HandEmulator::emit(Lowering& lowering) {
  Emitted made;
  made.context = std::make_unique<llvm::LLVMContext>();
  made.module = std::make_unique<llvm::Module>("hand", *made.context);
  HandKernel kernel(lowering, made);
  body_(kernel);
  kernel.finish(block_);
  return made;
}

std::vector<Finding> HandEmulator::run(int block, const HandParams& params, const Body& body, Grid grid) {
  body_ = body;
  block_ = block;
  Request request = make_request("hand number=" + std::to_string(kernels_++), "emulator", "", "");
  backend.launch(backend.load(request), grid, &params, nullptr);
  return backend.take_findings();
}

std::vector<float> random_floats(std::mt19937_64& random, std::size_t count) {
  std::vector<float> all(count);
  std::normal_distribution<float> normal;
  for (float& v : all) v = normal(random);
  return all;
}

}  // namespace pagejit::test
