// pagejit-bench: how fast the kernels are against what the device can do, and what compiling, loading and launching
// cost.
#include <fmt/format.h>

#include "tools/bench/report.h"
#include "tools/cli.h"

namespace pagejit::bench {
namespace {

struct BenchOptions {
  std::string device = "auto", filter, attend;
  Tuning tuning;
  bool list = false, json = false, kernels_only = false, views = false;
  std::string child_compile, child_target, child_load, child_cache;  // how it calls itself; see start_up.h
};

bool wanted(const Case& c, const std::string& filter) {
  return c.name.find(filter) != std::string::npos;
}

std::vector<Case> cases(const BenchOptions& options, bool emulated) {
  return options.views ? cases_and_views(options.tuning, emulated) : all_cases(options.tuning, emulated);
}

int list(const BenchOptions& options) {
  for (const Case& c : cases(options, false))
    if (wanted(c, options.filter)) fmt::print("{}\n", c.name);
  return 0;
}

void progress(const std::string& text) {
  if (cli::on_terminal()) fmt::print(stderr, "\r\033[K{}", text);
}

int bench(const BenchOptions& options) {
  Context context(Options{.device = options.device, .cache_dir = {}, .mode = {}});
  Stopwatch watch(context);
  Report report;
  report.device = context.device_name();
  report.target = context.target();
  report.emulated = context.emulated();
  progress("ceilings");
  report.ceilings = measure_ceilings(context, watch);
  for (const Case& c : cases(options, report.emulated)) {
    if (!wanted(c, options.filter)) continue;
    progress(c.name);
    report.cases.push_back(run_case(context, watch, c, report.ceilings.read_gbps));
    std::size_t count = report.cases.size();
    if (c.view && count > 1 && !report.emulated) report.cases[count - 1].compare_with(report.cases[count - 2]);
  }
  if (report.cases.empty())
    fail(Code::argument, fmt::format("no case's name has '{}' in it", options.filter),
         {{"to see them", "pagejit-bench --list"}});
  if (!options.kernels_only) {
    progress("start-up and launches");
    report.host = measure_host_time(context, watch);
    if (!report.cases[0].spec.empty())
      report.start_up =
          measure_start_up(report.cases[0].spec, report.emulated ? "sm_90a" : report.target, !report.emulated);
  }
  progress("");
  fmt::print("{}", options.json ? as_json(report) : as_table(report));
  return 0;
}

/// "keys=16,stages=4" as a tuning of attention.
attend::Tuning attend_tuning(const std::string& text) {
  attend::Tuning t;
  std::pair<std::string_view, int*> known[] = {{"rows", &t.rows}, {"keys", &t.keys},     {"stages", &t.stages},
                                               {"down", &t.down}, {"across", &t.across}, {"teams", &t.teams},
                                               {"bulk", &t.bulk}, {"parts", &t.parts},   {"least", &t.least}};
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.find(',', at), text.size()), is = text.find('=', at);
    bool found = false;
    for (auto& [name, value] : known)
      if (is < end && text.compare(at, is - at, name) == 0)
        *value = std::atoi(text.substr(is + 1, end - is - 1).c_str()), found = true;
    if (!found)
      fail(Code::argument,
           fmt::format("--attend has '{}'; expected such as keys=16,stages=4", text.substr(at, end - at)));
    at = end + 1;
  }
  return t;
}

int run(BenchOptions options) {
  options.tuning.attend = attend_tuning(options.attend);
  if (!options.child_compile.empty()) return child_compile(options.child_compile, options.child_target);
  if (!options.child_load.empty()) return child_load(options.child_load, options.child_cache);
  return options.list ? list(options) : bench(options);
}

}  // namespace
}  // namespace pagejit::bench

int main(int argc, char** argv) {
  pagejit::bench::BenchOptions options;
  CLI::App app("Times the kernels against the device's own copy, and what compiling, loading and launching cost.",
               "pagejit-bench");
  app.add_flag("--list", options.list, "names of the cases");
  app.add_option("--filter", options.filter, "only cases whose name has this in it")->type_name("TEXT");
  app.add_option("--device", options.device, "auto, cuda, cuda:N or emulator")
      ->type_name("DEVICE")
      ->capture_default_str();
  app.add_option("--threads", options.tuning.threads, "threads a block, instead of pagejit's choice")->type_name("N");
  app.add_option("--unroll", options.tuning.unroll, "accesses in flight a thread, instead of pagejit's choice")
      ->type_name("N");
  app.add_option("--group", options.tuning.group, "heads a block, instead of pagejit's choice")->type_name("N");
  app.add_option("--tiles", options.tuning.tiles, "loads' worth of rows a block looks up, instead of pagejit's choice")
      ->type_name("N");
  app.add_option("--attend", options.attend,
                 "attention: rows, keys, stages, down, across, teams, parts, least, bulk, such as keys=16,stages=4")
      ->type_name("LIST");
  app.add_flag("--views", options.views, "each case again with tensors that are views of larger ones");
  app.add_flag("--kernels-only", options.kernels_only, "leave out what starting and launching cost the host");
  app.add_flag("--json", options.json, "one JSON object on stdout instead of tables");
  app.add_option("--child-compile", options.child_compile)->group("");  // hidden: it calls itself
  app.add_option("--child-target", options.child_target)->group("");
  app.add_option("--child-load", options.child_load)->group("");
  app.add_option("--child-cache", options.child_cache)->group("");
  return pagejit::cli::run(app, argc, argv, [&] { return pagejit::bench::run(options); });
}
