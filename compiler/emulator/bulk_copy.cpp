// mbarriers, and the bulk copies that report to them: what was copied is there for those who waited for the phase.
//
// A copy's bytes are read when it is issued, and its destination is the issuing thread's to write. They stay under way
// until somebody waits for the end of the phase: who reads without a wait of his own is found out by the clocks, or by
// the bytes' state.
#include <fmt/format.h>

#include <algorithm>

#include "compiler/emulator/machine.h"

namespace pagejit::emulator {
namespace {

constexpr int piece = 16;  // bytes: what is checked at once

}  // namespace

void Block::refuse_mbarrier(Thread& t, std::uint32_t at, std::string detail) {
  refuse(t, shared_place(at), at, 8, true, Finding::Kind::divergent, std::move(detail));
}

/// The one at this address; null, and a finding, where there is none.
MBarrier* Block::mbarrier(Thread& t, std::uint32_t at) {
  if (!access(t, shared_place(at), at, 8, Touch::atomic)) return nullptr;
  auto found = mbarriers_.find(at);
  if (found == mbarriers_.end()) {
    refuse_mbarrier(t, at, "there is no mbarrier: mbarrier_init makes it");
    return nullptr;
  }
  // Seen by its maker's record, for later arrivals stand where its making was noted.
  const MBarrier& m = found->second;
  bool known = m.maker == t.id || clocks_.ordered(m.maker / 32, m.made, t.warp) || clocks_.exhausted();
  if (known || !launch_->check_races) return &found->second;
  refuse(t, shared_place(at), at, 8, false, Finding::Kind::race,
         fmt::format("thread {} made this mbarrier and no barrier stands between", m.maker));
  return nullptr;
}

void Block::mbarrier_init(Thread& t, std::uint32_t at, int arrivals) {
  if (!access(t, shared_place(at), at, 8, Touch::write)) return;
  if (arrivals < 1 || mbarriers_.contains(at))
    return refuse_mbarrier(t, at,
                           arrivals < 1 ? fmt::format("it is to expect {} arrivals; at least 1", arrivals)
                                        : std::string("it is made for a second time"));
  MBarrier& m = mbarriers_[at];
  m.arrivals = m.missing = arrivals;
  m.maker = t.id, m.made = clocks_.now(t.warp);
}

void Block::mbarrier_arrive(Thread& t, std::uint32_t at, int bytes) {
  MBarrier* m = mbarrier(t, at);
  if (!m) return;
  if (m->missing == 0) return refuse_mbarrier(t, at, fmt::format("more than {} arrivals in a phase", m->arrivals));
  --m->missing;
  m->bytes += bytes;
  clocks_.tell(t.warp, m->coming);
  end_phase(*m);
}

void Block::end_phase(MBarrier& m) {
  if (m.missing > 0 || m.bytes != 0) return;
  for (BulkCopy& c : m.under_way) {
    // Issued before the end, whatever else its warp has still to do.
    auto warp = static_cast<std::size_t>(c.thread / 32);
    m.coming[warp] = std::max(m.coming[warp], clocks_.now(c.thread / 32) + 1);
    m.arrived.push_back(std::move(c));
  }
  m.under_way.clear();
  for (std::size_t w = 0; w < m.known.size(); ++w) m.known[w] = std::max(m.known[w], m.coming[w]);
  m.coming.fill(0);
  m.missing = m.arrivals;
  ++m.phase;
  for (int id : m.waiting) release(id / 32, 1u << id % 32);
  m.waiting.clear();
}

/// The copies are there now, as far as threads can tell.
void Block::take(MBarrier& m) {
  for (const BulkCopy& c : m.arrived) {
    const Place& to = shared_place(c.shared);
    std::uint64_t at = c.shared - to.start;
    std::copy(c.data.begin(), c.data.end(), to.data + at);
    std::copy(c.state.begin(), c.state.end(), to.state + at);
  }
  m.arrived.clear();
}

void Block::mbarrier_wait(Thread& t, std::uint32_t at, int parity) {
  MBarrier* m = mbarrier(t, at);
  if (!m) return;
  if ((m->phase & 1) == (static_cast<std::uint32_t>(parity) & 1)) {
    m->waiting.push_back(t.id);
    t.barrier = static_cast<int>(at);
    wait(t, Waiting::at_mbarrier);
  }
  take(*m);
  clocks_.learn(t.warp, m->known);
}

/// Reads one piece of the source, as byte `at` of the copy.
bool Block::bring(Thread& t, BulkCopy& copy, std::size_t at, std::uint64_t global) {
  const Place& from = global_place(global);
  const unsigned char* data = look(t, from, global, piece);
  if (!data) return false;
  std::copy_n(data, piece, copy.data.begin() + static_cast<std::ptrdiff_t>(at));
  std::copy_n(from.state + (global - from.start), piece, copy.state.begin() + static_cast<std::ptrdiff_t>(at));
  return true;
}

/// The destination is the engine's from now on.
void Block::start(Thread& t, MBarrier& m, BulkCopy copy) {
  const Place& to = shared_place(copy.shared);
  auto bytes = static_cast<std::uint32_t>(copy.data.size());
  for (std::uint32_t i = 0; i < bytes; i += piece)
    if (!access(t, to, copy.shared + i, piece, Touch::write)) return;
  unsigned char* s = to.state + (copy.shared - to.start);
  for (std::uint32_t i = 0; i < bytes; ++i) s[i] |= state::pending;
  m.under_way.push_back(std::move(copy));
  m.bytes -= bytes;
  end_phase(m);
}

void Block::copy_bulk(Thread& t, std::uint32_t shared, std::uint64_t global, int bytes, std::uint32_t barrier) {
  MBarrier* m = mbarrier(t, barrier);
  if (!m) return;
  auto size = static_cast<std::size_t>(bytes);
  if (bytes <= 0 || bytes % piece != 0) {
    refuse(t, shared_place(shared), shared, bytes, true, Finding::Kind::misaligned,
           fmt::format("a bulk copy of {} bytes; it copies multiples of {}", bytes, piece));
    return;
  }
  BulkCopy copy{shared, t.id, std::vector<unsigned char>(size), std::vector<unsigned char>(size)};
  for (std::size_t at = 0; at < size; at += piece)
    if (!bring(t, copy, at, global + at)) return;
  start(t, *m, std::move(copy));
}

void Block::copy_box(Thread& t, std::uint32_t shared, const BoxedTensor& tensor,
                     const std::array<std::int32_t, 5>& first, std::uint32_t barrier) {
  MBarrier* m = mbarrier(t, barrier);
  if (!m) return;
  if (shared % 128 != 0) {
    refuse(t, shared_place(shared), shared, 128, true, Finding::Kind::misaligned,
           "a box is copied to multiples of 128");
    return;
  }
  int row_bytes = tensor.box[0] * tensor.elem_bytes, rows = 1;
  for (std::size_t d = 1; d < tensor.box.size(); ++d) rows *= tensor.box[d];
  auto size = static_cast<std::size_t>(row_bytes * rows);
  BulkCopy copy{shared, t.id, std::vector<unsigned char>(size), std::vector<unsigned char>(size)};
  for (int row = 0; row < rows; ++row) {
    bool inside = true;
    std::uint64_t at = tensor.data.address;
    for (std::size_t d = 1, left = static_cast<std::size_t>(row); d < tensor.box.size(); ++d) {
      auto steps = static_cast<std::size_t>(tensor.box[d]);
      std::int64_t i = std::int64_t{first[d]} + static_cast<std::int64_t>(left % steps);
      left /= steps;
      inside &= i >= 0 && i < tensor.sizes[d];
      at += static_cast<std::uint64_t>(i * tensor.strides[d - 1]);
    }
    for (int byte = 0; byte < row_bytes; byte += piece) {
      std::int64_t column = (std::int64_t{first[0]} * tensor.elem_bytes + byte) / tensor.elem_bytes;
      if (!inside || column < 0 || column >= tensor.sizes[0]) continue;
      // As the engine swizzles: bits of the address in shared memory that count its 128-byte lines.
      auto place = static_cast<std::uint32_t>(row * row_bytes + byte);
      place ^= ((shared + place) >> 7 & static_cast<std::uint32_t>(tensor.swizzle / piece - 1)) * piece;
      if (!bring(t, copy, place, at + static_cast<std::uint64_t>(column * tensor.elem_bytes))) return;
    }
  }
  start(t, *m, std::move(copy));
}

/// A block may not end before its copies: they would write to what is another block's memory by then.
void Block::check_copies_taken() {
  for (const auto& [at, m] : mbarriers_) {
    const auto& left = m.under_way.empty() ? m.arrived : m.under_way;
    if (left.empty()) continue;
    Finding f = finding(*threads_[static_cast<std::size_t>(left[0].thread)], Finding::Kind::uninitialised);
    f.tensor = shared_place(left[0].shared).site->tensor;
    f.detail = "a bulk copy was still under way when the block ended: nobody waited for it";
    report(nullptr, std::move(f));
  }
}

}  // namespace pagejit::emulator
