// Each file bind_*.cpp gives pagejit._core the calls of one family: positional arguments only, in the order of the
// Python function that wraps it and documents it. None is a tensor left out.
#pragma once
#include <nanobind/nanobind.h>

namespace pagejit::python {

void bind_flatten(nanobind::module_& m);
void bind_gather(nanobind::module_& m);
void bind_append(nanobind::module_& m);
void bind_rope(nanobind::module_& m);
void bind_indices(nanobind::module_& m);
void bind_attend(nanobind::module_& m);
void bind_errors(nanobind::module_& m);
void bind_process(nanobind::module_& m);
void bind_precompile(nanobind::module_& m);

}  // namespace pagejit::python
