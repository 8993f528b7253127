// What every file of the C interface needs: the way from C's structs to ours, and from exceptions to a status.
#pragma once
#include <cstring>
#include <string>

#include "kernels/api/pagejit.h"
#include "kernels/api/pagejit/pagejit.h"

struct pj_context {
  explicit pj_context(const pagejit::Options& options) : context(options), device_name(context.device_name()) {}
  pagejit::Context context;
  std::string device_name;
};

namespace pagejit::c {

/// What pj_last_error() gives to this thread.
void remember(const char* text) noexcept;
pj_status status_of(const Error& e);

/// Runs `f`; an exception becomes a status and a text.
template <class F>
pj_status guarded(F f) noexcept {
  try {
    f();
    return PJ_OK;
  } catch (const Error& e) {
    remember(e.what());
    return status_of(e);
  } catch (const std::exception& e) {
    remember(e.what());
  } catch (...) {
    remember("pagejit: an error of unknown kind");
  }
  return PJ_ERROR_INTERNAL;
}

/// Throws Error(argument) for a null pointer.
void need(const void* pointer, const char* argument);

/// Throws Error(argument) unless a struct that says it is `size` bytes long can be read as one of `known` bytes.
void check_size_field(const void* given, std::uint64_t size, std::uint64_t known, const char* argument);

/// The caller's struct as this library knows it: what it lacks is zero; what it has beyond must be zero.
template <class T>
T known_part(const T* given, const char* argument) {
  need(given, argument);
  check_size_field(given, given->size, sizeof(T), argument);
  T known{};
  std::memcpy(&known, given, given->size < sizeof(T) ? given->size : sizeof(T));
  return known;
}

Tensor tensor_of(const pj_tensor& t);

/// A C enumeration's value as ours, of `count` values from 0 up. Throws Error(argument).
int checked_choice(int value, int count, const char* argument);
template <class E>
E choice(int value, const char* argument, int count = 2) {
  return static_cast<E>(checked_choice(value, count, argument));
}

/// A PJ_QUANT_ value.
Quant quant_of(int value);

/// Throws Error(argument) unless a field that is there for later is zero, so that it can be given a meaning.
void check_reserved(int value);

/// Runs f(context) once the handle is known to be there.
template <class F>
pj_status with(pj_context* context, F f) noexcept {
  return guarded([&] {
    need(context, "context");
    f(context->context);
  });
}

}  // namespace pagejit::c

/// The two functions of a call, over the file's own args_of(const pj_NAME_args*).
#define PJ_C_CALL(name)                                                                            \
  pj_status pj_##name(pj_context* context, const pj_##name##_args* args, void* stream) {           \
    return pagejit::c::with(context, [&](pagejit::Context& c) { c.name(args_of(args), stream); }); \
  }                                                                                                \
  pj_status pj_prepare_##name(pj_context* context, const pj_##name##_args* args) {                 \
    return pagejit::c::with(context, [&](pagejit::Context& c) { c.prepare(args_of(args)); });      \
  }
