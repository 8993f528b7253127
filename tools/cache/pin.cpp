#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/text.h"
#include "tools/cache/command.h"
#include "tools/cache/print.h"

namespace pagejit::cache_tool {
namespace {
using Keys = std::vector<std::string>;

/// The line that names these entries, and no others, whoever makes them again. Throws Error(argument) where there is
/// none.
std::string line_for(const Store& store, const std::string& key) {
  std::vector<Listed> found = store.find_all(key);
  if (key.ends_with(".pj")) return found[0].at.name;
  auto all_have = [&](std::uint64_t Request::*id) {
    return std::all_of(found.begin(), found.end(),
                       [&](const Listed& l) { return l.request.*id == found[0].request.*id; });
  };
  bool by_key = hex64(found[0].request.key_id).starts_with(key);
  if (by_key && all_have(&Request::key_id)) return hex64(found[0].request.key_id);
  if (!by_key && all_have(&Request::spec_id)) return hex64(found[0].request.spec_id);
  fail(Code::argument, fmt::format("'{}' matches several kernels", key), {{"to do", "give more digits"}});
}

/// A pin outlives its entry: then only the list of pins knows it.
std::string pinned_line_for(const Store& store, const std::string& key) {
  cache::Pins pins = cache::Pins::read(store.folder());
  std::vector<std::string> begin;
  for (const std::string& line : pins.lines())
    if (line.starts_with(key)) begin.push_back(line);
  if (begin.size() > 1)
    fail(Code::argument, fmt::format("'{}' matches {} pins", key, begin.size()), {{"to do", "give more digits"}});
  return begin.empty() ? line_for(store, key) : begin[0];
}

int change(const Common& common, const Keys& keys, bool pins) {
  Store store(common.cache);
  store.folder();
  std::vector<std::string> lines;  // all are known before any is changed
  for (const std::string& key : keys) lines.push_back(pins ? line_for(store, key) : pinned_line_for(store, key));
  cache::Fd folder = store.open_to_change();
  Json all = Json::array();
  for (const std::string& line : lines) {
    bool changed = pins ? cache::pin(folder.get(), line) : cache::unpin(folder.get(), line);
    all.push_back({{"pin", line}, {"pinned", pins}, {"changed", changed}});
    if (!common.json) fmt::print("{}  {}{}\n", line, pins ? "pinned" : "not pinned", changed ? "" : ", as it was");
  }
  if (common.json) print_json({{"pins", all}});
  return 0;
}

Body declare(CLI::App& app, const Common& common, bool pins) {
  auto keys = std::make_shared<Keys>();
  app.add_option("key", *keys, "prefixes of keys or spec ids, file names, or spec lines (for every target)")
      ->type_name("KEY")
      ->required();
  return [=, &common] { return change(common, *keys, pins); };
}

}  // namespace

Body declare_pin(CLI::App& app, const Common& common) {
  return declare(app, common, true);
}

Body declare_unpin(CLI::App& app, const Common& common) {
  return declare(app, common, false);
}

}  // namespace pagejit::cache_tool
