// Boxes brought by the copy engine, stage after stage, as templates write it.
#include "compiler/bulk.h"

#include <doctest/doctest.h>

#include <map>
#include <numeric>

#include "compiler/shared_tile.h"
#include "runtime/base/error.h"
#include "tests/compiler/tile_program.h"

namespace pagejit::test {
namespace {

constexpr int rows = 32, stages = 2;

struct MapParams {
  TensorMap map;
  DevicePtr in, out;
  static constexpr auto fields() {
    using P = MapParams;
    return std::tuple{field<&P::map>("map"), field<&P::in>("in"), field<&P::out>("out")};
  }
};

/// out = rows 0 … 31 of page 0, 1, … of head 1, a page a turn: one thread starts the copies, fragments are read.
Emitted emit_boxes(Lowering& lowering, int columns, int turns) {
  Kernel k(lowering);
  auto p = k.begin<MapParams>("boxes", 32);
  SharedTile tile = SharedTile::boxes(k, "rows", Elem::f16, rows, columns, stages, 1)[0];
  StageBarriers arrivals(k, "arrivals", stages);
  p.tensor(&MapParams::in, Elem::f16);
  Pointer out = p.tensor(&MapParams::out, Elem::f16);
  Layout fragment = Layout::mma_a(rows, columns, {1, 1});
  auto number = [&](int n) { return k.constant(Type::i32, n); };
  auto start = [&](int turn) {
    Value stage = number(turn % stages);
    arrivals.by_one([&] {
      arrivals.expect(stage, number(rows * columns * 2));
      arrivals.copy_box(stage, tile.row(0, stage), p.map(&MapParams::map),
                        {number(0), number(0), number(1), number(turn), number(0)});
    });
  };
  start(0);
  for (int turn = 0; turn < turns; ++turn) {
    Value stage = number(turn % stages);
    arrivals.wait(stage, number(turn / stages % 2));
    k.barrier();
    if (turn + 1 < turns) start(turn + 1);
    Tile got = tile.load(fragment, stage);
    Tile place = relabelled(offsets(k, fragment, Placement::row_major({rows, columns})), got.layout());
    k.store(out + (place + turn * rows * columns), got);
  }
  k.end();
  return k.take();
}

constexpr int pages = 5, page_rows = 32, heads = 3;

/// [pages, page_rows, heads, columns] of numbers, and the tensor that the engine is told of.
struct Boxes {
  Boxes(int columns, int known_rows)
      : emulator([=](const Request&, Lowering& lowering) { return emit_boxes(lowering, columns, pages); }) {
    std::vector<std::uint16_t> in;
    for (int i = 0; i < pages * page_rows * heads * columns; ++i) in.push_back(static_cast<std::uint16_t>(i));
    from = emulator.allocate(in.size() * 2, "in");
    to = emulator.allocate(static_cast<std::size_t>(pages * rows * columns * 2), "out");
    emulator.copy_in(from, in.data(), in.size() * 2, nullptr);
    std::int64_t row = columns * 2;
    tensor = {from,
              2,
              {columns, known_rows, heads, pages, 1},
              {heads * row, row, page_rows * heads * row, row},
              {columns, rows, 1, 1, 1},
              columns * 2};
  }
  void run() {
    MapParams params{{}, from, to};
    REQUIRE(emulator.describe(tensor, params.map));
    emulator.launch(emulator.load(make_request("boxes", "emulator", "", "")), {}, &params, nullptr);
  }
  EmulatorBackend emulator;
  void *from, *to;
  BoxedTensor tensor;
};

TEST_CASE(
    "boxes: what one thread asks for, stage after stage, is what fragments are read from; zeros past the tensor") {
  for (int columns : {16, 32, 64})
    for (int known_rows : {page_rows, 20}) {
      CAPTURE(columns);
      CAPTURE(known_rows);
      Boxes b(columns, known_rows);
      b.run();
      std::vector<std::uint16_t> got(static_cast<std::size_t>(pages * rows * columns));
      b.emulator.copy_out(got.data(), b.to, got.size() * 2, nullptr);
      int wrong = 0;
      for (int i = 0; i < pages * rows * columns; ++i) {
        int column = i % columns, row = i / columns % rows, page = i / columns / rows;
        int source = ((page * page_rows + row) * heads + 1) * columns + column;
        wrong += got[static_cast<std::size_t>(i)] != (row < known_rows ? static_cast<std::uint16_t>(source) : 0);
      }
      CHECK(wrong == 0);
    }
}

TEST_CASE("boxes: one copy fills tiles that lie behind one another, each with the next columns of its rows") {
  static constexpr int tiles = 3, columns = 64, width = tiles * columns;
  EmulatorBackend emulator([](const Request&, Lowering& lowering) {
    Kernel k(lowering);
    auto p = k.begin<MapParams>("boxes", 32);
    std::vector<SharedTile> all = SharedTile::boxes(k, "rows", Elem::f16, rows, columns, stages, tiles);
    StageBarriers arrivals(k, "arrivals", stages);
    p.tensor(&MapParams::in, Elem::f16);
    Pointer out = p.tensor(&MapParams::out, Elem::f16);
    Value zero = k.constant(Type::i32, 0), stage = k.constant(Type::i32, 1);
    arrivals.by_one([&] {
      arrivals.expect(stage, k.constant(Type::i32, rows * width * 2));
      arrivals.copy_box(stage, all[0].row(0, stage), p.map(&MapParams::map), {zero, zero, zero, zero, zero});
    });
    arrivals.wait(stage, zero);
    k.barrier();
    for (int i = 0; i < tiles; ++i) {
      Tile got = all[static_cast<std::size_t>(i)].load(Layout::mma_a(rows, columns, {1, 1}), stage);
      Tile place = k.arange(*got.layout(), 0) * width + (k.arange(*got.layout(), 1) + i * columns);
      k.store(out + place, got);
    }
    k.end();
    return k.take();
  });
  std::vector<std::uint16_t> in(static_cast<std::size_t>(rows * width)), got(in.size());
  std::iota(in.begin(), in.end(), std::uint16_t{0});
  void *from = emulator.allocate(in.size() * 2, "in"), *to = emulator.allocate(in.size() * 2, "out");
  emulator.copy_in(from, in.data(), in.size() * 2, nullptr);
  MapParams params{{}, from, to};
  BoxedTensor tensor{from, 2, {columns, rows, 1, 1, tiles}, {width * 2, 128, 128, 128}, {columns, rows, 1, 1, tiles}};
  REQUIRE(emulator.describe(tensor, params.map));
  emulator.launch(emulator.load(make_request("boxes", "emulator", "", "")), {}, &params, nullptr);
  emulator.copy_out(got.data(), to, got.size() * 2, nullptr);
  CHECK((got == in));
}

TEST_CASE("boxes: what was poisoned may be copied, but not read afterwards") {
  Boxes b(64, page_rows);
  b.emulator.poison(static_cast<char*>(b.from) + 64 * 2, 16);  // of head 1's first row
  CHECK_THROWS_WITH_AS(b.run(), doctest::Contains("is poisoned"), Error);
  Boxes other(64, page_rows);
  other.emulator.poison(other.from, 16);  // of head 0: not in any box
  other.run();
}

/// The first warp writes a word a lane, turn after turn, the second one reads them and gives them back.
Emitted emit_handing(Lowering& lowering, int turns, bool waits_for_return) {
  Kernel k(lowering);
  auto p = k.begin<MapParams>("handing", 64);
  StageBarriers there(k, "there", 1, 32), returned(k, "returned", 1, 32);
  Pointer words = k.shared("words", Elem::i32, 32), out = p.tensor(&MapParams::out, Elem::i32);
  Value lane = k.thread() & 31, stage = k.constant(Type::i32, 0);
  for (int turn = 0; turn < turns; ++turn)
    k.when(
        k.thread() < 32,
        [&] {
          if (waits_for_return) returned.wait(stage, k.constant(Type::i32, (turn & 1) ^ 1));
          k.store(words + lane, lane + 32 * turn);
          there.arrive(stage);
        },
        [&] {
          there.wait(stage, k.constant(Type::i32, turn & 1));
          Tile got = k.load(words + lane, "word");
          k.store(out + (lane + 32 * turn), got);
          returned.arrive(stage);
        });
  k.end();
  return k.take();
}

TEST_CASE("stages: a warp writes again what another has given back; one that does not wait for it runs out of phases") {
  constexpr int turns = 5;
  for (bool waits : {true, false}) {
    CAPTURE(waits);
    EmulatorBackend emulator([=](const Request&, Lowering& l) { return emit_handing(l, turns, waits); });
    std::vector<int> got(32 * turns), expected(got.size());
    std::iota(expected.begin(), expected.end(), 0);
    void* to = emulator.allocate(got.size() * 4, "out");
    MapParams params{{}, nullptr, to};
    auto run = [&] {
      emulator.launch(emulator.load(make_request("handing", "emulator", "", "")), {}, &params, nullptr);
    };
    if (!waits) {
      CHECK_THROWS_WITH_AS(run(), doctest::Contains("wait at the mbarrier"), Error);
      continue;
    }
    run();
    emulator.copy_out(got.data(), to, got.size() * 4, nullptr);
    CHECK((got == expected));
  }
}

TEST_CASE("boxes: the engine is not told of tensors that it cannot walk") {
  Boxes b(64, page_rows);
  TensorMap map;
  auto refused = [&](auto change) {
    BoxedTensor t = b.tensor;
    change(t);
    return !b.emulator.describe(t, map);
  };
  CHECK_FALSE(refused([](BoxedTensor&) {}));
  CHECK(refused([](BoxedTensor& t) { t.data = DevicePtr(t.data.address + 8); }));
  CHECK(refused([](BoxedTensor& t) { t.strides[0] += 8; }));
  CHECK(refused([](BoxedTensor& t) { t.strides[2] = std::int64_t{1} << 40; }));
  CHECK(refused([](BoxedTensor& t) { t.sizes[3] = 0; }));
  CHECK(refused([](BoxedTensor& t) { t.box[1] = 257; }));
  CHECK(refused([](BoxedTensor& t) { t.swizzle = 64; }));
}

TEST_CASE("boxes: a target older than sm_90 refuses them by name; the assembler takes them for all others") {
  auto ptx = [](const char* name) {
    const Target& t = target(name);
    auto lowering = make_nvptx_lowering(t);
    Emitted kernel = emit_boxes(*lowering, 64, 2);
    return nvptx::generate(kernel, t, false).ptx;
  };
  CHECK_THROWS_WITH_AS(ptx("sm_89"), doctest::Contains("needs sm_90 or newer"), Error);
  for (const char* name : {"sm_90", "sm_90a", "sm_100a", "sm_120a"}) must_assemble(ptx(name), name);
}

}  // namespace
}  // namespace pagejit::test
