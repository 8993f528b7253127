#include "python/src/tensor.h"

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <string>

namespace pagejit::python {
namespace {

constexpr const char* known_types =
    "float32, float16, bfloat16, float8_e4m3fn, float8_e5m2, int8, uint8, int32 or int64";

struct Whose {
  const char *function, *name;
};

[[noreturn]] void refuse(Whose whose, const std::string& problem) {
  throw nb::type_error(fmt::format("{}: {} {}", whose.function, whose.name, problem).c_str());
}

/// The table of C functions that a type offers; asked once for each type.
const dlpack::ExchangeApi* api_of(PyTypeObject* type) {
  struct Known {
    PyTypeObject* type;
    const dlpack::ExchangeApi* api;
  };
  static Known known[8];  // a process has one or two; guarded by the GIL
  static unsigned next = 0;
  for (const Known& k : known)
    if (k.type == type) return k.api;
  const dlpack::ExchangeApi* api = nullptr;
  nb::object capsule = nb::getattr(nb::handle(reinterpret_cast<PyObject*>(type)), "__dlpack_c_exchange_api__", {});
  if (capsule.is_valid() && PyCapsule_IsValid(capsule.ptr(), "dlpack_exchange_api"))
    api = static_cast<const dlpack::ExchangeApi*>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
  while (api != nullptr && api->major > 1) api = api->previous;
  if (api != nullptr && (api->major != 1 || api->view_object == nullptr)) api = nullptr;
  Py_INCREF(type);  // its address is a key from now on
  known[next++ % std::size(known)] = {type, api};
  return api;
}

std::optional<Elem> elem_of(dlpack::DataType t) {
  if (t.lanes != 1) return std::nullopt;
  switch (t.code) {
    case dlpack::real:
      if (t.bits == 32) return Elem::f32;
      return t.bits == 16 ? std::optional(Elem::f16) : std::nullopt;
    case dlpack::bfloat:
      return t.bits == 16 ? std::optional(Elem::bf16) : std::nullopt;
    case dlpack::e4m3fn:
      return Elem::e4m3;
    case dlpack::e5m2:
      return Elem::e5m2;
    case dlpack::integer:
      if (t.bits == 8) return Elem::i8;
      if (t.bits == 32) return Elem::i32;
      return t.bits == 64 ? std::optional(Elem::i64) : std::nullopt;
    case dlpack::unsigned_integer:
      return t.bits == 8 ? std::optional(Elem::u8) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<Elem> elem_of(std::string_view dtype) {
  constexpr std::pair<std::string_view, Elem> names[] = {
      {"float32", Elem::f32},        {"float16", Elem::f16},      {"bfloat16", Elem::bf16},
      {"float8_e4m3fn", Elem::e4m3}, {"float8_e5m2", Elem::e5m2}, {"int8", Elem::i8},
      {"uint8", Elem::u8},           {"int32", Elem::i32},        {"int64", Elem::i64}};
  for (auto [name, elem] : names)
    if (name == dtype) return elem;
  return std::nullopt;
}

void check_rank(Whose whose, std::int64_t rank) {
  if (rank > Tensor::max_rank)
    refuse(whose, fmt::format("has {} dimensions; expected at most {}", rank, Tensor::max_rank));
}

void take(const dlpack::DlTensor& from, Whose whose, Viewed& out) {
  check_rank(whose, from.ndim);
  std::optional<Elem> elem = elem_of(from.dtype);
  if (!elem)
    refuse(whose, fmt::format("has the DLPack element type ({}, {} bits); expected {}", from.dtype.code,
                              from.dtype.bits, known_types));
  if (from.device.type == dlpack::cpu)
    out.place = {Place::host};
  else if (from.device.type == dlpack::cuda || from.device.type == dlpack::cuda_managed)
    out.place = {from.device.id};
  else
    refuse(whose, fmt::format("lies on a device of DLPack's type {}; expected a CUDA device, or the host for the "
                              "emulator",
                              from.device.type));
  Tensor& t = out.tensor;
  t.data = static_cast<char*>(from.data) + from.byte_offset;
  t.elem = *elem;
  t.rank = from.ndim;
  std::int64_t step = 1;
  for (int d = from.ndim; d-- > 0;) {
    t.shape[d] = from.shape[d];
    t.stride[d] = from.strides != nullptr ? from.strides[d] : step;
    step *= from.shape[d];
  }
}

void take_numpy(nb::handle array, const nb::dict& interface, Whose whose, Viewed& out) {
  nb::str name(array.attr("dtype").attr("name"));
  std::optional<Elem> elem = elem_of(std::string_view(name.c_str()));
  if (!elem) refuse(whose, fmt::format("has the dtype {}; expected {}", name.c_str(), known_types));
  nb::tuple shape = nb::cast<nb::tuple>(interface["shape"]);
  nb::tuple data = nb::cast<nb::tuple>(interface["data"]);
  check_rank(whose, static_cast<std::int64_t>(shape.size()));
  Tensor& t = out.tensor;
  t.data = reinterpret_cast<void*>(nb::cast<std::uintptr_t>(data[0]));
  out.read_only = nb::cast<bool>(data[1]);
  out.place = {Place::host};
  t.elem = *elem;
  t.rank = static_cast<int>(shape.size());
  nb::object strides = interface["strides"];
  std::int64_t step = 1, width = bytes(*elem);
  for (int d = t.rank; d-- > 0;) {
    t.shape[d] = nb::cast<std::int64_t>(shape[d]);
    std::int64_t in_bytes = strides.is_none() ? step * width : nb::cast<std::int64_t>(strides[d]);
    if (t.shape[d] > 1 && in_bytes % width != 0)
      refuse(whose, fmt::format("has a stride of {} bytes along axis {}; expected a multiple of its element's {}",
                                in_bytes, d, width));
    t.stride[d] = in_bytes / width;
    step *= t.shape[d];
  }
}

void take_capsule(nb::handle object, Whose whose, Viewed& out) {
  nb::tuple device = nb::cast<nb::tuple>(object.attr("__dlpack_device__")());
  // −1: the producer waits for nothing. Launches go to the stream that its work is on.
  bool on_cuda = nb::cast<int>(device[0]) == dlpack::cuda;
  out.keep = on_cuda ? object.attr("__dlpack__")(nb::arg("stream") = -1) : object.attr("__dlpack__")();
  if (!PyCapsule_IsValid(out.keep.ptr(), "dltensor")) refuse(whose, "gave no DLPack capsule named 'dltensor'");
  take(static_cast<dlpack::Managed*>(PyCapsule_GetPointer(out.keep.ptr(), "dltensor"))->tensor, whose, out);
}

}  // namespace

std::string class_name(nb::handle object) {
  return nb::str(nb::handle(object.type()).attr("__name__")).c_str();
}

void view(nb::handle object, const char* function, const char* name, Viewed& out) {
  Whose whose{function, name};
  out.api = api_of(Py_TYPE(object.ptr()));
  if (out.api != nullptr) [[likely]] {
    dlpack::DlTensor t;
    if (out.api->view_object(object.ptr(), &t) != 0) throw nb::python_error();
    return take(t, whose, out);
  }
  if (nb::object interface = nb::getattr(object, "__array_interface__", {}); interface.is_valid())
    return take_numpy(object, nb::cast<nb::dict>(interface), whose, out);
  if (nb::hasattr(object, "__dlpack__") && nb::hasattr(object, "__dlpack_device__"))
    return take_capsule(object, whose, out);
  refuse(whose, fmt::format("is a {}; expected a torch tensor, a NumPy array or another tensor that speaks DLPack",
                            class_name(object)));
}

}  // namespace pagejit::python
