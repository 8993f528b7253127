// The C interface over the C++ one. No exception leaves this file.
#include <fmt/format.h>

#include <algorithm>

#include "kernels/api/c_support.h"

using pagejit::Code;
using namespace pagejit::c;

namespace {

pagejit::Options options_of(const pj_options* given) {
  pagejit::Options r;
  if (given == nullptr) return r;
  pj_options o = known_part(given, "options");
  if (o.device != nullptr) r.device = o.device;
  if (o.cache_dir != nullptr) r.cache_dir = o.cache_dir;
  if (o.mode != nullptr) r.mode = o.mode;
  return r;
}

}  // namespace

const char* pj_version(void) {
  return "0.1.0";
}

const char* pj_status_name(pj_status code) {
  static constexpr const char* names[] = {"ok",        "argument", "unsupported", "miss",    "compile",
                                          "capture",   "sealed",   "too_new",     "damaged", "unsafe_cache",
                                          "signature", "deadline", "absent",      "driver"};
  bool known = code >= PJ_OK && code <= PJ_ERROR_DRIVER;
  return known ? names[code] : code == PJ_ERROR_INTERNAL ? "internal" : "unknown";
}

pj_status pj_context_create(const pj_options* options, pj_context** context) {
  return guarded([&] {
    need(context, "context");
    *context = nullptr;
    *context = new pj_context(options_of(options));
  });
}

void pj_context_destroy(pj_context* context) {
  delete context;
}
const char* pj_target(pj_context* context) {
  return context ? context->context.target().c_str() : "";
}
const char* pj_device_name(pj_context* context) {
  return context ? context->device_name.c_str() : "";
}

pj_status pj_prepare(pj_context* context, const char* spec_line) {
  return with(context, [&](pagejit::Context& c) {
    need(spec_line, "spec_line");
    c.prepare(spec_line);
  });
}

pj_status pj_get_statistics(pj_context* context, pj_statistics* statistics) {
  return with(context, [&](pagejit::Context& c) {
    need(statistics, "statistics");
    std::uint64_t size = statistics->size;
    if (size < sizeof(size))
      pagejit::fail(Code::argument, fmt::format("statistics->size is {}; expected sizeof(pj_statistics)", size),
                    {{"argument", "statistics"}});
    pagejit::Statistics s = c.statistics();
    pj_statistics all{size, s.compiles, s.assemblies, s.memory_hits, s.disk_hits, s.launches, s.compile_ms, s.load_ms};
    std::memcpy(statistics, &all, std::min<std::uint64_t>(size, sizeof(all)));
  });
}

pj_status pj_allocate(pj_context* context, size_t bytes, void** memory) {
  return with(context, [&](pagejit::Context& c) {
    need(memory, "memory");
    *memory = nullptr;
    *memory = c.allocate(bytes);
  });
}
pj_status pj_release(pj_context* context, void* memory) {
  return with(context, [&](pagejit::Context& c) { c.release(memory); });
}
pj_status pj_copy_in(pj_context* context, void* device, const void* host, size_t bytes, void* stream) {
  return with(context, [&](pagejit::Context& c) { c.copy_in(device, host, bytes, stream); });
}
pj_status pj_copy_out(pj_context* context, void* host, const void* device, size_t bytes, void* stream) {
  return with(context, [&](pagejit::Context& c) { c.copy_out(host, device, bytes, stream); });
}
pj_status pj_fill(pj_context* context, void* device, int byte, size_t bytes, void* stream) {
  return with(context, [&](pagejit::Context& c) { c.fill(device, static_cast<unsigned char>(byte), bytes, stream); });
}
pj_status pj_synchronise(pj_context* context, void* stream) {
  return with(context, [&](pagejit::Context& c) { c.synchronise(stream); });
}
