#include "python/src/bind.h"
#include "runtime/base/error.h"

namespace pagejit::python {
namespace {
namespace nb = nanobind;

/// pagejit::Error as the class that pagejit.errors has for its code.
void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& e) {
    nb::object make = nb::module_::import_("pagejit.errors").attr("make");
    nb::list fields;
    for (const auto& [name, value] : e.fields()) fields.append(nb::make_tuple(name.c_str(), value.c_str()));
    nb::object error = make(static_cast<int>(e.code()), e.what(), e.message().c_str(), fields);
    PyErr_SetObject(error.type().ptr(), error.ptr());
  }
}

}  // namespace

void bind_errors(nb::module_&) {
  nb::register_exception_translator(translate);
}

}  // namespace pagejit::python
