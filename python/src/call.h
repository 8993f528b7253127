// One call of a kernel from Python: its tensors, its device, its stream, and what is to be done with it.
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "python/src/contexts.h"
#include "python/src/emulated.h"
#include "runtime/base/error.h"

namespace pagejit::python {

/// What a thread's calls do: launch, or tell what they would launch (pagejit.explain), or load it (pagejit.prepare).
enum class Intent { launch, prepare, explain };
void set_intent(Intent intent);
/// Spec lines and devices of the calls since the intent was set.
struct Explained {
  std::vector<std::string> spec_lines;  // in the order of their launches
  Place place;
};
std::vector<Explained> take_explained();

/// The stream of this thread's launches instead of torch's current one; nothing: torch's.
void set_stream(std::optional<std::uintptr_t> stream);

class Call {
 public:
  explicit Call(const char* function) : function_(function) {}

  /// The tensor of the Python argument `name`, which the C++ interface calls `field`; None is a tensor left out. The
  /// reference is good while the call lives.
  const Tensor& read(Given object, const char* name, const char* field) { return take(object, name, field, false); }
  /// The same of one that is written.
  const Tensor& write(Given object, const char* name, const char* field) { return take(object, name, field, true); }

  template <class Args>
  void run(const Args& args, void (Context::*launch)(const Args&, Stream)) {
    try {
      Context& context = context_at(place());
      if (intent() == Intent::launch) [[likely]] {
        Stream on = stream();
        nb::gil_scoped_release others_go_on;
        InUse use;
        HostMemory memory(context, place(), tensors_, count_);
        (context.*launch)(args, on);
      } else if (intent() == Intent::prepare) {
        nb::gil_scoped_release others_go_on;
        InUse use;
        context.prepare(args);
      } else {
        std::vector<std::string> lines = {context.spec_line(args)};
        if constexpr (std::is_same_v<Args, DecodeArgs>)
          if (std::string second = context.second_spec_line(args); !second.empty()) lines.push_back(std::move(second));
        note(std::move(lines));
      }
    } catch (const Error& e) {
      rethrow(e);
    }
  }

  /// What `question` says of the call's context.
  template <class Question>
  auto ask(Question question) {
    try {
      return question(context_at(place()));
    } catch (const Error& e) {
      rethrow(e);
    }
  }

  Place place() const { return place_; }
  const char* function() const { return function_; }
  /// Throws the error again, in the words of the Python function.
  [[noreturn]] void rethrow(const Error& e) const;
  /// Throws ValueError: "fill_kv_cache: kv_layout is 'x'; expected …".
  [[noreturn]] void refuse(const char* name, std::string_view value, const std::string& expected) const;

  template <class T>
  struct Choice {
    std::string_view name;
    T value;
  };
  /// One of several words.
  template <class T>
  T choose(const char* name, std::string_view given, std::initializer_list<Choice<T>> choices) const {
    for (const Choice<T>& c : choices)
      if (c.name == given) return c.value;
    std::string expected;
    for (const Choice<T>& c : choices) (expected += expected.empty() ? "" : ", ") += c.name;
    refuse(name, given, "one of " + expected);
  }

 private:
  const Tensor& take(Given object, const char* name, const char* field, bool written);
  Stream stream() const;
  void note(std::vector<std::string> spec_lines) const;
  static Intent intent();

  static constexpr int most = 24;
  const char* function_;
  Place place_;
  const char* first_ = nullptr;               // the argument that decided the place
  const dlpack::ExchangeApi* api_ = nullptr;  // of the first tensor
  int count_ = 0;
  union {
    HostTensor tensors_[most];  // the first count_ of them: clearing all would be a tenth of a call's time
  };
  std::vector<nb::object> keep_;
};

}  // namespace pagejit::python
