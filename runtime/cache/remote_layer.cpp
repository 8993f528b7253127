#include "runtime/cache/remote_layer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "runtime/cache/adopt.h"
#include "runtime/cache/bundle.h"
#include "runtime/cache/remote_index.h"
#include "runtime/cache/root.h"

namespace pagejit::cache {
namespace {
using Clock = Gate::Clock;
constexpr std::size_t most_questions = 4096;
constexpr std::uint64_t least_pace = 64 << 10;  // bytes that must have come in the time of one patience
constexpr Milliseconds claim_lease{5000}, most_wait{2000};
constexpr std::int64_t first_compile_ms = 150;  // what a process's first compile may take

Milliseconds since(Clock::time_point start) {
  return std::chrono::duration_cast<Milliseconds>(Clock::now() - start);
}

/// Past the first patience, only a request that comes along well goes on.
bool hopeless(Milliseconds elapsed, std::uint64_t received, Milliseconds patience) {
  if (elapsed < patience) return false;
  auto pace = static_cast<std::uint64_t>(elapsed.count()) * least_pace;
  return received * static_cast<std::uint64_t>(std::max<std::int64_t>(patience.count(), 1)) < pace;
}
}  // namespace

/// What a caller and the courier share about one request.
struct RemoteLayer::Question {
  Ask ask;
  Transfer transfer;
  std::mutex lock;
  std::condition_variable changed;
  bool started = false, done = false;
  Clock::time_point start;
  std::optional<std::string> answer;
  std::optional<Error> failure;

  void answer_with(const Courier::Open& open) {
    {
      std::lock_guard hold(lock);
      started = true;
      start = Clock::now();
      changed.notify_all();
    }
    std::optional<std::string> got;
    std::optional<Error> error;
    try {
      if (!transfer.abandoned) got = ask(open(), transfer);
    } catch (const Error& e) {
      error = e;
    } catch (const std::exception& e) {
      error = StoreFailed(e.what());
    }
    std::lock_guard hold(lock);
    answer = std::move(got);
    failure = std::move(error);
    done = true;
    changed.notify_all();
  }
};

RemoteLayer::RemoteLayer(const RemoteUrl& url, RemoteOptions options)
    : EntryLayer(url.shown(), options.journal),
      options_(std::move(options)),
      gate_(std::make_shared<Gate>(url.shown(), options_.gate, options_.journal)),
      stuck_(std::make_shared<std::atomic<bool>>(false)),
      questions_(
          std::make_unique<Courier>([url, store = options_.store] { return open_store(url, store); }, most_questions)),
      pid_(getpid()),
      compile_ms_(first_compile_ms) {
  if (!options_.write) return;
  // A store that takes nothing may still give: writing has a gate of its own.
  auto gate = std::make_shared<Gate>(url.shown(), options_.gate, options_.journal);
  outbox_.emplace([url, store = options_.store] { return open_store(url, store); }, gate, options_.key);
}

RemoteLayer::~RemoteLayer() {
  if (outbox_ && pid_ == getpid()) outbox_->finish(options_.flush);
}

/// Waits for the answer while that makes sense, and says whether it is there.
bool RemoteLayer::await(Question& question) const {
  constexpr Milliseconds step{10};
  std::unique_lock hold(question.lock);
  // In line behind others, as long as the store answers them.
  while (!question.started && gate_->open() && !*stuck_) question.changed.wait_for(hold, step);
  Milliseconds patience = gate_->patience();
  while (question.started && !question.done && !hopeless(since(question.start), question.transfer.received, patience) &&
         since(question.start) < options_.store.request)
    question.changed.wait_for(hold, step);
  if (!question.done) question.transfer.abandoned = true;
  return question.done;
}

std::optional<std::string> RemoteLayer::ask(Ask ask) const {
  if (gate_->probe_due()) probe();
  if (!gate_->open() || *stuck_) return std::nullopt;
  auto question = std::make_shared<Question>();
  question->ask = std::move(ask);
  bool posted = questions_->post([question, stuck = stuck_](const Courier::Open& open) {
    question->answer_with(open);
    if (question->transfer.abandoned) *stuck = false;
  });
  if (!posted) return std::nullopt;
  bool done = await(*question);
  std::lock_guard hold(question->lock);
  if (done && !question->failure) {
    gate_->succeeded();
    return std::move(question->answer);
  }
  if (!question->started) return std::nullopt;  // it stood in line when the store failed somebody else
  if (!question->done) *stuck_ = true;
  gate_->failed(question->failure.value_or(StoreFailed("it does not answer in time")), since(question->start));
  return std::nullopt;
}

/// Asks for something that need not be there, while nobody waits.
void RemoteLayer::probe() const {
  questions_->post([gate = gate_](const Courier::Open& open) {
    try {
      Transfer transfer;
      open().get("probe", transfer);
      gate->succeeded();
    } catch (const std::exception&) {
      // It stays closed, and is due again later.
    }
  });
}

std::optional<Entry> RemoteLayer::open(const std::string& file) const {
  std::optional<std::string> bytes =
      ask([file](Store& store, Transfer& transfer) { return store.get(file, transfer); });
  if (!bytes) return std::nullopt;
  std::optional<Entry> entry = open_checked(std::move(*bytes), file, options_.key.get());
  if (entry) verify_entry(*entry);  // all of it: it is about to be copied
  return entry;
}

std::vector<std::string> RemoteLayer::candidates(const Wanted& wanted) const {
  if (wanted.only_exact) return {};
  std::string file = index_name(wanted.request);
  std::optional<std::string> bytes =
      ask([file](Store& store, Transfer& transfer) { return store.get(file, transfer); });
  if (!bytes) return {};
  std::string producer = best_producer(parse_index(*bytes), wanted);
  if (producer.empty()) return {};
  return {entry_name(wanted.request, producer)};
}

std::string RemoteLayer::put_aside(const std::string& file) {
  return adopted() ? adopted()->put_aside(file) : std::string();
}

std::optional<Hit> RemoteLayer::get(const Wanted& wanted) {
  std::optional<Hit> hit = EntryLayer::get(wanted);
  bool makes_it = outbox_ && !wanted.compiler.empty() && !wanted.any_producer;
  if (hit || !makes_it || !gate_->open() || !others_make_it(wanted)) return hit;
  auto end = Clock::now() + std::min(Milliseconds(compile_ms_.load()), most_wait);
  for (Milliseconds pause{10}; !hit && Clock::now() < end && gate_->open();
       pause = std::min(2 * pause, Milliseconds(50))) {
    std::this_thread::sleep_for(pause);
    hit = EntryLayer::get(wanted);
  }
  return hit;
}

/// Tells the other machines that this one makes the kernel, unless one of them was first.
bool RemoteLayer::others_make_it(const Wanted& wanted) {
  std::string name = index_name(wanted.request);
  name.replace(name.size() - 3, 3, "claim");
  std::optional<std::string> said = ask([name](Store& store, Transfer& transfer) {
    return std::optional<std::string>(store.claim(name, claim_lease, transfer) ? "ours" : "others'");
  });
  if (said == "others'") return true;
  std::lock_guard hold(claims_lock_);
  claims_[wanted.request.key_id] = Clock::now();
  return false;
}

void RemoteLayer::put(const Request& request, const Artifact& artifact, std::string_view, bool) {
  if (!outbox_) return;
  {
    std::lock_guard hold(claims_lock_);
    if (auto claim = claims_.find(request.key_id); claim != claims_.end()) {
      compile_ms_ = since(claim->second).count();
      claims_.erase(claim);
    }
  }
  outbox_->send(request, artifact);
}

}  // namespace pagejit::cache
