#include "kernels/common/check.h"

#include <fmt/format.h>

#include <vector>

#include "runtime/base/error.h"

namespace pagejit {
namespace {

constexpr std::string_view elem_name(Elem e) {
  for (const auto& [known, name] : enum_names(Elem{}))
    if (known == e) return name;
  return "an unknown element";
}

std::string elem_names(unsigned set) {
  std::string text;
  for (const auto& [e, name] : enum_names(Elem{}))
    if (set & elem_set(e)) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

/// The name of one axis, out of "[pages, page, heads, dim]".
std::string axis_name(std::string_view axes, int axis) {
  axes = axes.substr(1, axes.size() - 2);
  while (axis-- > 0) axes = axes.substr(axes.find(", ") + 2);
  return std::string(axes.substr(0, axes.find(", ")));
}

bool known_elem(Elem e) {
  return static_cast<unsigned>(e) <= static_cast<unsigned>(Elem::i64);
}

bool empty(const Tensor& t) {
  for (int d = 0; d < t.rank; ++d)
    if (t.shape[d] == 0) return true;
  return false;
}

bool usable_pointer(const Tensor& t) {
  auto address = reinterpret_cast<std::uintptr_t>(t.data);
  return address != 0 && (address & static_cast<std::uintptr_t>(bytes(t.elem) - 1)) == 0;
}

[[noreturn]] void explain_strides(const Tensor& t, const Expected& what, bool neighbours) {
  int last = t.rank - 1;
  if (neighbours && t.shape[last] > 1 && t.stride[last] != 1)
    bad_argument(what, t, fmt::format("has the stride {} along its last axis", t.stride[last]),
                 "1: the elements of a row must be neighbours");
  for (int d = 0; d < t.rank; ++d)
    if (t.shape[d] > 1 && t.stride[d] <= 0)
      bad_argument(what, t, fmt::format("has the stride {} along {}", t.stride[d], axis_name(what.axes, d)),
                   "a positive stride, in elements");
  bad_argument(what, t, "reaches past the end of the address space",
               "sizes and strides, in elements, of memory that exists");
}

std::string list(const std::int64_t* values, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i ? ", " : "") + std::to_string(values[i]);
  return "[" + text + "]";
}

}  // namespace

void detail::refuse(const Tensor& t, const Expected& what, bool neighbours) {
  if (t.omitted()) bad_argument(what, t, "is missing", fmt::format("a tensor {}", what.axes));
  if (t.rank != what.rank)
    bad_argument(what, t, fmt::format("has rank {}", t.rank), fmt::format("rank {}: {}", what.rank, what.axes));
  if (!known_elem(t.elem) || !(what.elems & elem_set(t.elem)))
    bad_argument(what, t, fmt::format("has the element type {}", elem_name(t.elem)),
                 "one of " + elem_names(what.elems));
  for (int d = 0; d < t.rank; ++d)
    if (t.shape[d] < 0)
      bad_argument(what, t, fmt::format("has the size {} along {}", t.shape[d], axis_name(what.axes, d)), "at least 0");
  if (t.data == nullptr) bad_argument(what, t, "is a null pointer", "a pointer to device memory");
  if (!usable_pointer(t))
    bad_argument(what, t, fmt::format("lies at {}", t.data),
                 fmt::format("an address that is a multiple of {} bytes, its element", bytes(t.elem)));
  explain_strides(t, what, neighbours);
}

void detail::refuse_size(const Expected& what, const char* axis, std::int64_t value, const Expected& model,
                         std::int64_t expected) {
  fail(Code::argument,
       fmt::format("{} has {} {}; expected {}, as {} has", what.name, value, axis, expected, model.name),
       {{"argument", what.name}});
}

void detail::refuse_range(const Expected& what, const Tensor& t, const char* axis, std::int64_t value,
                          std::int64_t least, std::int64_t most) {
  bad_argument(what, t, fmt::format("has {} {}", value, axis), fmt::format("{} to {}", least, most));
}

void detail::refuse_other(const Expected& what, const Tensor& t, const char* axis, std::int64_t value,
                          std::int64_t expected) {
  bad_argument(what, t, fmt::format("has {} {}", value, axis), std::to_string(expected));
}

void detail::refuse_elem(const Expected& what, const Tensor& t, const Expected& model) {
  bad_argument(what, t, "has another element type than " + std::string(model.name), "the same one");
}

void detail::check_apart(const Tensor& t, const Expected& expected) {
  if (empty(t)) return;
  // The axes besides the last, by their strides: each must step over all that the nearer ones cover.
  int order[Tensor::max_rank], axes = 0;
  for (int d = 0; d < t.rank - 1; ++d) {
    int at = axes++;
    for (; at > 0 && t.step(order[at - 1]) > t.step(d); --at) order[at] = order[at - 1];
    order[at] = d;
  }
  std::int64_t width = t.shape[t.rank - 1];
  bool apart = true;
  for (int i = 0; i < axes; ++i) {
    int d = order[i];
    apart &= t.shape[d] < 2 || t.step(d) >= width;
    width += (t.shape[d] - 1) * t.step(d);
  }
  if (!apart) [[unlikely]]
    bad_argument(expected, t, "overlaps itself", "strides that keep its rows apart: it is written");
}

std::string describe(const Tensor& t) {
  if (t.omitted()) return "left out";
  int rank = t.rank < 0 ? 0 : t.rank > Tensor::max_rank ? Tensor::max_rank : t.rank;
  return fmt::format("{} {} strides {} at {}", elem_name(t.elem), list(t.shape, rank), list(t.stride, rank), t.data);
}

void bad_argument(const Expected& what, const Tensor& t, std::string problem, std::string expected) {
  fail(Code::argument, fmt::format("{} {}; expected {}", what.name, problem, expected),
       {{"argument", what.name}, {what.name, describe(t)}});
}

}  // namespace pagejit
