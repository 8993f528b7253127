#include "kernels/flatten/repeat.h"

namespace pagejit::flatten {
namespace {

struct Last {
  FlattenArgs args;
  int multiprocessors = 0;  // 0: nothing is kept
  Plan plan;
};
constinit thread_local Last last;

constexpr Tensor FlattenArgs::*tensors[] = {&FlattenArgs::k_cache,     &FlattenArgs::v_cache, &FlattenArgs::k_scales,
                                            &FlattenArgs::v_scales,    &FlattenArgs::k_out,   &FlattenArgs::v_out,
                                            &FlattenArgs::block_table, &FlattenArgs::lengths, &FlattenArgs::start_loc};

/// 0 where two tensors differ in their pointers alone, and in these neither by being null nor in their alignment.
inline std::uint64_t difference(const Tensor& a, const Tensor& b) {
  std::uint64_t all = static_cast<std::uint64_t>(a.elem) ^ static_cast<std::uint64_t>(b.elem);
  all |= static_cast<std::uint64_t>(a.rank ^ b.rank);
  for (int d = 0; d < Tensor::max_rank; ++d)
    all |= static_cast<std::uint64_t>((a.shape[d] ^ b.shape[d]) | (a.stride[d] ^ b.stride[d]));
  auto at = reinterpret_cast<std::uintptr_t>(a.data), before = reinterpret_cast<std::uintptr_t>(b.data);
  return all | ((at ^ before) & 15) | static_cast<std::uint64_t>((at == 0) != (before == 0));
}

bool same_choices(const FlattenArgs& a, const FlattenArgs& b) {
  return a.layout == b.layout && a.out == b.out && a.quant == b.quant && a.tail == b.tail &&
         a.zero_gaps == b.zero_gaps && a.settled == b.settled && a.tuning == b.tuning;
}

/// Of joint K and V pointers say more than where memory is, and lengths on the host are read each time.
bool pointers_are_places(const FlattenArgs& a) {
  bool joint = a.v_out.omitted() || a.v_out.data == a.k_out.data;
  return !joint && a.host_lengths.empty();
}

DevicePtr pointer_of(const Tensor& t) {
  return t.omitted() ? nullptr : t.data;
}

}  // namespace

bool plan_of_last_call(const FlattenArgs& a, int multiprocessors, Plan& out) {
  if (last.multiprocessors != multiprocessors || !pointers_are_places(a)) return false;
  std::uint64_t all = 0;
  for (Tensor FlattenArgs::*t : tensors) all |= difference(a.*t, last.args.*t);
  if (all != 0 || !same_choices(a, last.args)) return false;
  out = last.plan;
  Params& p = out.params;
  p.k_cache = a.k_cache.data, p.v_cache = a.v_cache.data;
  p.k_out = a.k_out.data, p.v_out = a.v_out.data;
  p.k_scales = pointer_of(a.k_scales), p.v_scales = pointer_of(a.v_scales);
  p.table = a.block_table.data, p.lengths = a.lengths.data, p.starts = pointer_of(a.start_loc);
  return true;
}

void keep_call(const FlattenArgs& a, int multiprocessors, const Plan& plan) {
  if (!pointers_are_places(a)) return;
  last.args = a, last.plan = plan;
  last.multiprocessors = multiprocessors;
}

}  // namespace pagejit::flatten
