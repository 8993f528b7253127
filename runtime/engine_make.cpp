// How an engine makes what the layers do not have, or only half have.
#include <fmt/format.h>

#include <chrono>
#include <ctime>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/cache/entry.h"
#include "runtime/cache/producer.h"
#include "runtime/dump.h"
#include "runtime/engine.h"
#include "runtime/watchdog.h"

namespace pagejit {
namespace {
using Clock = std::chrono::steady_clock;
using Kind = Event::Kind;

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

std::string differences_in_words(const Request& wanted, const Request& near) {
  std::vector<std::string> differing = cache::differing_fields(wanted, near);
  std::vector<std::string_view> names(differing.begin(), differing.end());
  if (names.empty()) return "generator, abi or producer differs";
  return join(names, ", ") + (names.size() == 1 ? " differs" : " differ");
}

void add_nearest(Error::Fields& fields, cache::Layers& layers, const Request& wanted) {
  if (std::optional<Request> near = layers.nearest(wanted))
    fields.emplace_back("nearest", fmt::format("{}   ({})", near->spec_line, differences_in_words(wanted, *near)));
}
}  // namespace

Made Engine::make_artifact(const Request& request) {
  reopen_if_forked();
  if (record_) record_->note(request);
  cache::Wanted want = wanted(request);
  want.complete = true;
  std::optional<cache::ByteLock> lock;
  if (auto hit = audited(look_up_or_take_turn(want, lock), request)) {
    note_hit(request, *hit);
    flush_counters(false);
    Artifact artifact = std::move(hit->artifact);
    return {std::move(artifact), std::move(hit)};
  }
  cache::Miss why = miss(want);
  Artifact artifact = compile(request, why);
  keep(request, artifact, cache::name_of(why.cause));
  return {std::move(artifact), std::nullopt};
}

Made Engine::make_image(const Request& request, Assembler& assembler, bool trust_cubins) {
  reopen_if_forked();
  if (record_) record_->note(request);
  cache::Wanted want = wanted_image(request, assembler);
  want.complete = options_.complete;
  if (!trust_cubins) want.driver = -1;  // of which there is no cubin
  std::optional<cache::ByteLock> lock;
  std::optional<cache::Hit> hit = audited(look_up_or_take_turn(want, lock), request);
  if (hit) note_hit(request, *hit);
  flush_counters(false);
  Artifact artifact = hit ? std::move(hit->artifact) : Artifact();
  if (!artifact.cubin.empty()) return {std::move(artifact), std::move(hit)};
  cache::Miss why = miss(want);
  if (!hit) artifact = compile(request, why);
  assemble(artifact, request, assembler);
  keep(request, artifact, cache::name_of(why.cause));
  return {std::move(artifact), std::nullopt};
}

cache::Miss Engine::miss(const cache::Wanted& wanted) {
  cache::Miss why = cache::classify(layers_, wanted);
  if (options_.mode != Mode::rebuild) note(Kind::miss, wanted.request, cache::name_of(why.cause));
  return why;
}

/// The hit, unless it is its turn to be compiled again and other code came out than it was made from.
std::optional<cache::Hit> Engine::audited(std::optional<cache::Hit> hit, const Request& request) {
  if (!hit || options_.audit <= 0 || !can_compile() || disk_hits_ % static_cast<unsigned>(options_.audit) != 0)
    return hit;
  std::string stored = hit->artifact.facts.ir_hash, now = run_compiler(request).facts.ir_hash;
  if (stored.empty() || stored == now) {
    note(Kind::audit, request);
    return hit;
  }
  note(Kind::audit, request, "the IR differs");
  log(LogLevel::error, Error(Code::damaged, "a cached kernel is not what its key says: the IR differs",
                             {{"spec", request.spec_line},
                              {"layer", hit->layer},
                              {"name", hit->file},
                              {"cached IR", stored},
                              {"IR now", now},
                              {"instead", "the kernel is made again"}})
                           .what());
  layers_.reject(*hit, "an audit found that its IR differs");
  return std::nullopt;
}

void Engine::check_seal(const Request& request, const cache::Miss& miss) {
  if (!sealed_) return;
  Error::Fields fields{{"spec", request.spec_line},
                       {"target", request.target},
                       {"cause", fmt::format("{}: {}", cache::name_of(miss.cause), miss.sentence())}};
  add_nearest(fields, layers_, request);
  fields.emplace_back("to add", precompile_command(request));
  Error error(Code::sealed, "a kernel is compiled after seal()", std::move(fields));
  if (options_.seal_is_error) throw error;
  warn_once("seal " + request.key_text, error.what());
}

Artifact Engine::run_compiler(const Request& request) {
  Watchdog watch(options_.compile_timeout, [&] {
    warn_once("compile deadline",
              Error(Code::deadline, "a kernel is still being compiled",
                    {{"spec", request.spec_line},
                     {"for", fmt::format("{} ms (PAGEJIT_COMPILE_TIMEOUT_MS)", options_.compile_timeout.count())},
                     {"instead", "it goes on: a compile inside this process cannot be ended"}})
                  .what());
  });
  try {
    return compiler_->compile(request);
  } catch (const Error& e) {
    rethrow_with_spec(e, request);
  }
}

Artifact Engine::compile(const Request& request, const cache::Miss& miss) {
  if (!can_compile()) refuse(request);
  check_seal(request, miss);
  auto start = Clock::now();
  Artifact artifact = run_compiler(request);
  double ms = ms_since(start);
  ++compiles_;
  compile_ns_ += static_cast<std::int64_t>(ms * 1e6);
  note(Kind::compile, request, cache::name_of(miss.cause), ms);
  artifact.key_text = request.key_text;
  artifact.producer = cache::full_producer(compiler_->producer(), {});
  log(ms >= 300 ? LogLevel::warn : LogLevel::info,
      fmt::format("compiled {} for {} in {:.1f} ms ({})", request.spec_line, request.target, ms,
                  cache::name_of(miss.cause)));
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
  note(Kind::assemble, request, {}, artifact.ms["assemble"]);
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
  bool replace = options_.mode == Mode::rebuild;
  if (options_.keep_ir && options_.keep_log) return layers_.put(request, artifact, history, replace);
  Artifact kept = artifact;
  if (!options_.keep_ir) kept.ir.clear();
  if (!options_.keep_log) kept.log.clear();
  layers_.put(request, kept, history, replace);
}

void Engine::refuse(const Request& request) {
  std::string why = compiler_ ? "compiling is not allowed here" : "this build has no compiler";
  Error::Fields fields{{"spec", request.spec_line}};
  add_nearest(fields, layers_, request);
  fields.emplace_back("to add", precompile_command(request));
  fail(Code::miss, "this kernel is not in the cache, and " + why, std::move(fields));
}

}  // namespace pagejit
