// The C interface over the C++ one. No exception leaves this file.
#include <fmt/format.h>

#include <cstring>
#include <new>
#include <type_traits>

#include "kernels/api/pagejit.h"
#include "kernels/api/pagejit/pagejit.h"

using pagejit::Code;
using pagejit::Elem;
using pagejit::FlattenArgs;
using pagejit::Tensor;

struct pj_context {
  explicit pj_context(const pagejit::Options& options) : context(options), device_name(context.device_name()) {}
  pagejit::Context context;
  std::string device_name;
};

namespace {

static_assert(PJ_F32 == int(Elem::f32) && PJ_F16 == int(Elem::f16) && PJ_BF16 == int(Elem::bf16) &&
              PJ_E4M3 == int(Elem::e4m3));
static_assert(PJ_E5M2 == int(Elem::e5m2) && PJ_I8 == int(Elem::i8) && PJ_U8 == int(Elem::u8) &&
              PJ_I32 == int(Elem::i32));
static_assert(PJ_I64 == int(Elem::i64) && PJ_ERROR_DRIVER == int(Code::driver) &&
              PJ_ERROR_CAPTURE == int(Code::capture));
static_assert(sizeof(pj_tensor) == 96, "pj_tensor must never change: it has no size field");

thread_local std::string last_error;

pj_status status_of(const pagejit::Error& e) {
  return e.code() == Code::internal ? PJ_ERROR_INTERNAL : static_cast<pj_status>(e.code());
}

/// Runs `f`; an exception becomes a status and a text. With a fallback text, should even that find no memory.
template <class F>
pj_status guarded(F f) noexcept {
  auto remember = [](const char* text) {
    try {
      last_error = text;
    } catch (...) {
      last_error.clear();
    }
  };
  try {
    f();
    return PJ_OK;
  } catch (const pagejit::Error& e) {
    remember(e.what());
    return status_of(e);
  } catch (const std::exception& e) {
    remember(e.what());
  } catch (...) {
    remember("pagejit: an error of unknown kind");
  }
  return PJ_ERROR_INTERNAL;
}

void need(const void* pointer, const char* argument) {
  if (pointer == nullptr)
    pagejit::fail(Code::argument, fmt::format("{} is a null pointer; expected one that points to something", argument),
                  {{"argument", argument}});
}

/// The caller's struct as this library knows it: what it lacks is zero; what it has beyond must be zero.
template <class T>
T known_part(const T* given, const char* argument) {
  need(given, argument);
  auto bytes = reinterpret_cast<const unsigned char*>(given);
  std::uint64_t size = given->size;
  if (size < sizeof(size) || size > 65536)
    pagejit::fail(Code::argument,
                  fmt::format("{}->size is {}; expected sizeof(*{}), {} here", argument, size, argument, sizeof(T)),
                  {{"argument", argument}});
  for (std::uint64_t i = sizeof(T); i < size; ++i)
    if (bytes[i] != 0)
      pagejit::fail(
          Code::argument,
          fmt::format(
              "{} was made for a newer library ({} bytes are set where this one knows {}); update libpagejit.so",
              argument, size, sizeof(T)),
          {{"argument", argument}});
  T known{};
  std::memcpy(&known, given, std::min<std::uint64_t>(size, sizeof(T)));
  return known;
}

Tensor tensor_of(const pj_tensor& t) {
  Tensor r;
  r.data = t.data;
  r.elem = static_cast<Elem>(t.elem < 0 || t.elem > PJ_I64 ? 255 : t.elem);
  r.rank = t.rank;
  std::memcpy(r.shape, t.shape, sizeof(r.shape));
  std::memcpy(r.stride, t.stride, sizeof(r.stride));
  return r;
}

template <class E>
E choice(int value, const char* argument) {
  if (value != 0 && value != 1)
    pagejit::fail(Code::argument, fmt::format("args->{} is {}; expected 0 or 1", argument, value),
                  {{"argument", argument}});
  return static_cast<E>(value);
}

FlattenArgs args_of(const pj_flatten_args* given) {
  pj_flatten_args a = known_part(given, "args");
  FlattenArgs r;
  r.k_cache = tensor_of(a.k_cache);
  r.v_cache = tensor_of(a.v_cache);
  r.k_out = tensor_of(a.k_out);
  r.v_out = tensor_of(a.v_out);
  r.block_table = tensor_of(a.block_table);
  r.lengths = tensor_of(a.lengths);
  r.start_loc = tensor_of(a.start_loc);
  r.layout = choice<FlattenArgs::Layout>(a.layout, "layout");
  r.out = choice<FlattenArgs::Out>(a.out, "out");
  r.tail = choice<pagejit::flatten::Tail>(a.tail, "tail");
  r.zero_gaps = a.zero_gaps != 0;
  r.settled = a.settled != 0;
  bool has_lengths = a.host_lengths != nullptr && a.lengths.rank == 1 && a.lengths.shape[0] > 0;
  if (has_lengths) r.host_lengths = {a.host_lengths, static_cast<std::size_t>(a.lengths.shape[0])};
  return r;
}

pagejit::Options options_of(const pj_options* given) {
  pagejit::Options r;
  if (given == nullptr) return r;
  pj_options o = known_part(given, "options");
  if (o.device != nullptr) r.device = o.device;
  if (o.cache_dir != nullptr) r.cache_dir = o.cache_dir;
  if (o.mode != nullptr) r.mode = o.mode;
  return r;
}

/// Runs f(context) once the handle is known to be there.
template <class F>
pj_status with(pj_context* context, F f) noexcept {
  return guarded([&] {
    need(context, "context");
    f(context->context);
  });
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

const char* pj_last_error(void) {
  return last_error.c_str();
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

pj_status pj_flatten(pj_context* context, const pj_flatten_args* args, void* stream) {
  return with(context, [&](pagejit::Context& c) { c.flatten(args_of(args), stream); });
}
pj_status pj_prepare_flatten(pj_context* context, const pj_flatten_args* args) {
  return with(context, [&](pagejit::Context& c) { c.prepare(args_of(args)); });
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
