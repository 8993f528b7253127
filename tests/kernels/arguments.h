// What all tests of arguments do: spoil one thing of a right call, and read what is said of it.
#pragma once
#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/api/pagejit/pagejit.h"
#include "kernels/registry.h"
#include "tests/kernels/recording_backend.h"

namespace pagejit::tests {

/// A context over a backend that only counts.
struct Recorder {
  explicit Recorder(bool remember = false) { backend->remember = remember; }
  RecordingBackend* backend = new RecordingBackend;
  Context context{std::unique_ptr<Backend>(backend)};
};

/// A packed tensor at an address of its own, which is never looked at.
inline Tensor tensor(Elem e, std::initializer_list<std::int64_t> sizes) {
  static std::uintptr_t next = 0x10000;
  return Tensor(reinterpret_cast<void*>(next += 0x1000), e, sizes);
}

/// The text of the error that call(context) gives, before anything is compiled or launched; "" if it gives none, and
/// then it must have launched so many kernels, where that is said.
template <class Call>
std::string problem_when(const Call& call, std::optional<std::uint64_t> launches = {}) {
  Recorder r;
  try {
    call(r.context);
  } catch (const Error& e) {
    CHECK(e.code() == Code::argument);
    CHECK(r.backend->launches == 0);
    CHECK(r.backend->compiles == 0);
    return e.what();
  }
  if (launches) CHECK(r.backend->launches == *launches);
  return "";
}

/// That the error begins with the argument's name and holds `words`.
inline void check_blames(const std::string& text, const char* argument, const std::string& words) {
  CAPTURE(argument);
  CAPTURE(text);
  CHECK(text.starts_with("pagejit: error PJ0001: " + std::string(argument) + " "));
  CHECK(text.find(words) != std::string::npos);
}

/// Spoils what it is given; false where that cannot be spoilt so.
using SpoilTensor = std::function<bool(Tensor&)>;

template <class Args>
struct Named {
  const char* name;
  Tensor Args::*tensor;
};

/// One call: what is right of it, and its tensors.
template <class Args>
struct ArgumentTests {
  Args (*good)();
  void (Context::*call)(const Args&, Stream);
  std::vector<Named<Args>> tensors;

  std::string problem_of(const Args& a) const {
    return problem_when([&](Context& c) { (c.*call)(a, nullptr); });
  }
  /// Spoils each tensor in turn.
  void each_argument(const SpoilTensor& spoil, const std::string& words) const {
    for (const Named<Args>& argument : tensors) {
      Args a = good();
      if (!spoil(a.*argument.tensor)) continue;
      std::string text = problem_of(a);
      check_blames(text, argument.name, words);
      CHECK(text.find("expected") != std::string::npos);
    }
  }
  struct Wrong {
    const char* words;
    std::function<void(Args&)> spoil;
  };
  void each_is_refused(const std::vector<Wrong>& all) const {
    for (const Wrong& wrong : all) {
      Args a = good();
      wrong.spoil(a);
      std::string text = problem_of(a);
      CAPTURE(wrong.words);
      CAPTURE(text);
      CHECK(text.find(wrong.words) != std::string::npos);
    }
  }
};

/// That the spec line is refused, in these words.
inline void check_line_refused(const char* line, const char* words) {
  try {
    request_for(line, "sm_90a");
    FAIL_CHECK(line);
  } catch (const Error& e) {
    CHECK(e.code() == Code::argument);
    CHECK(std::string(e.what()).find(words) != std::string::npos);
  }
}

}  // namespace pagejit::tests
