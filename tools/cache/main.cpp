// pagejit-cache: what lies in a kernel cache. Needs no GPU, no driver and no compiler.
#include <fmt/format.h>

#include "tools/cache/print.h"
#include "tools/cache/store.h"
#include "tools/cli.h"

namespace pagejit::cache_tool {
namespace {

struct Command {
  std::string folder, key;
  std::vector<std::string> filters;
  bool json = false;
};

int list(const Command& c) {
  Store store(c.folder);
  std::vector<Damage> damaged;
  std::vector<Listed> entries = store.list(damaged);
  std::erase_if(entries, [&](const Listed& l) { return !matches(l, c.filters); });
  fmt::print("{}", c.json ? list_as_json(entries, damaged) : list_as_text(entries));
  for (const Damage& d : damaged) fmt::print(stderr, "damaged  {}  {}\n", d.file, d.reason);
  return damaged.empty() ? 0 : cli::exit_code(Code::damaged);
}

int show(const Command& c) {
  Store store(c.folder);
  Listed entry = store.find(c.key);
  Artifact artifact = store.read(entry.file);
  fmt::print("{}", (c.json ? show_as_json : show_as_text)(entry, artifact, store.folder()));
  return 0;
}

int verify(const Command& c) {
  std::size_t checked = 0;
  std::vector<Damage> damaged = Store(c.folder).verify(checked);
  fmt::print("{}", (c.json ? verify_as_json : verify_as_text)(checked, damaged));
  return damaged.empty() ? 0 : cli::exit_code(Code::damaged);
}

}  // namespace
}  // namespace pagejit::cache_tool

int main(int argc, char** argv) {
  using namespace pagejit::cache_tool;
  Command c;
  CLI::App app("Shows what lies in a kernel cache.", "pagejit-cache");
  app.require_subcommand(1);
  auto add = [&](const char* name, const char* help) {
    CLI::App* command = app.add_subcommand(name, help);
    command->add_option("--cache", c.folder, "cache folder (default: the user's own)");
    command->add_flag("--json", c.json, "JSON on stdout");
    return command;
  };
  CLI::App* list_command = add("list", "a line for each entry");
  list_command->add_option("filter", c.filters, "field=value, such as k=bf16 or registers=32");
  CLI::App* show_command = add("show", "all that is known of one entry");
  show_command->add_option("key", c.key, "a prefix of its key or spec id, its file name, or its spec line")->required();
  add("verify", "checks every byte of every entry");
  return pagejit::cli::run(app, argc, argv, [&] {
    if (list_command->parsed()) return list(c);
    return show_command->parsed() ? show(c) : verify(c);
  });
}
