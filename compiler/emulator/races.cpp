#include "compiler/emulator/races.h"

#include <memory>

namespace pagejit::emulator {
namespace {
constexpr int page_bytes = 4096;

struct Record {
  std::uint32_t block = 0;  // 0: nobody
  std::uint32_t thread : 10 = 0;
  std::uint32_t many : 1 = 0;    // reads: several threads, `clock` is then the number of their Readers
  std::uint32_t blocks : 1 = 0;  // reads: several blocks
  std::uint32_t atomic : 1 = 0;
  std::uint32_t clock : 19 = 0;
};

/// The last read of each warp of a block, where one record is not enough.
struct Readers {
  struct One {
    std::uint32_t clock = 0;                // 0: none; clocks begin at 1
    std::uint16_t thread = 0, earlier = 0;  // the last two different ones; the same where there was one
  };
  std::array<One, Clocks::most_warps> warps;

  void add(int thread, std::uint32_t clock) {
    One& one = warps[static_cast<std::size_t>(thread / 32)];
    auto now = static_cast<std::uint16_t>(thread);
    if (one.clock != clock)
      one = {clock, now, now};
    else if (one.thread != now)
      one = {clock, now, one.thread};
  }
};

struct Cell {
  Record write, read;
};

}  // namespace

struct RaceShadow::Page {
  std::uint64_t generation = 0;
  int cell = 16;  // bytes
  std::vector<Cell> cells;
  std::vector<Readers> readers;

  void reset(std::uint64_t now, int unit) {
    generation = now;
    cell = unit;
    cells.assign(static_cast<std::size_t>(page_bytes / unit), Cell{});
    readers.clear();
  }

  void refine(int unit) {
    std::vector<Cell> finer;
    finer.reserve(static_cast<std::size_t>(page_bytes / unit));
    for (const Cell& c : cells)
      for (int i = 0; i < cell / unit; ++i) {
        finer.push_back(c);
        if (i > 0 && c.read.many) finer.back().read.clock = share(Readers(readers[c.read.clock]));
      }
    cells = std::move(finer);
    cell = unit;
  }

  std::uint32_t share(const Readers& set) {
    readers.push_back(set);
    return static_cast<std::uint32_t>(readers.size() - 1) & Clocks::most;
  }

  bool before(const Record& r, const Actor& a) const {
    return static_cast<int>(r.thread) == a.thread ||
           a.clocks->ordered(static_cast<int>(r.thread) / 32, r.clock, a.thread / 32);
  }

  std::optional<Conflict> against_write(const Record& w, const Actor& a, bool atomic) const {
    if (!w.block || (atomic && w.atomic) || (w.block == a.block && before(w, a))) return {};
    return Conflict{w.block, static_cast<int>(w.thread), true};
  }

  std::optional<Conflict> against_reads(const Record& r, const Actor& a) const {
    if (!r.block) return {};
    if (r.block != a.block || r.blocks) return Conflict{r.block, static_cast<int>(r.thread), false};
    if (!r.many) return before(r, a) ? std::optional<Conflict>() : Conflict{r.block, static_cast<int>(r.thread), false};
    const Readers& set = readers[r.clock];
    for (int w = 0; w < Clocks::most_warps; ++w) {
      const Readers::One& one = set.warps[static_cast<std::size_t>(w)];
      if (!one.clock || a.clocks->ordered(w, one.clock, a.thread / 32)) continue;
      int other = one.thread != a.thread ? one.thread : one.earlier;
      if (other != a.thread) return Conflict{r.block, other, false};
    }
    return {};
  }

  void note_read(Record& r, const Actor& a) {
    std::uint32_t now = a.clocks->now(a.thread / 32);
    if (r.blocks) return;
    if (r.block && r.block != a.block) {
      r.blocks = 1;  // any write from here on collides; the first reader stays as the example
      r.many = 0;
      return;
    }
    if (r.many) return readers[r.clock].add(a.thread, now);
    if (r.block && !before(r, a)) {
      Readers set;
      set.add(static_cast<int>(r.thread), r.clock);
      set.add(a.thread, now);
      r.clock = share(set);
      r.many = 1;
      return;
    }
    r.block = a.block;
    r.thread = static_cast<std::uint32_t>(a.thread) & 1023;
    r.clock = now & Clocks::most;
  }

  std::optional<Conflict> touch(Cell& c, Touch how, const Actor& a) {
    std::optional<Conflict> conflict = against_write(c.write, a, how == Touch::atomic);
    if (how == Touch::read) {
      note_read(c.read, a);
      return conflict;
    }
    if (!conflict) conflict = against_reads(c.read, a);
    c.write = {a.block,
               static_cast<std::uint32_t>(a.thread) & 1023,
               0,
               0,
               how == Touch::atomic,
               a.clocks->now(a.thread / 32) & Clocks::most};
    c.read = {};
    return conflict;
  }
};

RaceShadow::RaceShadow(std::uint64_t bytes) : directory_((bytes / page_bytes + 2) * sizeof(Page*)) {}

RaceShadow::~RaceShadow() {
  for (Page* page : pages_) delete page;
}

RaceShadow::Page& RaceShadow::page(std::uint64_t number) {
  Page*& slot = reinterpret_cast<Page**>(directory_.data())[number];
  if (!slot) {
    auto made = std::make_unique<Page>();
    pages_.push_back(made.get());
    slot = made.release();
  }
  return *slot;
}

std::optional<Conflict> RaceShadow::touch(std::uint64_t generation, std::uint64_t offset, int bytes, Touch how,
                                          const Actor& actor) {
  auto lowest = (offset | static_cast<std::uint64_t>(bytes) | 16);
  int unit = static_cast<int>(lowest & -lowest);
  Page& p = page(offset / page_bytes);
  if (p.generation != generation)
    p.reset(generation, unit);
  else if (unit < p.cell)
    p.refine(unit);
  std::optional<Conflict> conflict;
  auto first = static_cast<std::size_t>(offset % page_bytes) / static_cast<std::size_t>(p.cell);
  int count = std::max(1, bytes / p.cell);
  for (int i = 0; i < count; ++i) {
    auto one = p.touch(p.cells[first + static_cast<std::size_t>(i)], how, actor);
    if (!conflict) conflict = one;
  }
  return conflict;
}

}  // namespace pagejit::emulator
