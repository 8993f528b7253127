// Argument checks that families share: a few comparisons when all is well, a whole sentence when it is not.
#pragma once
#include <cstdint>
#include <string>

#include "kernels/common/align.h"
#include "kernels/common/tensor.h"

namespace pagejit {

/// Elements as a set, one bit each.
template <class... E>
constexpr unsigned elem_set(E... e) {
  return (0u | ... | (1u << static_cast<unsigned>(e)));
}

/// What an argument must look like.
struct Expected {
  const char* name;  // "k_cache"
  const char* axes;  // "[pages, page, heads, dim]": its number of names is the rank
  int rank;
  unsigned elems;
};

namespace detail {
/// Says what is wrong with a tensor that usable() refused. `neighbours`: the last stride must be 1.
[[noreturn]] void refuse(const Tensor& t, const Expected& expected, bool neighbours = true);
[[noreturn]] void refuse_size(const Expected& what, const char* axis, std::int64_t value, const Expected& model,
                              std::int64_t expected);
[[noreturn]] void refuse_range(const Expected& what, const Tensor& t, const char* axis, std::int64_t value,
                               std::int64_t least, std::int64_t most);
[[noreturn]] void refuse_other(const Expected& what, const Tensor& t, const char* axis, std::int64_t value,
                               std::int64_t expected);
[[noreturn]] void refuse_elem(const Expected& what, const Tensor& t, const Expected& model);

/// Whether `t` is usable in the usual way: not empty, and of sizes and strides so small that no product of them could
/// overflow. Written for speed, each part without a branch of its own: this is on the way of every launch.
template <int Rank>
inline bool plainly_usable(const Tensor& t, unsigned elems) {
  constexpr int small = 28;  // bits: five products of two such numbers, in elements of 8 bytes, stay below 2^63
  auto elem = static_cast<unsigned>(t.elem);
  if (t.rank != Rank || elem > static_cast<unsigned>(Elem::i64)) return false;
  std::uint64_t all = 0, bad = 0;
  for (int d = 0; d < Rank; ++d) {
    auto size = static_cast<std::uint64_t>(t.shape[d]), step = static_cast<std::uint64_t>(t.stride[d]);
    all |= size | step;
    bool wrong_step = d == Rank - 1 ? step != 1 : step == 0;
    bad |= static_cast<std::uint64_t>(size == 0) | (static_cast<std::uint64_t>(size != 1) & wrong_step);
  }
  auto address = reinterpret_cast<std::uintptr_t>(t.data);
  bad |= (address & static_cast<std::uintptr_t>(bytes(t.elem) - 1)) | (all >> small) | (~elems >> elem & 1);
  return address != 0 && bad == 0;
}

template <int Rank>
bool usable(const Tensor& t, unsigned elems) {
  auto elem = static_cast<unsigned>(t.elem);
  if (t.rank != Rank || elem > static_cast<unsigned>(Elem::i64) || (elems >> elem & 1) == 0) return false;
  std::int64_t any = 0, reach = 1, product = 0;
  bool empty = false, good = true;
  for (int d = 0; d < Rank; ++d) {
    any |= t.shape[d];
    empty |= t.shape[d] == 0;
    bool used = t.shape[d] > 1;
    good &= !used | (d == Rank - 1 ? t.stride[d] == 1 : t.stride[d] > 0);
    good &= !__builtin_mul_overflow(used ? t.shape[d] - 1 : 0, used ? t.stride[d] : 0, &product);
    good &= !__builtin_add_overflow(reach, product, &reach);
  }
  auto address = reinterpret_cast<std::uintptr_t>(t.data);
  std::int64_t width = bytes(t.elem);
  good &= !__builtin_mul_overflow(reach, width, &product);  // the last byte has an address
  good &= address != 0 && (address & static_cast<std::uintptr_t>(width - 1)) == 0;
  return any >= 0 && (empty || good);
}

template <int Rank>
[[gnu::cold, gnu::noinline]] void check_closely(const Tensor& t, const Expected& expected) {
  if (!usable<Rank>(t, expected.elems)) refuse(t, expected);
}

/// check_no_overlap for any order of the axes.
void check_apart(const Tensor& t, const Expected& expected);
}  // namespace detail

/// Throws Error(argument) unless the rank, element, sizes, pointer and strides are usable: the last stride 1, all
/// others positive, the pointer a multiple of the element. A tensor of no elements needs neither pointer nor strides.
template <int Rank>
inline void check_tensor(const Tensor& t, const Expected& expected) {
  if (detail::plainly_usable<Rank>(t, expected.elems)) [[likely]]
    return;
  detail::check_closely<Rank>(t, expected);
}

/// The same for a tensor whose last stride may be any positive one, too: it is read an element at a time.
template <int Rank>
inline void check_strided(const Tensor& t, const Expected& expected) {
  Tensor elements = t;
  if (t.rank == Rank) elements.rank = Rank + 1, elements.shape[Rank] = elements.stride[Rank] = 1;
  if (!detail::usable<Rank + 1>(elements, expected.elems)) [[unlikely]]
    detail::refuse(t, expected, false);
}

/// Throws Error(argument): "v_cache has 4 heads; expected 8, as k_cache has". The sizes must be equal.
inline void check_size(const Expected& what, const char* axis, std::int64_t value, const Expected& model,
                       std::int64_t expected) {
  if (value != expected) [[unlikely]]
    detail::refuse_size(what, axis, value, model, expected);
}

/// Throws Error(argument): "k has 0 rows a page; expected 1 to 1048576".
inline void check_range(const Expected& what, const Tensor& t, const char* axis, std::int64_t value, std::int64_t least,
                        std::int64_t most) {
  if (value < least || value > most) [[unlikely]]
    detail::refuse_range(what, t, axis, value, least, most);
}

/// Throws Error(argument): "out has 512 elements a head; expected 576".
inline void check_exactly(const Expected& what, const Tensor& t, const char* axis, std::int64_t value,
                          std::int64_t expected) {
  if (value != expected) [[unlikely]]
    detail::refuse_other(what, t, axis, value, expected);
}

/// Throws Error(argument) unless `t` is of the element that `model` has.
inline void check_elem(const Expected& what, const Tensor& t, const Expected& model, Elem elem) {
  if (t.elem != elem) [[unlikely]]
    detail::refuse_elem(what, t, model);
}

/// Throws Error(argument) where two elements of `t`, whose strides have been checked, may share memory: it is written,
/// so they must not.
inline void check_no_overlap(const Tensor& t, const Expected& expected) {
  bool apart = true;
  std::uint64_t width = 1;  // of what the axes seen so far cover; wraps only where there is an empty axis too
  for (int d = t.rank; d-- > 0;) {
    auto step = static_cast<std::uint64_t>(t.stride[d]);
    bool used = t.shape[d] > 1;
    apart &= !used | (step >= width);
    width += used ? static_cast<std::uint64_t>(t.shape[d] - 1) * step : 0;
  }
  if (!apart) [[unlikely]]  // in this order of the axes
    detail::check_apart(t, expected);
}

/// "bf16 [32, 64, 8, 128] strides [65536, 1024, 128, 1] at 0x7f…".
std::string describe(const Tensor& t);

[[noreturn]] void bad_argument(const Expected& what, const Tensor& t, std::string problem, std::string expected);

/// Gathers the alignment that a call's tensors have in common.
class AlignmentOf {
 public:
  /// The pointer and every stride that is used, all but the last one. A tensor of no elements says nothing. `enough`: a
  /// power of two, in bytes; a tensor that is aligned to so much spoils nobody's class.
  void add(const Tensor& t, int enough = 16) {
    std::uint64_t steps = 0;
    for (int d = 0; d < t.rank - 1; ++d) steps |= static_cast<std::uint64_t>(t.step(d));
    add(t.data, steps, t.elem, enough);
  }
  /// The same of a pointer and all strides of its elements, or-ed together.
  void add(const void* data, std::uint64_t steps, Elem e, int enough = 16) {
    std::uint64_t all = steps * static_cast<std::uint64_t>(bytes(e)) | reinterpret_cast<std::uintptr_t>(data);
    if ((all & static_cast<std::uint64_t>(enough - 1)) != 0) bits_ |= all;
  }
  Align get() const {
    if (bits_ % 16 == 0) return Align::a16;
    if (bits_ % 8 == 0) return Align::a8;
    return bits_ % 4 == 0 ? Align::a4 : Align::elem;
  }

 private:
  std::uint64_t bits_ = 0;
};

}  // namespace pagejit
