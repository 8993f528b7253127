// The C interface over the C++ one. No exception leaves this file.
#include <fmt/format.h>

#include <algorithm>

#include "kernels/api/c_support.h"

using pagejit::Code;
using namespace pagejit::c;

namespace {

static_assert(PJ_EVENT_AUDIT == static_cast<int>(pagejit::Event::Kind::audit) &&
              PJ_EVENT_FALLBACK == static_cast<int>(pagejit::Event::Kind::fallback));
constexpr std::int32_t event_kinds = PJ_EVENT_AUDIT + 1;

/// A C program's hook as ours: its texts end with a zero.
pagejit::EventHook hook_of(pj_event_hook hook, void* user) {
  if (hook == nullptr) return {};
  return [hook, user](const pagejit::Event& e) {
    std::string layer(e.layer), cause(e.cause), spec_line(e.spec_line), target(e.target);
    pj_event event{sizeof(pj_event),
                   static_cast<std::int32_t>(e.kind),
                   0,
                   layer.c_str(),
                   cause.c_str(),
                   spec_line.c_str(),
                   target.c_str(),
                   e.ms,
                   e.count};
    hook(&event, user);
  };
}

pagejit::Options options_of(const pj_options* given) {
  pagejit::Options r;
  if (given == nullptr) return r;
  pj_options o = known_part(given, "options");
  if (o.device != nullptr) r.device = o.device;
  if (o.cache_dir != nullptr) r.cache_dir = o.cache_dir;
  if (o.mode != nullptr) r.mode = o.mode;
  if (o.cache_ro != nullptr) r.cache_ro = o.cache_ro;
  if (o.seal != nullptr) r.seal = o.seal;
  r.on_event = hook_of(o.on_event, o.event_user);
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

const char* pj_event_name(int32_t kind) {
  bool known = kind >= 0 && kind < event_kinds;
  return known ? name_of(static_cast<pagejit::Event::Kind>(kind)).data() : "unknown";
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

pj_status pj_seal(pj_context* context) {
  return with(context, [](pagejit::Context& c) { c.seal(); });
}

pj_status pj_get_statistics(pj_context* context, pj_statistics* statistics) {
  return with(context, [&](pagejit::Context& c) {
    need(statistics, "statistics");
    std::uint64_t size = statistics->size;
    if (size < sizeof(size))
      pagejit::fail(Code::argument, fmt::format("statistics->size is {}; expected sizeof(pj_statistics)", size),
                    {{"argument", "statistics"}});
    pagejit::Statistics s = c.statistics();
    pj_statistics all{size,       s.compiles,   s.assemblies, s.memory_hits,    s.disk_hits,
                      s.launches, s.compile_ms, s.load_ms,    s.align_fallbacks};
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
