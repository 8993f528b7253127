// One call of each index kernel between guards: what lies around the lists may not be read, and stays as it was. Runs
// on any device.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/api/pagejit/context.h"
#include "tests/kernels/device_buffer.h"
#include "tests/reference/indices.h"

namespace pagejit::tests {

using reference::Numbers;
/// Makes bytes unreadable to kernels. May be empty.
using PoisonBytes = std::function<void(void* at, std::size_t bytes)>;

/// A list of integers in device memory, guards on both sides, off any alignment but its element's.
class DeviceList {
 public:
  DeviceList(Context& context, Elem elem, Numbers values, const char* label, const PoisonBytes& poison = {});
  /// An output: filled with bytes that no result has.
  DeviceList(Context& context, Elem elem, std::size_t count, const char* label);

  Tensor tensor() const;
  /// As rows of `columns`.
  Tensor table(std::int64_t columns) const;
  std::byte* at(std::size_t i) const;
  void write(const Numbers& values);
  void reset();
  /// "" if the list is `expected` and its guards are whole, else the first difference.
  std::string compare(const Numbers& expected) const;

 private:
  Image image_of(const Numbers& values) const;

  Elem elem_;
  std::size_t count_;
  const char* label_;
  DeviceBuffer buffer_;
};

struct PositionsCase {
  Numbers indptr, lengths;
  std::int64_t tokens;
};
struct SeqLensCase {
  Numbers indptr, last_page;
  std::int64_t page;
};
struct SlotsCase {
  reference::TokenPlaces tokens;
  std::vector<Numbers> pages;
  std::int64_t page;
  indices::Pages form = indices::Pages::table;
  Elem from = Elem::i32, to = Elem::i64;
};
struct StartsCase {
  Numbers lengths;
  bool total = false;
  Elem from = Elem::i32, to = Elem::i32;
};

/// Launch and compare: "" or what went wrong.
std::string run_case(Context& context, const PositionsCase& c, const PoisonBytes& poison = {});
std::string run_case(Context& context, const SeqLensCase& c, const PoisonBytes& poison = {});
std::string run_case(Context& context, const SlotsCase& c, const PoisonBytes& poison = {});
std::string run_case(Context& context, const StartsCase& c, const PoisonBytes& poison = {});

/// First elements of stretches of these lengths, and the end of the last.
Numbers indptr_of(const Numbers& lengths);

}  // namespace pagejit::tests
