#include "kernels/api/c_support.h"

#include <fmt/format.h>

namespace pagejit::c {
namespace {

static_assert(PJ_F32 == int(Elem::f32) && PJ_F16 == int(Elem::f16) && PJ_BF16 == int(Elem::bf16) &&
              PJ_E4M3 == int(Elem::e4m3));
static_assert(PJ_E5M2 == int(Elem::e5m2) && PJ_I8 == int(Elem::i8) && PJ_U8 == int(Elem::u8) &&
              PJ_I32 == int(Elem::i32));
static_assert(PJ_I64 == int(Elem::i64) && PJ_ERROR_DRIVER == int(Code::driver) &&
              PJ_ERROR_CAPTURE == int(Code::capture));
static_assert(sizeof(pj_tensor) == 96, "pj_tensor must never change: it has no size field");

thread_local std::string last_error;

}  // namespace

void remember(const char* text) noexcept {
  try {
    last_error = text;
  } catch (...) {  // not even memory for the text
    last_error.clear();
  }
}

pj_status status_of(const Error& e) {
  return e.code() == Code::internal ? PJ_ERROR_INTERNAL : static_cast<pj_status>(e.code());
}

void need(const void* pointer, const char* argument) {
  if (pointer == nullptr)
    fail(Code::argument, fmt::format("{} is a null pointer; expected one that points to something", argument),
         {{"argument", argument}});
}

void check_size_field(const void* given, std::uint64_t size, std::uint64_t known, const char* argument) {
  auto bytes = static_cast<const unsigned char*>(given);
  if (size < sizeof(size) || size > 65536)
    fail(Code::argument, fmt::format("{}->size is {}; expected sizeof(*{}), {} here", argument, size, argument, known),
         {{"argument", argument}});
  for (std::uint64_t i = known; i < size; ++i)
    if (bytes[i] != 0)
      fail(Code::argument,
           fmt::format(
               "{} was made for a newer library ({} bytes are set where this one knows {}); update libpagejit.so",
               argument, size, known),
           {{"argument", argument}});
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

int checked_choice(int value, int count, const char* argument) {
  if (value < 0 || value >= count)
    fail(Code::argument,
         fmt::format("args->{} is {}; expected {}", argument, value,
                     count == 2 ? std::string("0 or 1") : fmt::format("0 to {}", count - 1)),
         {{"argument", argument}});
  return value;
}

Quant quant_of(int value) {
  static_assert(PJ_QUANT_NONE == int(Quant::none) && PJ_QUANT_FP8 == int(Quant::fp8) &&
                PJ_QUANT_FP8_GROUP == int(Quant::fp8_group) && PJ_QUANT_INT8 == int(Quant::int8) &&
                PJ_QUANT_INT4 == int(Quant::int4) && PJ_QUANT_TURBO == int(Quant::turbo4));
  return static_cast<Quant>(checked_choice(value, PJ_QUANT_TURBO + 1, "quant"));
}

void check_reserved(int value) {
  if (value != 0)
    fail(Code::argument, fmt::format("args->reserved is {}; expected 0", value), {{"argument", "reserved"}});
}

}  // namespace pagejit::c

const char* pj_last_error(void) {
  return pagejit::c::last_error.c_str();
}
