// File calls of the whole test program that fail when told to: the program defines open, read, write, link, rename and
// fcntl itself, before the C library does.
#pragma once
#include <functional>
#include <string_view>

namespace pagejit::testing {

enum class Call { open, read, write, link, rename, lock };

/// What a call does instead of its work: nothing special (0), fail with this errno, or end early.
constexpr int end_of_file = -1;

/// While it lives, each such call of this process is asked of `answer`, with its path where it has one.
class FailingCalls {
 public:
  using Answer = std::function<int(Call, std::string_view path)>;
  explicit FailingCalls(Answer answer);
  ~FailingCalls();
  FailingCalls(const FailingCalls&) = delete;
};

}  // namespace pagejit::testing
