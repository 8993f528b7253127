#include "compiler/emulator/host_ops.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "compiler/emulator/fp8.h"
#include "compiler/emulator/half.h"
#include "compiler/emulator/machine.h"

namespace pagejit::emulator {
namespace {

using i32 = std::int32_t;
using i64 = std::int64_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

u32 bits(i32 v) {
  return static_cast<u32>(v);
}
i32 signed_bits(u32 v) {
  return static_cast<i32>(v);
}
// Compiled code knows a thread as a pointer only.
Thread& self(void* thread) {
  return *static_cast<Thread*>(thread);
}

float flushed(float x) {
  return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x;
}
float emu_exp2_fast(void*, float x) {
  return flushed(std::exp2(flushed(x)));
}
float emu_log2_fast(void*, float x) {
  return std::log2(flushed(x));
}
float emu_rcp_fast(void*, float x) {
  return flushed(1 / flushed(x));
}

i32 emu_thread_id(void* t) {
  return self(t).id;
}
i32 emu_program_id_x(void* t) {
  return signed_bits(self(t).block->where()[0]);
}
i32 emu_program_id_y(void* t) {
  return signed_bits(self(t).block->where()[1]);
}
i32 emu_program_id_z(void* t) {
  return signed_bits(self(t).block->where()[2]);
}
i32 emu_programs_x(void* t) {
  return signed_bits(self(t).block->launch().grid.x);
}
i32 emu_programs_y(void* t) {
  return signed_bits(self(t).block->launch().grid.y);
}
i32 emu_programs_z(void* t) {
  return signed_bits(self(t).block->launch().grid.z);
}

void emu_barrier(void* t) {
  self(t).block->barrier(self(t), 0, self(t).block->launch().facts->block);
}
void emu_barrier_group(void* t, i32 id, i32 threads) {
  self(t).block->barrier(self(t), id, threads);
}
void emu_barrier_arrive(void* t, i32 id, i32 threads) {
  self(t).block->arrive(self(t), id, threads);
}

/// A warp's operation on one or two words a lane that gives one.
i32 collective(void* t, MachineOp op, i32 a, i32 b, Block::Work work) {
  LaneWords words{bits(a), bits(b)};
  return signed_bits(self(t).block->collective(self(t), op, words, work)[0]);
}

/// `source(lane, b)` is the lane whose word each lane takes.
template <class Source>
void shuffle(Warp& w, Source source) {
  for (std::size_t lane = 0; lane < 32; ++lane)
    w.out[lane][0] = w.in[static_cast<std::size_t>(source(lane, w.in[lane][1]))][0];
}

void emu_warp_sync(void* t) {
  collective(t, MachineOp::warp_sync, 0, 0, nullptr);
}
i32 emu_shuffle_xor(void* t, i32 value, i32 mask) {
  return collective(t, MachineOp::shuffle_xor, value, mask,
                    [](Warp& w) { shuffle(w, [](std::size_t lane, u32 m) { return lane ^ (m & 31); }); });
}
i32 emu_shuffle_index(void* t, i32 value, i32 from) {
  return collective(t, MachineOp::shuffle_index, value, from,
                    [](Warp& w) { shuffle(w, [](std::size_t, u32 i) { return std::size_t{i & 31}; }); });
}
i32 emu_shuffle_up(void* t, i32 value, i32 by) {
  return collective(t, MachineOp::shuffle_up, value, by, [](Warp& w) {
    shuffle(w, [](std::size_t lane, u32 n) { return (n & 31) <= lane ? lane - (n & 31) : lane; });
  });
}
i32 emu_ballot(void* t, i32 predicate) {
  return collective(t, MachineOp::ballot, predicate, 0, [](Warp& w) {
    u32 votes = 0;
    for (std::size_t lane = 0; lane < 32; ++lane) votes |= static_cast<u32>(w.in[lane][0] != 0) << lane;
    for (auto& out : w.out) out[0] = votes;
  });
}
i32 emu_reduce_max(void* t, i32 value) {
  return collective(t, MachineOp::reduce_max, value, 0, [](Warp& w) {
    i32 most = signed_bits(w.in[0][0]);
    for (const auto& in : w.in) most = std::max(most, signed_bits(in[0]));
    for (auto& out : w.out) out[0] = bits(most);
  });
}

i32 emu_elect(void* t) {
  return collective(t, MachineOp::elect, 0, 0, [](Warp& w) {
    for (std::size_t lane = 0; lane < 32; ++lane) w.out[lane][0] = lane == 0;
  });
}

template <class Change>
i32 shared_atomic(void* t, i32 address, Change change) {
  u32 at = bits(address);
  Block& block = *self(t).block;
  unsigned char* where = block.access(self(t), block.shared_place(at), at, 4, Touch::atomic);
  if (!where) return 0;
  i32 old;
  std::memcpy(&old, where, 4);
  i32 now = change(old);
  std::memcpy(where, &now, 4);
  return old;
}
i32 emu_shared_atomic_max(void* t, i32 address, i32 v) {
  return shared_atomic(t, address, [v](i32 old) { return std::max(old, v); });
}
i32 emu_shared_atomic_add(void* t, i32 address, i32 v) {
  return shared_atomic(t, address, [v](i32 old) { return signed_bits(bits(old) + bits(v)); });
}

void copy_async(void* t, i32 shared, i64 global, int bytes, i32 read) {
  self(t).block->copy_async(self(t), bits(shared), static_cast<u64>(global), bytes, read);
}
void emu_copy_async_4(void* t, i32 shared, i64 global, i32 read) {
  copy_async(t, shared, global, 4, read);
}
void emu_copy_async_8(void* t, i32 shared, i64 global, i32 read) {
  copy_async(t, shared, global, 8, read);
}
void emu_copy_async_16(void* t, i32 shared, i64 global, i32 read) {
  copy_async(t, shared, global, 16, read);
}
void emu_copy_async_commit(void* t) {
  ++self(t).group;
}
void emu_copy_async_wait(void* t, i32 pending) {
  self(t).block->copy_wait(self(t), pending);
}

void emu_mbarrier_init(void* t, i32 at, i32 arrivals) {
  self(t).block->mbarrier_init(self(t), bits(at), arrivals);
}
void emu_mbarrier_arrive(void* t, i32 at) {
  self(t).block->mbarrier_arrive(self(t), bits(at), 0);
}
void emu_mbarrier_expect(void* t, i32 at, i32 bytes) {
  self(t).block->mbarrier_arrive(self(t), bits(at), bytes);
}
void emu_mbarrier_wait(void* t, i32 at, i32 parity) {
  self(t).block->mbarrier_wait(self(t), bits(at), parity);
}
void emu_copy_bulk(void* t, i32 shared, i64 global, i32 bytes, i32 barrier) {
  self(t).block->copy_bulk(self(t), bits(shared), static_cast<u64>(global), bytes, bits(barrier));
}
void emu_copy_box(void* t, i32 shared, i64 map, i32 c0, i32 c1, i32 c2, i32 c3, i32 c4, i32 barrier) {
  const auto& tensor = *reinterpret_cast<const BoxedTensor*>(static_cast<std::uintptr_t>(map));
  self(t).block->copy_box(self(t), bits(shared), tensor, {c0, c1, c2, c3, c4}, bits(barrier));
}
void emu_prefetch_map(void*, i64) {}
// There is one way to memory here.
void emu_mbarrier_init_fence(void*) {}
void emu_async_fence(void*) {}

void mma(void* t, float* d, MachineOp op, const LaneWords& in, Block::Work work) {
  const LaneWords& out = self(t).block->collective(self(t), op, in, work);
  for (std::size_t i = 0; i < 4; ++i) d[i] = std::bit_cast<float>(out[i]);
}
LaneWords lane_words(i32 a0, i32 a1, i32 a2, i32 a3, i32 b0, i32 b1, float c0, float c1, float c2, float c3) {
  return {bits(a0),
          bits(a1),
          bits(a2),
          bits(a3),
          bits(b0),
          bits(b1),
          std::bit_cast<u32>(c0),
          std::bit_cast<u32>(c1),
          std::bit_cast<u32>(c2),
          std::bit_cast<u32>(c3)};
}
void emu_mma_m16n8k16_f16(void* t, float* d, i32 a0, i32 a1, i32 a2, i32 a3, i32 b0, i32 b1, float c0, float c1,
                          float c2, float c3) {
  mma(t, d, MachineOp::mma_m16n8k16_f16, lane_words(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3),
      [](Warp& w) { mma_m16n8k16(w.in, w.out, f16_to_f32); });
}
void emu_mma_m16n8k16_bf16(void* t, float* d, i32 a0, i32 a1, i32 a2, i32 a3, i32 b0, i32 b1, float c0, float c1,
                           float c2, float c3) {
  mma(t, d, MachineOp::mma_m16n8k16_bf16, lane_words(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3),
      [](Warp& w) { mma_m16n8k16(w.in, w.out, bf16_to_f32); });
}

void ldmatrix(void* t, i32* out, i32 address, MachineOp op, Block::Work work) {
  Block& block = *self(t).block;
  u32 at = bits(address);
  LaneWords row{};
  if (const unsigned char* data = block.access(self(t), block.shared_place(at), at, 16, Touch::read))
    std::memcpy(row.data(), data, 16);
  const LaneWords& got = block.collective(self(t), op, row, work);
  for (std::size_t i = 0; i < 4; ++i) out[i] = signed_bits(got[i]);
}

/// Lane 8i + r says where row r of matrix i stands; lane l gets the two elements at (l / 4, 2 (l mod 4)) of each.
void emu_ldmatrix_x4(void* t, i32* out, i32 address) {
  ldmatrix(t, out, address, MachineOp::ldmatrix_x4, [](Warp& w) {
    for (std::size_t lane = 0; lane < 32; ++lane)
      for (std::size_t i = 0; i < 4; ++i) w.out[lane][i] = w.in[i * 8 + lane / 4][lane % 4];
  });
}
/// The same of the matrices turned round: the elements at (2 (l mod 4), l / 4) and one row below.
void emu_ldmatrix_x4_trans(void* t, i32* out, i32 address) {
  ldmatrix(t, out, address, MachineOp::ldmatrix_x4_trans, [](Warp& w) {
    auto element = [&](std::size_t row, std::size_t column) {
      return w.in[row][column / 2] >> 16 * (column % 2) & 0xffff;
    };
    for (std::size_t lane = 0; lane < 32; ++lane)
      for (std::size_t i = 0; i < 4; ++i) {
        std::size_t row = i * 8 + 2 * (lane % 4), column = lane / 4;
        w.out[lane][i] = element(row, column) | element(row + 1, column) << 16;
      }
  });
}
/// Lane 4g + t hands in the two elements at (g, 2t), and gets the element at (2t, g) and the one a row below.
i32 emu_movmatrix_trans(void* t, i32 word) {
  return signed_bits(self(t).block->collective(self(t), MachineOp::movmatrix_trans, {bits(word)}, [](Warp& w) {
    auto element = [&](std::size_t row, std::size_t column) {
      return w.in[4 * row + column / 2][0] >> 16 * (column % 2) & 0xffff;
    };
    for (std::size_t lane = 0; lane < 32; ++lane) {
      std::size_t row = 2 * (lane % 4), column = lane / 4;
      w.out[lane][0] = element(row, column) | element(row + 1, column) << 16;
    }
  })[0]);
}

i32 emu_byte_permute(void*, i32 a, i32 b, i32 choice) {
  u64 bytes = u64{bits(b)} << 32 | bits(a);
  u32 chosen = 0;
  for (int i = 0; i < 4; ++i) {
    u32 digit = bits(choice) >> 4 * i & 15;
    u32 byte = static_cast<u32>(bytes >> 8 * (digit & 7) & 0xff);
    if (digit & 8) byte = byte & 0x80 ? 0xff : 0;  // its sign, all over
    chosen |= byte << 8 * i;
  }
  return signed_bits(chosen);
}
template <class Code>
i32 word_of(std::array<float, 4> values, Code code) {
  u32 word = 0;
  for (std::size_t i = 0; i < 4; ++i) word |= u32{code(values[i])} << 8 * i;
  return signed_bits(word);
}
i32 emu_to_u8x4(void*, float a, float b, float c, float d) {
  return word_of({a, b, c, d}, [](float v) { return v >= 255 ? 255u : v > 0 ? static_cast<u32>(v) : 0u; });
}
i32 emu_to_e4m3x4(void*, float a, float b, float c, float d) {
  return word_of({a, b, c, d}, f32_to_e4m3);
}
i32 emu_to_e5m2x4(void*, float a, float b, float c, float d) {
  return word_of({a, b, c, d}, f32_to_e5m2);
}
void emu_from_e4m3x4(void*, float* out, i32 word) {
  for (int i = 0; i < 4; ++i) out[i] = e4m3_to_f32(static_cast<std::uint8_t>(bits(word) >> 8 * i));
}

void emu_halves_of_e4m3x4(void*, i32* out, i32 word) {
  for (int i = 0; i < 2; ++i) {
    u32 low = f32_to_f16(e4m3_to_f32(static_cast<std::uint8_t>(bits(word) >> 16 * i)));
    u32 high = f32_to_f16(e4m3_to_f32(static_cast<std::uint8_t>(bits(word) >> (16 * i + 8))));
    out[i] = signed_bits(high << 16 | low);
  }
}

void emu_prefetch(void*, u64) {}

// Launches run one after another: what came before is done, and what comes after has not begun.
void emu_dependency_wait(void*) {}
void emu_dependents_launch(void*) {}

void emu_load(void* t, i32 site, u64 address, i32 bytes, i32 live, void* out) {
  Block& block = *self(t).block;
  auto size = static_cast<std::size_t>(bytes);
  const unsigned char* data =
      live ? block.access(self(t), block.place(site, address), address, bytes, Touch::read) : nullptr;
  if (data)
    std::memcpy(out, data, size);
  else
    std::memset(out, 0, size);
}
void emu_store(void* t, i32 site, u64 address, i32 bytes, i32 live, const void* from) {
  if (!live) return;
  Block& block = *self(t).block;
  unsigned char* data = block.access(self(t), block.place(site, address), address, bytes, Touch::write);
  if (data) std::memcpy(data, from, static_cast<std::size_t>(bytes));
}

// The names under which compiled code asks for conversions. A 16-bit float travels in the low bits of a float register.
float as_half(std::uint16_t bits) {
  return std::bit_cast<float>(u32{bits});
}
std::uint16_t of_half(float low) {
  return static_cast<std::uint16_t>(std::bit_cast<u32>(low));
}
float truncate_to_f16(float v) {
  return as_half(f32_to_f16(v));
}
float truncate_to_bf16(float v) {
  return as_half(f32_to_bf16(v));
}
float extend_f16(float low) {
  return f16_to_f32(of_half(low));
}

/// How many operands the row's function takes, counting the thread and a place for several results.
constexpr int arity(std::string_view signature) {
  auto colon = signature.find(':');
  return static_cast<int>(signature.size() - colon - 1) + 1 + (colon > 1 ? 1 : 0);
}
template <class R, class... A>
constexpr int arity(R (*)(A...)) {
  return sizeof...(A);
}

template <class F>
HostSymbol symbol(const char* name, F* function) {
  return {name, reinterpret_cast<const void*>(function)};
}

}  // namespace

std::span<const HostSymbol> host_symbols() {
#define PJ_MACHINE_OP(name, signature, ...) \
  static_assert(arity(&emu_##name) == arity(signature), "emu_" #name " takes other operands than its row says");
#include "compiler/machine_ops.def"
#undef PJ_MACHINE_OP
  static const std::vector<HostSymbol> all = {
#define PJ_MACHINE_OP(name, ...) symbol("emu_" #name, emu_##name),
#include "compiler/machine_ops.def"
#undef PJ_MACHINE_OP
      symbol("emu_load", emu_load),
      symbol("emu_store", emu_store),
      symbol("__truncsfhf2", truncate_to_f16),
      symbol("__truncsfbf2", truncate_to_bf16),
      symbol("__extendhfsf2", extend_f16),
      symbol("fmaf", static_cast<float (*)(float, float, float)>(std::fma)),
      symbol("exp2f", static_cast<float (*)(float)>(std::exp2)),
      symbol("log2f", static_cast<float (*)(float)>(std::log2)),
      symbol("expf", static_cast<float (*)(float)>(std::exp)),
      symbol("tanhf", static_cast<float (*)(float)>(std::tanh)),
      symbol("sqrtf", static_cast<float (*)(float)>(std::sqrt)),
      symbol("fmaxf", static_cast<float (*)(float, float)>(std::fmax)),
      symbol("fminf", static_cast<float (*)(float, float)>(std::fmin)),
      symbol("rintf", static_cast<float (*)(float)>(std::rint)),
      symbol("roundevenf", static_cast<float (*)(float)>(std::rint)),
      symbol("floorf", static_cast<float (*)(float)>(std::floor)),
      symbol("ceilf", static_cast<float (*)(float)>(std::ceil)),
      symbol("memcpy", static_cast<void* (*)(void*, const void*, std::size_t)>(std::memcpy)),
      symbol("memset", static_cast<void* (*)(void*, int, std::size_t)>(std::memset)),
  };
  return all;
}

}  // namespace pagejit::emulator
