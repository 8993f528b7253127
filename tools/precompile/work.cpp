#include "tools/precompile/work.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

#include "runtime/engine.h"
#include "tools/cli.h"
#include "tools/jobs.h"
#include "tools/precompile/failure.h"
#include "tools/precompile/output.h"
#include "tools/precompile/plan.h"
#include "tools/precompile/progress.h"
#include "tools/precompile/toolchain.h"

namespace pagejit::precompile {
namespace {
using Clock = std::chrono::steady_clock;

std::size_t jobs_of(const Wish& wish) {
  return wish.jobs > 0 ? static_cast<std::size_t>(wish.jobs) : usual_jobs();
}

/// One run over all requests.
class Work {
 public:
  Work(const Wish& wish, const std::vector<Request>& requests, const std::atomic<bool>& stop)
      : wish_(wish),
        stop_(stop),
        toolchain_(need_toolchain()),
        ptxas_(needs_cubins(wish) ? find_ptxas(Settings::process()) : PtxasProgram{}),
        output_(wish, static_cast<bool>(ptxas_)),
        progress_(requests.size(), cli::on_terminal()) {
    for (const Request& request : requests) made_.variants.emplace_back().request = request;
    if (ptxas_) made_.assembler = "ptxas " + ptxas_.version;
  }

  Made run() {
    // An engine keeps what it made: a new one now and then, or thousands of kernels would be in memory at once.
    constexpr std::size_t slice = 512;
    for (std::size_t at = 0; at < made_.variants.size() && goes_on(); at += slice)
      run_slice(std::span(made_.variants).subspan(at, std::min(slice, made_.variants.size() - at)));
    progress_.clear();
    made_.interrupted = stop_;
    if (goes_on()) output_.finish();
    return std::move(made_);
  }

 private:
  bool goes_on() const { return !stop_ && (!failed_ || wish_.keep_going); }

  void run_slice(std::span<Variant> variants) {
    Engine engine(toolchain_, engine_options(wish_));
    std::atomic<std::size_t> next = 0, running = std::min(jobs_of(wish_), variants.size());
    auto work = [&] {
      for (std::size_t i; goes_on() && (i = next++) < variants.size();) make(engine, variants[i]);
      --running;
      progress_.wake();
    };
    std::vector<std::thread> threads(running);
    for (std::thread& thread : threads) thread = std::thread(work);
    progress_.watch([&] { return running == 0; });
    for (std::thread& thread : threads) thread.join();
  }

  void make(Engine& engine, Variant& v) {
    auto start = Clock::now();
    progress_.started();
    try {
      take(v, engine);
      v.state = Variant::State::done;
    } catch (const Error& e) {
      if (!stop_) note_failure(v, e);
    }
    v.ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    progress_.finished(v);
  }

  void take(Variant& v, Engine& engine) {
    if (ptxas_) {
      Ptxas assembler(ptxas_, v.request.target, &stop_);
      const auto& made = engine.image(v.request, assembler);
      v.from_cache = made.hit.has_value();
      note(v, made.artifact);
    } else {
      note(v, engine.artifact(v.request, &v.from_cache));
    }
  }

  void note(Variant& v, const Artifact& artifact) {
    v.facts = artifact.facts;
    v.producer = artifact.producer;
    v.ptx_bytes = artifact.ptx.size();
    v.cubin_bytes = artifact.cubin.size();
    if (!artifact.cubin.empty()) v.cubin_sha256 = sha256(artifact.cubin);
    output_.add(v.request, artifact);
  }

  void note_failure(Variant& v, const Error& e) {
    v.state = Variant::State::failed;
    failed_ = true;
    v.failure = keep_failure(wish_.failures, *toolchain_, v.request, e);
  }

  const Wish& wish_;
  const std::atomic<bool>& stop_;
  std::shared_ptr<Compiler> toolchain_;
  PtxasProgram ptxas_;
  Output output_;
  Progress progress_;
  Made made_;
  std::atomic<bool> failed_ = false;
};

}  // namespace

Made make_all(const Wish& wish, const std::vector<Request>& requests, const std::atomic<bool>& stop) {
  return Work(wish, requests, stop).run();
}

}  // namespace pagejit::precompile
