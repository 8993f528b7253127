// Running the threads of a block, and saying why they do not go on.
#include <fmt/format.h>

#include <algorithm>

#include "compiler/emulator/machine.h"

namespace pagejit::emulator {
namespace {
constexpr std::size_t most_threads = 1024;
constexpr std::size_t most_shared = 256 << 10;
const Site outside_window{"shared memory", Elem::u8, Space::shared, -1, 0, 0};
}  // namespace

Block::Block() : stacks_(most_threads), window_races_(most_shared) {}

void Block::begin(const Launch& launch) {
  launch_ = &launch;
  serial_ = 0;
  stopped_ = false;
  auto threads = static_cast<std::size_t>(launch.facts->block);
  while (threads_.size() < threads) {
    auto t = std::make_unique<Thread>();
    t->block = this;
    t->id = static_cast<int>(threads_.size());
    t->warp = t->id / 32;
    t->lane = t->id % 32;
    threads_.push_back(std::move(t));
  }
  warps_.resize(threads / 32);
  auto shared = static_cast<std::size_t>(launch.facts->dynamic_shared);
  window_.assign(shared, 0);
  window_state_.resize(shared);
  stray_shared_.site = &outside_window;
  places_.clear();
  for (const Site& site : launch.sites) places_.push_back(make_place(site));
}

void Block::prepare(Thread& t) {
  if (!t.fiber.prepared() || t.waiting != Waiting::done)  // left over where a block was given up
    t.fiber.prepare(stacks_.top(static_cast<std::size_t>(t.id)), thread_main, &t);
  t.waiting = Waiting::none;
  t.copies.clear();
  t.group = 0;
}

void Block::thread_main(void* thread) {
  auto& t = *static_cast<Thread*>(thread);
  while (true) {
    t.block->launch_->entry(&t, t.block->launch_->params);
    --t.block->live_;
    t.block->wait(t, Waiting::done);
  }
}

void Block::run(std::uint32_t x, std::uint32_t y, std::uint32_t z) {
  where_ = {x, y, z};
  ++serial_;
  ++window_generation_;
  steps_ = 0;
  live_ = launch_->facts->block;
  for (int i = 0; i < live_; ++i) prepare(*threads_[static_cast<std::size_t>(i)]);
  for (Warp& w : warps_) w.runnable = ~0u, w.arrived = 0, w.mixed = false;
  barriers_.fill({});
  mbarriers_.clear();
  clocks_.reset(static_cast<int>(warps_.size()));
  std::fill(window_state_.begin(), window_state_.end(), state::unwritten);
  bool progress = true;
  while (live_ > 0 && progress && !stopped_) {
    progress = false;
    for (int w = 0; w < static_cast<int>(warps_.size()) && !stopped_; ++w) progress |= run_warp(w);
  }
  if (live_ > 0 && !stopped_) report_divergence();
  if (live_ == 0 && !stopped_) check_copies_taken();
}

/// Runs the lanes of a warp until none can go on.
bool Block::run_warp(int warp) {
  Warp& w = warps_[static_cast<std::size_t>(warp)];
  bool any = false;
  while (w.runnable && !stopped_) {
    any = true;
    for (std::uint32_t todo = w.runnable; todo && !stopped_; todo &= todo - 1)
      threads_[static_cast<std::size_t>(warp * 32 + __builtin_ctz(todo))]->fiber.resume();
  }
  return any;
}

void Block::wait(Thread& t, Waiting how) {
  t.waiting = how;
  warps_[static_cast<std::size_t>(t.warp)].runnable &= ~t.bit();
  t.fiber.suspend();
}

void Block::release(int warp, std::uint32_t lanes) {
  warps_[static_cast<std::size_t>(warp)].runnable |= lanes;
  for (; lanes; lanes &= lanes - 1)
    threads_[static_cast<std::size_t>(warp * 32 + __builtin_ctz(lanes))]->waiting = Waiting::none;
}

/// "threads 0-31 wait at barrier 0; threads 32-63 have returned".
std::string Block::positions() const {
  auto say = [this](const Thread& t) -> std::string {
    if (t.waiting == Waiting::at_barrier) return fmt::format("wait at barrier {}", t.barrier);
    if (t.waiting == Waiting::at_mbarrier) {
      auto at = static_cast<std::uint32_t>(t.barrier);
      const MBarrier& m = mbarriers_.at(at);
      return fmt::format("wait at the mbarrier {} bytes into shared memory, for {} arrivals and {} bytes",
                         at - window_base, m.missing, m.bytes);
    }
    if (t.waiting == Waiting::in_warp) return fmt::format("wait in {}", row(t.op).name);
    return "have returned";
  };
  std::string text;
  int threads = launch_->facts->block;
  for (int first = 0, next = 0, groups = 0; first < threads; first = next) {
    std::string what = say(*threads_[static_cast<std::size_t>(first)]);
    while (next < threads && say(*threads_[static_cast<std::size_t>(next)]) == what) ++next;
    if (groups++ == 8) return text + "; …";
    text += fmt::format("{}threads {}-{} {}", first ? "; " : "", first, next - 1, what);
  }
  return text;
}

void Block::give_up(Thread& t) {
  Finding f = finding(t, Finding::Kind::endless);
  f.detail = fmt::format("its threads have made {} accesses, shuffles and barriers: a loop that does not end?",
                         launch_->most_steps);
  stopped_ = true;
  report(&t, std::move(f));
  t.fiber.suspend();
}

void Block::report_divergence() {
  auto stuck =
      std::find_if(threads_.begin(), threads_.end(), [](const auto& t) { return t->waiting != Waiting::done; });
  Finding f = finding(**stuck, Finding::Kind::divergent);
  f.detail = "it waits for threads that will not come: " + positions();
  report(nullptr, std::move(f));
}

}  // namespace pagejit::emulator
