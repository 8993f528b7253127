#include <fmt/format.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "python/src/bind.h"
#include "runtime/base/error.h"
#include "tools/precompile/coverage.h"
#include "tools/precompile/plan.h"
#include "tools/precompile/report.h"
#include "tools/precompile/toolchain.h"
#include "tools/precompile/work.h"

namespace pagejit::python {
namespace {
namespace nb = nanobind;
using Texts = std::vector<std::string>;

precompile::Wish wish_of(const Texts& models, const Texts& manifests, const Texts& specs, const Texts& targets,
                         const std::vector<int>& pages, const Texts& quants, const std::string& cache_dir) {
  precompile::Wish wish;
  wish.models = models;
  wish.manifests = manifests;
  wish.specs = specs;
  wish.targets = targets;
  wish.pages = pages;
  wish.quants = quants;
  wish.cache = cache_dir;
  return wish;
}

/// JSON of what was made. The first kernel that failed is thrown, unless `keep_going`.
std::string make(const Texts& models, const Texts& manifests, const Texts& specs, const Texts& targets,
                 const std::vector<int>& pages, const Texts& quants, const std::string& cache_dir,
                 const std::string& bundle, const std::string& failures, int jobs, bool keep_going) {
  precompile::Wish wish = wish_of(models, manifests, specs, targets, pages, quants, cache_dir);
  wish.bundle = bundle;
  wish.failures = failures;
  wish.jobs = jobs;
  wish.keep_going = keep_going;
  nb::gil_scoped_release others_go_on;
  precompile::need_toolchain();
  std::atomic<bool> stop = false;
  precompile::Made made = precompile::make_all(wish, precompile::requests_of(wish), stop);
  if (!keep_going)
    for (const precompile::Variant& v : made.variants)
      if (v.failure) throw *v.failure;
  return precompile::as_json(made);
}

/// JSON of what a cache has of it. Makes nothing.
std::string look(const Texts& models, const Texts& manifests, const Texts& specs, const Texts& targets,
                 const std::vector<int>& pages, const Texts& quants, const std::string& cache_dir) {
  precompile::Wish wish = wish_of(models, manifests, specs, targets, pages, quants, cache_dir);
  nb::gil_scoped_release others_go_on;
  return precompile::as_json(precompile::look_for(precompile::requests_of(wish), precompile::engine_options(wish)));
}

}  // namespace

void bind_precompile(nb::module_& m) {
  m.def("precompile", &make);
  m.def("coverage", &look);
}

}  // namespace pagejit::python
