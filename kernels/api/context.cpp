#include <pagejit/context.h>

#include "kernels/api/backends.h"
#include "kernels/common/loader.h"
#include "kernels/families.h"
#include "kernels/registry.h"

namespace pagejit {

struct Context::Parts {
  explicit Parts(std::unique_ptr<Backend> b)
      : backend(std::move(b)), chip(chip_of(backend->target(), backend->multiprocessors())) {}

  std::unique_ptr<Backend> backend;
  Chip chip;
#define PJ_FAMILY(id) Loader<id::Spec, id::Params> id##_kernels{#id, *backend};
#include "kernels/families.def"
#undef PJ_FAMILY
};

Context::Context(const Options& options) : Context(make_backend(options)) {}
Context::Context(std::unique_ptr<Backend> backend) : parts_(std::make_unique<Parts>(std::move(backend))) {}
Context::~Context() = default;

#define PJ_CALL(name, Args, family)                                          \
  void Context::name(const Args& args, Stream stream) {                      \
    family::Plan plan;                                                       \
    if (!family::plan(args, parts_->chip.multiprocessors, plan)) return;     \
    auto found = parts_->family##_kernels.get(plan.spec, stream);            \
    if (found.weaker != nullptr) [[unlikely]] {                              \
      plan.instead = found.weaker;                                           \
      family::plan(args, parts_->chip.multiprocessors, plan);                \
    }                                                                        \
    parts_->backend->launch(*found.kernel, plan.grid, &plan.params, stream); \
  }                                                                          \
  void Context::prepare(const Args& args) {                                  \
    family::Plan plan;                                                       \
    family::plan(args, parts_->chip.multiprocessors, plan);                  \
    parts_->family##_kernels.load(plan.spec);                                \
  }                                                                          \
  std::string Context::spec_line(const Args& args) const {                   \
    family::Plan plan;                                                       \
    family::plan(args, parts_->chip.multiprocessors, plan);                  \
    return pagejit::spec_line(#family, plan.spec);                           \
  }
#include "kernels/api/calls.def"
#undef PJ_CALL

/// False if the copy engine cannot walk K or V as they lie.
static bool describe(const Backend& backend, attend::Plan& plan) {
  attend::Params& p = plan.params;
  return backend.describe(plan.keys, p.k_map) && (plan.spec.joint || backend.describe(plan.values, p.v_map));
}

void Context::decode_attention(const DecodeArgs& args, Stream stream) {
  attend::Plan plan;
  if (!attend::plan(args, parts_->chip, plan)) return;
  if (plan.spec.bulk && !describe(*parts_->backend, plan)) [[unlikely]] {
    DecodeArgs by_threads = args;
    by_threads.tuning.bulk = -1;
    attend::plan(by_threads, parts_->chip, plan);
  }
  // A kernel of weaker alignment is launched alike.
  const LoadedKernel& first = *parts_->attend_kernels.get(plan.spec, stream).kernel;
  const LoadedKernel& then = *parts_->combine_kernels.get(plan.then.spec, stream).kernel;
  for (const combine::Spec& s : plan.combines) parts_->combine_kernels.get(s, stream);
  parts_->backend->launch(first, plan.grid, &plan.params, stream);
  // One part shares its sequences with nobody.
  if (plan.params.parts > 1) parts_->backend->launch(then, plan.then.grid, &plan.then.params, stream);
}
void Context::prepare(const DecodeArgs& args) {
  attend::Plan plan;
  attend::plan_without_workspace(args, parts_->chip, plan);
  parts_->attend_kernels.load(plan.spec);
  for (const combine::Spec& s : plan.combines) parts_->combine_kernels.load(s);
}
std::string Context::spec_line(const DecodeArgs& args) const {
  attend::Plan plan;
  attend::plan_without_workspace(args, parts_->chip, plan);
  return pagejit::spec_line("attend", plan.spec);
}
std::string Context::second_spec_line(const DecodeArgs& args) const {
  attend::Plan plan;
  attend::plan_without_workspace(args, parts_->chip, plan);
  return plan.params.parts > 1 ? pagejit::spec_line("combine", plan.then.spec) : "";
}
std::size_t Context::decode_workspace(const DecodeArgs& args) const {
  attend::Plan plan;
  attend::plan_without_workspace(args, parts_->chip, plan);
  return plan.workspace;
}

void Context::prepare(std::string_view spec_line) {
  Request request = request_for(spec_line, target());
  std::string_view name = family_of(request.spec_line).name;
  // Through the family's own loader, so that the next launch finds it without asking the backend.
#define PJ_FAMILY(id) \
  if (name == #id) parts_->id##_kernels.load(parse_spec<id::Spec>(request.spec_line));
#include "kernels/families.def"
#undef PJ_FAMILY
}

void Context::seal() {
  parts_->backend->seal();
}

const std::string& Context::target() const {
  return parts_->backend->target();
}
std::string Context::device_name() const {
  return parts_->backend->name();
}
int Context::multiprocessors() const {
  return parts_->chip.multiprocessors;
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
