#include "runtime/engine.h"

#include <fmt/format.h>
#include <unistd.h>

#include <ctime>

#include "runtime/base/error.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/cache/stats_log.h"

namespace pagejit {
namespace {
using Kind = Event::Kind;
constexpr std::int64_t flush_seconds = 600;

/// Whether a hit serves as it is: nothing is left to assemble.
bool serves(const std::optional<cache::Hit>& hit, const cache::Wanted& wanted) {
  return hit && (wanted.assembler.empty() || !hit->artifact.cubin.empty());
}
}  // namespace

Engine::Engine(std::shared_ptr<Compiler> compiler, EngineOptions options)
    : compiler_(std::move(compiler)), options_(std::move(options)) {
  if (!options_.record.empty()) record_.emplace(options_.record);
  open_layers();
}

Engine::~Engine() {
  if (pid_ == getpid()) flush_counters(true);
}

void Engine::open_layers() {
  using cache::Disk;
  pid_ = getpid();
  flushed_ = std::time(nullptr);
  journal_ = std::make_shared<cache::Journal>(options_.on_event);
  cache::DiskOptions disk{options_.group, options_.limits, journal_};
  if (!options_.cache_dir.empty()) try {
      auto use = options_.write ? Disk::Use::read_write : Disk::Use::read_only;
      auto layer = std::make_unique<Disk>(options_.cache_dir, use, disk);
      private_ = layer.get();
      layers_.add(std::move(layer));
    } catch (const Error& e) {
      warn_once("layer " + options_.cache_dir, e.what());
    }
  cache::add_shared_layers(layers_, options_.cache_ro, options_.shared, private_, disk);
}

/// A forked child shares its parent's descriptors, connections and counts; it needs its own. Kernels in memory stay.
void Engine::reopen_if_forked() {
  if (pid_ == getpid()) return;
  std::lock_guard hold(reopening_);
  if (pid_ == getpid()) return;
  layers_ = {};
  private_ = nullptr;
  open_layers();
}

void Engine::flush_counters(bool now) {
  std::int64_t time = std::time(nullptr), last = flushed_;
  if (!now && (time - last < flush_seconds || !flushed_.compare_exchange_strong(last, time))) return;
  if (private_ && private_->writable()) cache::append_stats(private_->folder(), journal_->take());
}

void Engine::note(Kind kind, const Request& request, std::string_view cause, double ms) {
  journal_->note({.kind = kind, .cause = cause, .spec_line = request.spec_line, .target = request.target, .ms = ms});
}

void Engine::note_hit(const Request& request, const cache::Hit& hit) {
  ++disk_hits_;
  journal_->note({.kind = Kind::hit,
                  .layer = layers_.kind_of(hit.layer),
                  .spec_line = request.spec_line,
                  .target = request.target});
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
  wanted.only_exact = options_.producers == Producers::exact;
  wanted.any_producer = options_.producers == Producers::any || (!can_compile() && !wanted.only_exact);
  return wanted;
}

cache::Wanted Engine::wanted_image(const Request& request, const Assembler& assembler) const {
  cache::Wanted wanted = this->wanted(request);
  wanted.assembler = assembler.producer();
  wanted.chip = assembler.chip();
  wanted.driver = assembler.driver();
  return wanted;
}

bool Engine::has(const Request& request, const Assembler& assembler) {
  reopen_if_forked();
  std::string text = request.key_text + assembler.producer();
  return images_.find(hash64(text), text) != nullptr || look_up(wanted_image(request, assembler)).has_value();
}

void Engine::note_fallback(const Request& wanted, const Request& served) {
  ++fallbacks_;
  note(Kind::fallback, wanted, served.spec_line);
  log(LogLevel::info, fmt::format("{} is not there and may not be compiled now; {} serves, of weaker alignment",
                                  wanted.spec_line, served.spec_line));
}

std::optional<cache::Hit> Engine::look_up(const cache::Wanted& wanted) {
  if (options_.mode == Mode::rebuild) return std::nullopt;
  return layers_.get(wanted);
}

/// Where work is left to do, `lock` is held afterwards by whoever does it; all others wait for its result. Only the
/// private folder is asked again: that is where the result will be.
std::optional<cache::Hit> Engine::look_up_or_take_turn(const cache::Wanted& wanted,
                                                       std::optional<cache::ByteLock>& lock) {
  std::optional<cache::Hit> hit = look_up(wanted);
  bool work = !serves(hit, wanted) && (hit || can_compile());
  if (!work || !private_ || !private_->writable() || options_.mode == Mode::rebuild) return hit;
  auto look_again = [&] {
    if (std::optional<cache::Hit> fresh = private_->get(wanted)) hit = std::move(fresh);
    return serves(hit, wanted);
  };
  bool waited = false;
  lock.emplace(private_->folder(), static_cast<std::int64_t>(wanted.request.key_id % cache::key_bytes));
  auto start = std::time(nullptr);
  cache::Turn turn = cache::wait_for_turn(*lock, options_.lock_timeout, [&] { return waited = true, look_again(); });
  if (turn == cache::Turn::ours) look_again();  // its holder may have published just before it let go
  if (turn == cache::Turn::late)
    warn_once("lock " + private_->name(),
              Error(Code::deadline, "another process did not finish a kernel in time",
                    {{"spec", wanted.request.spec_line},
                     {"waited", fmt::format("{} ms (PAGEJIT_LOCK_TIMEOUT_MS)", options_.lock_timeout.count())},
                     {"instead", "this process makes it as well"}})
                  .what());
  if (!waited) return hit;
  note(Kind::wait, wanted.request);
  log(LogLevel::debug, fmt::format("waited {} s for another process that made {}", std::time(nullptr) - start,
                                   wanted.request.spec_line));
  return hit;
}

Statistics Engine::statistics() const {
  Statistics s;
  s.compiles = compiles_;
  s.assemblies = assemblies_;
  s.disk_hits = disk_hits_;
  s.align_fallbacks = fallbacks_;
  s.compile_ms = static_cast<double>(compile_ns_) * 1e-6;
  return s;
}

}  // namespace pagejit
