#include "runtime/engine.h"

#include <fmt/format.h>

#include <chrono>
#include <ctime>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/cache/disk.h"
#include "runtime/cache/entry.h"
#include "runtime/cache/producer.h"
#include "runtime/cache/root.h"
#include "runtime/dump.h"

namespace pagejit {
namespace {
using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Says of which kernel an error speaks, unless it does already.
[[noreturn]] void rethrow_with_spec(const Error& e, const Request& request) {
  for (const auto& [name, value] : e.fields())
    if (name == "spec") throw e;
  throw e.with("spec", request.spec_line).with("target", request.target).with("key", hex64(request.key_id));
}

std::string precompile_command(const Request& request) {
  return fmt::format("pagejit-precompile --target {} --spec '{}'", request.target, request.spec_line);
}
}  // namespace

EngineOptions EngineOptions::from(const Settings& settings) {
  EngineOptions options;
  if (settings.mode == "require") options.mode = Mode::require;
  if (settings.mode == "rebuild") options.mode = Mode::rebuild;
  if (settings.cache != "off") options.cache_dir = cache::private_root(settings);
  options.write = settings.cache == "rw";
  options.cache_ro = settings.cache_ro;
  options.dump = settings.dump;
  options.dump_dir = settings.dump_dir;
  return options;
}

Engine::Engine(std::shared_ptr<Compiler> compiler, EngineOptions options)
    : compiler_(std::move(compiler)), options_(std::move(options)) {
  open_layers();
}

void Engine::open_layers() {
  using cache::Disk;
  auto add = [&](const std::string& path, Disk::Use use) {
    try {
      layers_.add(std::make_unique<Disk>(path, use));
    } catch (const Error& e) {
      warn_once("layer " + path, e.what());
    }
  };
  if (!options_.cache_dir.empty())
    add(options_.cache_dir, options_.write ? Disk::Use::read_write : Disk::Use::read_only);
  for (std::string_view path : split(options_.cache_ro, ':')) add(std::string(path), Disk::Use::read_only);
}

const Artifact& Engine::artifact(const Request& request, bool* from_disk) {
  const Made& made = artifacts_.get(request.key_id, request.key_text, [&] { return make_artifact(request); });
  if (from_disk) *from_disk = made.hit.has_value();
  return made.artifact;
}

const Made& Engine::image(const Request& request, Assembler& assembler) {
  std::string text = request.key_text + assembler.producer();
  return images_.get(hash64(text), text, [&] { return make_image(request, assembler); });
}

Made Engine::remake(const Request& request, Assembler& assembler, const Made& refused, const std::string& reason) {
  if (refused.hit) layers_.reject(*refused.hit, reason);
  return make_image(request, assembler, false);  // a read-only layer still has the file: only its PTX is taken now
}

cache::Wanted Engine::wanted(const Request& request) const {
  cache::Wanted wanted{request, {}, {}, {}};
  if (compiler_) wanted.compiler = compiler_->producer();
  wanted.any_producer = !can_compile();
  return wanted;
}

std::optional<cache::Hit> Engine::look_up(const cache::Wanted& wanted) {
  if (options_.mode == Mode::rebuild) return std::nullopt;
  std::optional<cache::Hit> hit = layers_.get(wanted);
  if (hit) ++disk_hits_;
  return hit;
}

Made Engine::make_artifact(const Request& request) {
  cache::Wanted want = wanted(request);
  want.complete = true;
  if (auto hit = look_up(want)) {
    Artifact artifact = std::move(hit->artifact);
    return {std::move(artifact), std::move(hit)};
  }
  Artifact artifact = compile(request);
  keep(request, artifact, "new-spec");
  return {std::move(artifact), std::nullopt};
}

Made Engine::make_image(const Request& request, Assembler& assembler, bool trust_cubins) {
  cache::Wanted want = wanted(request);
  want.assembler = assembler.producer();
  want.chip = assembler.chip();
  want.driver = trust_cubins ? assembler.driver() : -1;  // of which there is no cubin
  std::optional<cache::Hit> hit = look_up(want);
  Artifact artifact = hit ? std::move(hit->artifact) : compile(request);
  if (cache::cubin_fits(artifact.facts, want) && !artifact.cubin.empty()) return {std::move(artifact), std::move(hit)};
  assemble(artifact, request, assembler);
  keep(request, artifact, hit ? "assembler" : "new-spec");
  return {std::move(artifact), std::nullopt};
}

Artifact Engine::compile(const Request& request) {
  if (!can_compile()) refuse(request);
  auto start = Clock::now();
  Artifact artifact;
  try {
    artifact = compiler_->compile(request);
  } catch (const Error& e) {
    rethrow_with_spec(e, request);
  }
  double ms = ms_since(start);
  ++compiles_;
  compile_ns_ += static_cast<std::int64_t>(ms * 1e6);
  artifact.key_text = request.key_text;
  artifact.producer = cache::full_producer(compiler_->producer(), {});
  log(ms >= 300 ? LogLevel::warn : LogLevel::info,
      fmt::format("compiled {} for {} in {:.1f} ms", request.spec_line, request.target, ms));
  dump_artifact(artifact, request, options_.dump, options_.dump_dir, precompile_command(request));
  return artifact;
}

void Engine::assemble(Artifact& artifact, const Request& request, Assembler& assembler) {
  auto start = Clock::now();
  artifact.cubin.clear();
  try {
    assembler.assemble(artifact);
  } catch (const Error& e) {
    rethrow_with_spec(e, request);
  }
  ++assemblies_;
  artifact.ms["assemble"] = ms_since(start);
  artifact.facts.chip = assembler.chip();
  artifact.facts.driver = assembler.driver();
  artifact.producer = cache::full_producer(artifact.producer, assembler.producer());
  log(LogLevel::info,
      fmt::format("assembled {} for chip {} in {:.1f} ms: {} registers, {} bytes", request.spec_line, assembler.chip(),
                  artifact.ms["assemble"], artifact.facts.registers, artifact.cubin.size()));
  dump_artifact(artifact, request, options_.dump, options_.dump_dir, precompile_command(request));
}

void Engine::keep(const Request& request, const Artifact& artifact, std::string_view cause) {
  std::string history = cache::history_text(artifact, cause, std::time(nullptr));
  layers_.put(request, artifact, history, options_.mode == Mode::rebuild);
}

void Engine::refuse(const Request& request) {
  std::string why = compiler_ ? "compiling is not allowed here" : "this build has no compiler";
  Error::Fields fields{{"spec", request.spec_line}};
  if (std::optional<Request> near = layers_.nearest(request)) {
    std::vector<std::string> differing = cache::differing_fields(request, *near);
    std::vector<std::string_view> names(differing.begin(), differing.end());
    std::string difference = names.empty() ? "generator, abi or producer differs"
                                           : join(names, ", ") + (names.size() == 1 ? " differs" : " differ");
    fields.emplace_back("nearest", fmt::format("{}   ({})", near->spec_line, difference));
  }
  fields.emplace_back("to add", precompile_command(request));
  fail(Code::miss, "this kernel is not in the cache, and " + why, std::move(fields));
}

Statistics Engine::statistics() const {
  Statistics s;
  s.compiles = compiles_;
  s.assemblies = assemblies_;
  s.disk_hits = disk_hits_;
  s.compile_ms = static_cast<double>(compile_ns_) * 1e-6;
  return s;
}

}  // namespace pagejit
