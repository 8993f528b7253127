// pagejit-precompile: fills a cache before serving starts, on a machine that needs no GPU and no driver.
#include <fmt/format.h>

#include "tools/cli.h"
#include "tools/files.h"
#include "tools/precompile/coverage.h"
#include "tools/precompile/failure.h"
#include "tools/precompile/listing.h"
#include "tools/precompile/plan.h"
#include "tools/precompile/report.h"
#include "tools/precompile/toolchain.h"

namespace pagejit::precompile {
namespace {

struct Modes {
  bool list = false, check = false, dry_run = false;
  std::string repro;
};

int make(const Wish& wish) {
  need_toolchain();
  Made made = make_all(wish, requests_of(wish), cli::stop_on_interrupt());
  fmt::print("{}", wish.json ? as_json(made) : as_text(made));
  fmt::print(stderr, "{}", summary(made));
  if (!wish.report.empty()) write_whole_file(wish.report, report(made));
  return exit_code_of(made);
}

int look(const Wish& wish, bool check) {
  std::vector<Covered> all = look_for(requests_of(wish), engine_options(wish));
  std::size_t missing = 0;
  for (const Covered& c : all) missing += !c.present;
  fmt::print("{}", wish.json ? as_json(all) : as_text(all, check));
  fmt::print(stderr, "{} of {} kernels are missing\n", missing, all.size());
  return check && missing > 0 ? cli::exit_code(Code::miss) : 0;
}

int run(const Wish& wish, const Modes& modes) {
  if (modes.list) {
    fmt::print("{}", wish.json ? list_as_json() : list_as_text());
    return 0;
  }
  if (modes.check || modes.dry_run) return look(wish, modes.check);
  if (modes.repro.empty()) return make(wish);
  fmt::print("{}", try_again(modes.repro));
  return 0;
}

void add_options(CLI::App& app, Wish& wish, Modes& modes) {
  app.add_option("manifest", wish.manifests, "files that list kernels; PAGEJIT_RECORD writes such files")
      ->type_name("FILE");
  app.add_option("--spec", wish.specs, "a spec line, such as 'flatten k=bf16 page=64'; may be repeated")
      ->type_name("LINE");
  app.add_option("--model", wish.models, "a built-in model or a config.json: all that serving it can ask for")
      ->type_name("MODEL");
  app.add_option("--page", wish.pages, "page sizes to serve the model with")
      ->type_name("N")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--quant", wish.quants, "how the model's cache is quantised: none, fp8, fp8_group, int8, int4, turbo4")
      ->type_name("QUANT")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--target", wish.targets,
                 "sm_90a, or several: sm_80,sm_90a (default: the manifest's own, else PAGEJIT_ARCH)")
      ->type_name("TARGET");
  app.add_option("--cache", wish.cache, "cache folder to fill (default: the user's own)")->type_name("DIR");
  app.add_option("--bundle", wish.bundle, "file to put all kernels into; PAGEJIT_CACHE_RO takes it")->type_name("FILE");
  app.add_option("--emit", wish.emit, "write files: ir, ptx, cubin, fatbin, header, object")->type_name("PART");
  app.add_option("--out", wish.out, "folder for --emit (default: here)")->type_name("DIR");
  app.add_option("--jobs", wish.jobs, "kernels at a time (default: PAGEJIT_JOBS, else as many as CPUs)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_option("--report", wish.report, "JSON file: ids, hashes, registers, spills and milliseconds of each kernel")
      ->type_name("FILE");
  app.add_option("--failures", wish.failures, "folder for what failed kernels leave")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--repro", modes.repro, "a folder that a failed kernel left: makes that kernel again")
      ->type_name("DIR");
  app.add_flag("--keep-going", wish.keep_going, "makes the others after one has failed");
  app.add_flag("--check", modes.check, "makes nothing; names what the cache lacks, and ends with 3 if anything");
  app.add_flag("--dry-run", modes.dry_run, "makes nothing; says of each kernel whether it is cached");
  app.add_flag("--list", modes.list, "the families, their fields and defaults, the targets and the built-in models");
  app.add_flag("--yes", wish.yes, "more than 10,000 kernels are meant");
  app.add_flag("--json", wish.json, "JSON on stdout");
}

}  // namespace
}  // namespace pagejit::precompile

int main(int argc, char** argv) {
  using namespace pagejit::precompile;
  Wish wish;
  Modes modes;
  CLI::App app("Compiles kernels ahead of time into a cache, a bundle or files. Needs no GPU.", "pagejit-precompile");
  add_options(app, wish, modes);
  return pagejit::cli::run(app, argc, argv, [&] { return run(wish, modes); });
}
