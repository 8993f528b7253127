#include "compiler/emulator/mma.h"

#include <bit>

namespace pagejit::emulator {
namespace {
constexpr int m = 16, n = 8, k = 16;

/// Two neighbouring elements of a word, low half first.
template <class Put>
void unpack(std::uint32_t word, float (*widen)(std::uint16_t), Put put) {
  put(0, widen(static_cast<std::uint16_t>(word)));
  put(1, widen(static_cast<std::uint16_t>(word >> 16)));
}
}  // namespace

// Lane l stands in group g = l / 4 at place t = l % 4. Of A it holds rows g and g + 8, columns 2t, 2t + 1 and 8 more;
// of B column g, rows 2t, 2t + 1 and 8 more; of C and D rows g and g + 8, columns 2t and 2t + 1.
void mma_m16n8k16(const std::array<LaneWords, 32>& in, std::array<LaneWords, 32>& out, float (*widen)(std::uint16_t)) {
  float a[m][k], b[k][n];
  for (int lane = 0; lane < 32; ++lane) {
    int g = lane / 4, t = lane % 4 * 2;
    const LaneWords& w = in[static_cast<std::size_t>(lane)];
    for (int i = 0; i < 4; ++i)
      unpack(w[static_cast<std::size_t>(i)], widen, [&](int j, float v) { a[g + i % 2 * 8][t + i / 2 * 8 + j] = v; });
    for (int i = 0; i < 2; ++i)
      unpack(w[static_cast<std::size_t>(4 + i)], widen, [&](int j, float v) { b[t + i * 8 + j][g] = v; });
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      float sum = std::bit_cast<float>(in[static_cast<std::size_t>(lane)][static_cast<std::size_t>(6 + i)]);
      for (int j = 0; j < k; ++j) sum += a[row][j] * b[j][column];
      out[static_cast<std::size_t>(lane)][static_cast<std::size_t>(i)] = std::bit_cast<std::uint32_t>(sum);
    }
  }
}

}  // namespace pagejit::emulator
