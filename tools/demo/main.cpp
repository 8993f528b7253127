// pagejit-demo: a paged-cache server in small. Random batches, lengths and page tables through one call site a model;
// every step verified bit for bit; at the end what it took.
#include <fmt/format.h>
#include <pagejit/pagejit.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tools/cli.h"
#include "tools/demo/bandwidth.h"
#include "tools/demo/report.h"
#include "tools/demo/serving.h"
#include "tools/temporary_folder.h"

namespace pagejit::demo {
namespace {

struct DemoOptions {
  std::string device = "auto", cache;
  std::vector<std::string> models;
  int steps = 300;
  std::uint64_t seed = 1;
  bool json = false, launch_only = false;
};

Limits limits_for(bool emulated) {
  return emulated ? Limits{.batch = 8, .tokens = 1024, .length = 400}
                  : Limits{.batch = 48, .tokens = 32768, .length = 4096};
}

/// The steps dealt out to the models; page sizes and layouts taken in turn, so that every kind is served.
std::vector<Workload> workloads(const DemoOptions& options, bool emulated) {
  std::vector<std::string> names = cli::split(options.models);
  if (names.empty()) names = model_names();
  std::vector<Workload> all;
  int count = static_cast<int>(names.size());
  for (int i = 0; i < count; ++i) {
    Workload w;
    w.model = load_model(names[static_cast<std::size_t>(i)]);
    w.page = i % 2 == 0 ? 64 : 16;
    w.layout = i / 2 % 2 == 0 ? FlattenArgs::Layout::nhd : FlattenArgs::Layout::hnd;
    w.limits = limits_for(emulated);
    w.steps = options.steps / count + (i < options.steps % count ? 1 : 0);
    w.seed = options.seed * 1000 + static_cast<std::uint64_t>(i);
    all.push_back(std::move(w));
  }
  return all;
}

/// One line on a terminal, rewritten; nothing elsewhere.
void progress(const std::string& text) {
  if (cli::on_terminal()) fmt::print(stderr, "\r\033[K{}", text);
}

void add_kernels(Report& report, const Workload& work, const Served& served, const Statistics& spent) {
  for (const auto& launched : served.specs) {
    const std::string& spec = launched.first;
    auto known = std::find_if(report.kernels.begin(), report.kernels.end(), [&](auto& k) { return k.spec == spec; });
    if (known != report.kernels.end()) {
      known->models += ", " + work.model.name;
      continue;
    }
    KernelReport k;
    k.spec = spec;
    k.models = work.model.name;
    k.compile_ms = spent.compile_ms;
    k.load_ms = spent.load_ms;
    k.first_ms = launched.second;
    report.kernels.push_back(std::move(k));
  }
}

/// What the next process will wait: a context that has loaded nothing yet, and the cache that this one has filled.
void measure_warm_loads(const DemoOptions& options, const std::string& cache, Report& report) {
  Context second(Options{.device = options.device, .cache_dir = cache, .mode = {}});
  for (KernelReport& k : report.kernels) {
    auto start = std::chrono::steady_clock::now();
    second.prepare(k.spec);
    k.warm_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }
}

Report run_all(const DemoOptions& options, const std::string& cache) {
  Context context(Options{.device = options.device, .cache_dir = cache, .mode = {}});
  Report report;
  report.device = context.device_name();
  report.target = context.target();
  report.emulated = context.emulated();
  report.launch_only = options.launch_only;
  if (report.emulated && options.device == "auto")
    fmt::print(stderr, "pagejit-demo: no usable GPU here, so the same thing runs smaller on the emulator\n");

  for (const Workload& work : workloads(options, report.emulated)) {
    Statistics before = context.statistics();
    Served served = serve(context, work, !options.launch_only, [&](int step) {
      progress(fmt::format("{}: step {} of {}", work.model.name, step, work.steps));
    });
    Statistics spent = context.statistics();
    spent.compile_ms -= before.compile_ms;
    spent.load_ms -= before.load_ms;
    std::size_t known = report.kernels.size();
    add_kernels(report, work, served, spent);
    report.launches += served.launches;
    report.models.emplace_back(work, served);
    if (!served.mismatch.empty()) break;
    if (options.launch_only) continue;
    for (std::size_t i = known; i < report.kernels.size(); ++i) {
      progress("bandwidth of " + report.kernels[i].spec);
      measure_bandwidth(context, work, report.kernels[i]);
    }
  }
  report.spent = context.statistics();
  progress("");
  if (!report.emulated && !options.launch_only) measure_warm_loads(options, cache, report);
  return report;
}

int demo(const DemoOptions& options) {
  if (options.steps < 1) fail(Code::argument, fmt::format("--steps is {}; expected at least 1", options.steps), {});
  for (const std::string& model : cli::split(options.models)) load_model(model);  // before any work
  TemporaryFolder own_cache;  // an empty one each time, so that every run shows what compiling costs
  Report report = run_all(options, options.cache.empty() ? own_cache.path() : options.cache);
  fmt::print("{}", options.json ? as_json(report) : as_table(report));
  if (report.mismatch().empty() && (options.launch_only ? report.launched() : report.verified()) == report.steps())
    return 0;
  fmt::print(stderr, "pagejit-demo: {}\n", report.mismatch());
  return 1;
}

}  // namespace
}  // namespace pagejit::demo

int main(int argc, char** argv) {
  pagejit::demo::DemoOptions options;
  CLI::App app("A paged-cache server in small: random steps, each verified, then what it took.", "pagejit-demo");
  app.add_option("--device", options.device, "auto (the first GPU, else the emulator), cuda, cuda:N or emulator")
      ->type_name("DEVICE");
  app.add_option("--steps", options.steps, "steps of all models together")->type_name("N")->capture_default_str();
  app.add_option("--model", options.models,
                 "a built-in model's name or a config.json; may be repeated (default: all built in)")
      ->type_name("MODEL");
  app.add_option("--seed", options.seed, "of all random choices")->type_name("N")->capture_default_str();
  app.add_option("--cache", options.cache, "kernel cache to use and keep (default: an empty one that is removed again)")
      ->type_name("DIR");
  app.add_flag("--launch-only", options.launch_only,
               "launches every step and looks at no result: what a cache serves, whatever the driver computes");
  app.add_flag("--json", options.json, "one JSON object on stdout instead of tables");
  return pagejit::cli::run(app, argc, argv, [&] { return pagejit::demo::demo(options); });
}
