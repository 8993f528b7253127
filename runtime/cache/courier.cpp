#include "runtime/cache/courier.h"

#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace pagejit::cache {

struct Courier::State {
  Connect connect;
  std::size_t most_waiting;
  std::unique_ptr<Store> store;  // the thread's alone
  std::mutex lock;
  std::condition_variable work, idle;
  std::deque<Job> waiting;
  bool started = false, busy = false, closing = false;
};

Courier::Courier(Connect connect, std::size_t most_waiting) : state_(std::make_shared<State>()), pid_(getpid()) {
  state_->connect = std::move(connect);
  state_->most_waiting = most_waiting;
}

Courier::~Courier() {
  if (pid_ != getpid()) {
    // A forked child: the thread is the parent's, it may have held the lock, and to close the store would say good-bye
    // on the parent's connection. It is kept for ever.
    static auto* parents = new std::vector<std::shared_ptr<State>>;
    parents->push_back(std::move(state_));
    return;
  }
  std::lock_guard hold(state_->lock);
  state_->closing = true;
  state_->waiting.clear();
  state_->work.notify_all();
}

bool Courier::post(Job job) {
  std::lock_guard hold(state_->lock);
  if (state_->waiting.size() >= state_->most_waiting) return false;
  state_->waiting.push_back(std::move(job));
  if (!state_->started) {
    // The host program's signals are not this thread's to handle; a write to a closed connection is an error, no
    // signal.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([state = state_] { serve(state); }).detach();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    state_->started = true;
  }
  state_->work.notify_all();
  return true;
}

bool Courier::finish(Milliseconds most) {
  std::unique_lock hold(state_->lock);
  return state_->idle.wait_for(hold, most, [&] { return state_->waiting.empty() && !state_->busy; });
}

void Courier::serve(const std::shared_ptr<State>& state) {
  Open open = [&]() -> Store& {
    if (!state->store) state->store = state->connect();
    return *state->store;
  };
  std::unique_lock hold(state->lock);
  for (;;) {
    state->work.wait(hold, [&] { return state->closing || !state->waiting.empty(); });
    if (state->waiting.empty()) break;
    Job job = std::move(state->waiting.front());
    state->waiting.pop_front();
    state->busy = true;
    hold.unlock();
    job(open);
    job = nullptr;  // what it holds may be large
    hold.lock();
    state->busy = false;
    if (state->waiting.empty()) state->idle.notify_all();
  }
  hold.unlock();
  state->store.reset();
}

}  // namespace pagejit::cache
