// From a Python object to a Tensor: torch and whatever else speaks DLPack, and NumPy arrays.
#pragma once
#include <nanobind/nanobind.h>

#include "kernels/common/tensor.h"
#include "python/src/dlpack.h"

namespace pagejit::python {

namespace nb = nanobind;

/// An argument as it was given. Other than a handle it may be None, which nanobind lets through for such types only.
struct Given : nb::handle {
  Given() = default;
  explicit Given(nb::handle h) : nb::handle(h) {}
};

/// Where memory lies, and so which context works on it.
struct Place {
  static constexpr int host = -1;
  int cuda = host;  // the GPU's ordinal, or `host`: the emulator
  bool operator==(const Place&) const = default;
};

struct Viewed {
  explicit Viewed(Tensor& into) : tensor(into) {}

  Tensor& tensor;
  Place place;
  bool read_only = false;
  const dlpack::ExchangeApi* api = nullptr;  // of the object's type, where it has one
  nb::object keep;                           // what must live as long as the view
};

/// `out` borrows the object's memory. Throws TypeError for what is no tensor, or has an element type, a rank or a
/// device that no kernel takes: `function` and `name` say whose argument it is.
void view(nb::handle object, const char* function, const char* name, Viewed& out);

/// The name of a type, "list".
std::string class_name(nb::handle object);

}  // namespace pagejit::python

template <>
struct nanobind::detail::has_arg_defaults<pagejit::python::Given> : std::true_type {};

template <>
struct nanobind::detail::type_caster<pagejit::python::Given> {
  NB_TYPE_CASTER(pagejit::python::Given, const_name("object"))
  template <class Flags>
  bool from_python(handle source, Flags, cleanup_list*) noexcept {
    value = pagejit::python::Given(source);
    return true;
  }
  static handle from_cpp(pagejit::python::Given given, rv_policy, cleanup_list*) noexcept { return given.inc_ref(); }
};
