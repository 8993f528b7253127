#include <pagejit/context.h>

#include "kernels/api/backends.h"
#include "kernels/common/loader.h"
#include "kernels/flatten/host.h"
#include "kernels/registry.h"

namespace pagejit {

struct Context::Parts {
  explicit Parts(std::unique_ptr<Backend> b)
      : backend(std::move(b)), multiprocessors(backend->multiprocessors()), flattens("flatten", *backend) {}

  std::unique_ptr<Backend> backend;
  int multiprocessors;
  Loader<flatten::Spec, flatten::Params> flattens;
};

Context::Context(const Options& options) : Context(make_backend(options)) {}
Context::Context(std::unique_ptr<Backend> backend) : parts_(std::make_unique<Parts>(std::move(backend))) {}
Context::~Context() = default;

void Context::flatten(const FlattenArgs& args, Stream stream) {
  flatten::Plan plan;
  if (!flatten::plan(args, parts_->multiprocessors, plan)) return;
  const LoadedKernel& kernel = parts_->flattens.get(plan.spec, stream);
  parts_->backend->launch(kernel, plan.grid, &plan.params, stream);
}

void Context::prepare(const FlattenArgs& args) {
  flatten::Plan plan;
  flatten::plan(args, parts_->multiprocessors, plan);
  parts_->flattens.load(plan.spec);
}

void Context::prepare(std::string_view spec_line) {
  Request request = request_for(spec_line, target());
  // Through the family's own loader, so that the next launch finds it without asking the backend.
  parts_->flattens.load(parse_spec<flatten::Spec>(request.spec_line));
}

std::string Context::spec_line(const FlattenArgs& args) const {
  flatten::Plan plan;
  flatten::plan(args, parts_->multiprocessors, plan);
  return pagejit::spec_line("flatten", plan.spec);
}

const std::string& Context::target() const {
  return parts_->backend->target();
}
std::string Context::device_name() const {
  return parts_->backend->name();
}
int Context::multiprocessors() const {
  return parts_->multiprocessors;
}
bool Context::emulated() const {
  return target() == "emulator";
}
Statistics Context::statistics() const {
  return parts_->backend->statistics();
}

void* Context::allocate(std::size_t bytes, const char* label) {
  return parts_->backend->allocate(bytes, label);
}
void Context::release(void* memory) {
  parts_->backend->release(memory);
}
void Context::copy_in(void* device, const void* host, std::size_t bytes, Stream stream) {
  parts_->backend->copy_in(device, host, bytes, stream);
}
void Context::copy_out(void* host, const void* device, std::size_t bytes, Stream stream) {
  parts_->backend->copy_out(host, device, bytes, stream);
}
void Context::fill(void* device, unsigned char byte, std::size_t bytes, Stream stream) {
  parts_->backend->fill(device, byte, bytes, stream);
}
void Context::synchronise(Stream stream) {
  parts_->backend->synchronise(stream);
}

Backend& Context::backend() {
  return *parts_->backend;
}

}  // namespace pagejit
