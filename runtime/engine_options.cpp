#include "runtime/engine_options.h"

#include "runtime/base/text.h"
#include "runtime/cache/root.h"

namespace pagejit {
namespace {
bool listed(const std::string& list, std::string_view word) {
  for (std::string_view one : split(list, ','))
    if (one == word) return true;
  return false;
}
}  // namespace

EngineOptions EngineOptions::from(const Settings& settings) {
  EngineOptions options;
  if (settings.mode == "require") options.mode = Mode::require;
  if (settings.mode == "rebuild") options.mode = Mode::rebuild;
  if (settings.cache != "off") options.cache_dir = cache::private_root(settings);
  options.write = settings.cache == "rw";
  options.group = settings.cache_mode == "group";
  options.cache_ro = settings.cache_ro;
  options.shared = cache::SharedOptions::from(settings);
  options.limits = {parse_bytes(settings.cache_max_size).value(), parse_count(settings.cache_max_entries).value()};
  if (settings.producer == "exact") options.producers = Producers::exact;
  if (settings.producer == "any") options.producers = Producers::any;
  options.seal_is_error = settings.seal == "error";
  options.keep_ir = listed(settings.keep, "ir");
  options.keep_log = listed(settings.keep, "log");
  options.audit = static_cast<int>(parse_count(settings.audit).value());
  options.record = settings.record;
  options.lock_timeout = std::chrono::milliseconds(parse_count(settings.lock_timeout_ms).value());
  options.compile_timeout = std::chrono::milliseconds(parse_count(settings.compile_timeout_ms).value());
  options.dump = settings.dump;
  options.dump_dir = settings.dump_dir;
  return options;
}

}  // namespace pagejit
