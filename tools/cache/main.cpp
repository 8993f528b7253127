// pagejit-cache: what lies in a kernel cache, why, and what to do about it. Needs no GPU, no driver and no compiler.
#include <vector>

#include "tools/cache/command.h"
#include "tools/cli.h"

namespace {
using namespace pagejit::cache_tool;

struct Command {
  const char *name, *help;
  Declare* declare;
};

constexpr Command commands[] = {
    {"stats", "hits, misses by cause, compiles, and what the cache holds", declare_stats},
    {"list", "a line for each entry", declare_list},
    {"show", "all that is known of one entry", declare_show},
    {"explain", "what each layer has of a kernel, and why it would be compiled again", declare_explain},
    {"diff", "how two entries differ: key, producer, facts, PTX", declare_diff},
    {"extract", "an entry's parts, byte for byte", declare_extract},
    {"verify", "checks every byte of every entry", declare_verify},
    {"check", "what of a manifest is there, and what is missing", declare_check},
    {"trim", "removes the least recently used entries", declare_trim},
    {"clear", "removes entries", declare_clear},
    {"pin", "keeps entries whatever is collected or cleared", declare_pin},
    {"unpin", "lets them go again", declare_unpin},
    {"export", "writes entries into one file, a bundle", declare_export},
    {"import", "adds the entries of bundles, folders or files", declare_import},
    {"doctor", "whether everything that a cache needs is as it should be", declare_doctor},
    {"config", "every setting and where it comes from", declare_config},
    {"report", "one HTML page about all of it", declare_report},
};

}  // namespace

int main(int argc, char** argv) {
  Common common;
  CLI::App app("Shows what lies in a kernel cache, and looks after it.", "pagejit-cache");
  app.require_subcommand(1);
  std::vector<std::pair<CLI::App*, Body>> bodies;
  for (const Command& row : commands) {
    CLI::App* command = app.add_subcommand(row.name, row.help);
    command->add_option("--cache", common.cache, "a cache folder or a bundle (default: the user's own folder)")
        ->type_name("CACHE");
    command->add_flag("--json", common.json, "JSON on stdout");
    bodies.emplace_back(command, row.declare(*command, common));
  }
  return pagejit::cli::run(app, argc, argv, [&] {
    for (const auto& [command, body] : bodies)
      if (command->parsed()) return body();
    return 2;
  });
}
