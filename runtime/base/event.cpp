#include "runtime/base/event.h"

#include <exception>
#include <string>

#include "runtime/base/log.h"

namespace pagejit {

void tell(const EventHook& hook, const Event& event) noexcept {
  if (!hook) return;
  auto complain = [](const char* what) {
    warn_once("event hook", std::string("the event hook threw, and is not to: ") + what);
  };
  try {
    hook(event);
  } catch (const std::exception& e) {
    complain(e.what());
  } catch (...) {
    complain("something that is no std::exception");
  }
}

}  // namespace pagejit
