#include "runtime/cache/gate.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/base/log.h"

namespace pagejit::cache {

bool Gate::open() const {
  std::lock_guard hold(lock_);
  return !closed_;
}

Milliseconds Gate::patience() const {
  std::lock_guard hold(lock_);
  return patience_;
}

void Gate::succeeded() {
  std::lock_guard hold(lock_);
  patience_ = limits_.patience;
  failures_ = 0;
  closed_ = false;
}

bool Gate::closes(Milliseconds lost) {
  std::lock_guard hold(lock_);
  patience_ -= lost;
  ++failures_;
  if (patience_ > Milliseconds(0) && failures_ < limits_.failures) return false;
  closed_until_ = Clock::now() + limits_.closed;
  return !std::exchange(closed_, true);
}

void Gate::failed(const Error& error, Milliseconds lost) {
  if (journal_) journal_->note({.kind = Event::Kind::remote_error, .layer = "remote", .cause = error.message()});
  log(LogLevel::debug, fmt::format("{}: {}", store_, error.message()));
  if (error.code() != Code::deadline) warn_once("unusable " + store_, error.what());
  if (!closes(lost)) return;
  warn_once("remote " + store_,
            Error(Code::deadline, "the remote store does not answer as it should",
                  {{"store", store_},
                   {"last failure", error.message()},
                   {"waited", fmt::format("{} ms for it (PAGEJIT_REMOTE_TIMEOUT_MS)", lost.count())},
                   {"instead", fmt::format("it is left alone for {} s", limits_.closed.count() / 1000)}})
                .what());
}

bool Gate::probe_due() {
  std::lock_guard hold(lock_);
  if (!closed_ || Clock::now() < closed_until_) return false;
  closed_until_ = Clock::now() + limits_.closed;
  return true;
}

}  // namespace pagejit::cache
