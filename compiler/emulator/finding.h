// What the emulator has to say about a kernel: one access or one barrier that would be wrong on a GPU.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pagejit {

struct Finding {
  enum class Kind {
    out_of_bounds,  // outside the tensor's allocation, or the shared tile
    misaligned,     // the address is no multiple of the access's size
    uninitialised,  // reads bytes that nobody wrote, or whose asynchronous copy was not waited for
    poisoned,       // reads bytes that the test has forbidden
    race,           // two threads touch a byte, one of them writes, and no barrier stands between
    divergent,      // threads wait for others that will never come
    endless,        // a block that goes on for longer than any sound one
  };

  Kind kind = Kind::out_of_bounds;
  std::string kernel;
  std::array<std::uint32_t, 3> block{};
  int thread = 0;
  std::string tensor;       // empty for a barrier
  std::int64_t index = 0;   // elements from the tensor's base
  std::int64_t offset = 0;  // bytes from the tensor's base
  int bytes = 0;            // of the access
  bool write = false;
  std::string detail;
  int other_thread = -1;  // races: who else
  std::array<std::uint32_t, 3> other_block{};

  /// One paragraph.
  std::string text() const;
};

std::string_view finding_name(Finding::Kind kind);

/// What is kept of a launch's findings.
class Findings {
 public:
  explicit Findings(int most) : most_(most) {}
  void add(Finding finding) { all_.push_back(std::move(finding)); }
  bool full() const { return static_cast<int>(all_.size()) >= most_; }
  bool empty() const { return all_.empty(); }
  std::vector<Finding> take() { return std::exchange(all_, {}); }

 private:
  int most_;
  std::vector<Finding> all_;
};

}  // namespace pagejit
