// What belongs to the process and not to a call: devices, options, events, what calls would do.
#include <fmt/format.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <map>

#include "kernels/registry.h"
#include "python/src/bind.h"
#include "python/src/call.h"
#include "runtime/engine_options.h"
#include "tools/cache/store.h"

namespace pagejit::python {
namespace {

nb::dict dict_of(const Statistics& s) {
  nb::dict d;
  d["compiles"] = s.compiles;
  d["assemblies"] = s.assemblies;
  d["memory_hits"] = s.memory_hits;
  d["disk_hits"] = s.disk_hits;
  d["launches"] = s.launches;
  d["align_fallbacks"] = s.align_fallbacks;
  d["compile_ms"] = s.compile_ms;
  d["load_ms"] = s.load_ms;
  return d;
}

nb::dict device(const std::string& name) {
  Place place = place_of(name);
  Context& context = context_at(place);
  nb::dict d;
  d["device"] = name_of(place);
  d["name"] = context.device_name();
  d["target"] = context.target();
  d["multiprocessors"] = context.multiprocessors();
  return d;
}

nb::dict statistics() {
  nb::dict all;
  for (Place place : places_in_use()) all[name_of(place).c_str()] = dict_of(context_at(place).statistics());
  return all;
}

/// What of `options` lies on the disk: of the contexts that are made from now on.
std::string& cache_folder() {
  static std::string folder;
  return folder;
}

nb::dict holdings(const std::string& folder) {
  const std::string& wanted = folder.empty() ? cache_folder() : folder;
  nb::dict d;
  EngineOptions options = EngineOptions::from(Settings::process());
  d["folder"] = wanted.empty() ? options.cache_dir : wanted;
  d["entries"] = 0;
  d["bytes"] = 0;
  try {
    std::vector<cache::EntryFile> files = cache_tool::Store(wanted).files();
    std::uint64_t bytes = 0;
    for (const cache::EntryFile& file : files) bytes += static_cast<std::uint64_t>(file.bytes);
    d["entries"] = files.size();
    d["bytes"] = bytes;
  } catch (const Error& e) {
    if (e.code() != Code::miss) throw;  // nothing was ever kept there
  }
  return d;
}

/// Calls a Python function with a dict. What it raises costs one warning: tell() sees to it.
EventHook hook_of(nb::object function) {
  if (function.is_none()) return {};
  // Never destroyed: a context may outlive the interpreter's will to run Python.
  PyObject* kept = function.release().ptr();
  return [kept](const Event& e) {
    nb::gil_scoped_acquire here;
    nb::dict d;
    d["kind"] = std::string(name_of(e.kind));
    d["layer"] = std::string(e.layer);
    d["cause"] = std::string(e.cause);
    d["spec"] = std::string(e.spec_line);
    d["target"] = std::string(e.target);
    d["ms"] = e.ms;
    d["count"] = e.count;
    try {
      nb::handle hook = kept;
      hook(d);
    } catch (const nb::python_error& raised) {
      throw std::runtime_error(raised.what());
    }
  };
}

void set_options(const std::string& cache_dir, const std::string& cache_ro, const std::string& mode,
                 const std::string& seal, nb::object on_event) {
  Options o;
  o.cache_dir = cache_dir;
  o.cache_ro = cache_ro;
  o.mode = mode;
  o.seal = seal;
  o.on_event = hook_of(std::move(on_event));
  configure(std::move(o));
  cache_folder() = cache_dir;
}

void prepare(const std::string& spec_line, const std::string& device) {
  Context& context = context_at(place_of(device));
  nb::gil_scoped_release others_go_on;
  InUse use;
  context.prepare(spec_line);
}

/// What the calls since set_intent("explain") would launch.
nb::list explained() {
  nb::list all;
  for (const Explained& e : take_explained()) {
    nb::list lines;
    for (const std::string& line : e.spec_lines) lines.append(line.c_str());
    all.append(nb::make_tuple(lines, name_of(e.place).c_str()));
  }
  return all;
}

/// The kernel of a spec line where it can be had without compiling; None where it cannot.
nb::object examine(const std::string& spec_line, const std::string& device) {
  Context& context = context_at(place_of(device));
  auto start = std::chrono::steady_clock::now();
  const LoadedKernel* kernel = nullptr;
  {
    nb::gil_scoped_release others_go_on;
    InUse use;
    kernel = context.backend().load_cached(request_for(spec_line, context.target()));
  }
  if (kernel == nullptr) return nb::none();
  const KernelFacts& facts = kernel->facts();
  nb::dict d;
  d["load_ms"] = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  d["threads"] = facts.block;
  d["shared_bytes"] = facts.dynamic_shared + (facts.static_shared > 0 ? facts.static_shared : 0);
  d["registers"] = facts.registers < 0 ? nb::object(nb::none()) : nb::object(nb::int_(facts.registers));
  d["param_bytes"] = facts.param_bytes;
  return d;
}

void set_intent_named(const std::string& name) {
  static const std::map<std::string, Intent> intents = {
      {"launch", Intent::launch}, {"prepare", Intent::prepare}, {"explain", Intent::explain}};
  set_intent(intents.at(name));
}

}  // namespace

void bind_process(nb::module_& m) {
  m.def("device", &device);
  m.def("statistics", &statistics);
  m.def("holdings", &holdings);
  m.def("configure", &set_options, nb::arg("cache_dir"), nb::arg("cache_ro"), nb::arg("mode"), nb::arg("seal"),
        nb::arg("on_event").none());
  m.def("prepare", &prepare);
  m.def("seal", [](const std::string& name) { context_at(place_of(name)).seal(); });
  m.def("set_intent", &set_intent_named);
  m.def("explained", &explained);
  m.def("examine", &examine);
  m.def("set_stream", &set_stream, nb::arg().none());
  m.def("close", &close);
  m.def("same_memory", [](nb::handle a, nb::handle b) {
    Tensor k, v;
    Viewed first(k), second(v);
    view(a, "flatten_kv_cache", "k_caches", first);
    view(b, "flatten_kv_cache", "v_caches", second);
    return k.data == v.data;
  });
}

}  // namespace pagejit::python
