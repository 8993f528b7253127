// pagejit-precompile: fills a cache before serving starts, on a machine that needs no GPU and no driver.
#include <fmt/format.h>

#include <algorithm>

#include "tools/cli.h"
#include "tools/precompile/listing.h"
#include "tools/precompile/work.h"

namespace pagejit::precompile {
namespace {

int precompile(const Wish& wish, bool json) {
  std::vector<Variant> variants = make_all(wish, requests_of(wish));
  fmt::print("{}", json ? as_json(variants) : as_text(variants));
  auto cached = std::count_if(variants.begin(), variants.end(), [](const Variant& v) { return v.from_cache; });
  fmt::print(
      stderr,
      "{} kernels: {} compiled, {} from the cache; PTX only, the driver makes machine code of it when it loads\n",
      variants.size(), static_cast<long>(variants.size()) - cached, cached);
  return 0;
}

}  // namespace
}  // namespace pagejit::precompile

int main(int argc, char** argv) {
  pagejit::precompile::Wish wish;
  bool list = false, json = false;
  CLI::App app("Compiles kernels ahead of time into a cache or into files. Needs no GPU.", "pagejit-precompile");
  app.add_flag("--list", list, "the families, their fields and defaults, the targets and the built-in models");
  app.add_option("--spec", wish.specs, "a spec line, such as 'flatten k=bf16 page=64'; may be repeated");
  app.add_option("--model", wish.models, "a built-in model or a config.json: all that serving it can ask for");
  app.add_option("--page", wish.pages, "page sizes to serve the model with")->delimiter(',')->capture_default_str();
  app.add_option("--quant", wish.quants, "how the model's cache is quantised: none, fp8, fp8_group, int8, int4, turbo4")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--target", wish.targets, "sm_90a, or several: sm_80,sm_90a (default: PAGEJIT_ARCH)");
  app.add_option("--cache", wish.cache, "cache folder to fill (default: the user's own)");
  app.add_option("--emit", wish.emit, "write files: ptx, ir or both");
  app.add_option("--out", wish.out, "folder for --emit (default: here)");
  app.add_flag("--json", json, "JSON on stdout");
  return pagejit::cli::run(app, argc, argv, [&] {
    if (!list) return pagejit::precompile::precompile(wish, json);
    fmt::print("{}", json ? pagejit::precompile::list_as_json() : pagejit::precompile::list_as_text());
    return 0;
  });
}
