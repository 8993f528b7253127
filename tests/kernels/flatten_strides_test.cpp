// Strides change addresses and nothing else: packed and strided views agree to the bit, far addresses are 64 bits wide.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstring>

#include "tests/kernels/emulated.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

/// Address space without memory behind it: what is touched costs, the rest does not.
class Sparse {
 public:
  Sparse(std::size_t bytes, const char* label) : bytes_(bytes) {
    at_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(at_ != MAP_FAILED);
    emulated().backend().adopt(at_, bytes, label);
  }
  ~Sparse() {
    emulated().backend().release(at_);
    munmap(at_, bytes_);
  }
  std::byte* data() const { return static_cast<std::byte*>(at_); }

 private:
  void* at_;
  std::size_t bytes_;
};

std::vector<Image> rows_of_each(FlattenCase c, const std::vector<int>& layers, const std::vector<int>& shifts) {
  std::vector<Image> all;
  for (int l : layers)
    for (int s : shifts) {
      c.layers = l, c.shift = s;
      FlattenRun run(emulated().context(), c, emulated().poison());
      REQUIRE(run.check() == "");
      all.push_back(run.rows(false));
      all.push_back(run.rows(true));
    }
  return all;
}

}  // namespace

TEST_CASE(
    "flatten: one layer of a cross-layer cache gives what the packed cache gives, to the bit, and bleeds nothing") {
  for (auto layout : {FlattenArgs::Layout::nhd, FlattenArgs::Layout::hnd}) {
    FlattenCase c;
    c.layout = layout, c.seed = test_seed();
    std::vector<Image> rows = rows_of_each(c, {1, 3}, {0});
    CHECK(rows[0] == rows[2]);
    CHECK(rows[1] == rows[3]);
    CHECK(std::any_of(rows[0].begin(), rows[0].end(), [](std::byte b) { return b != std::byte{0}; }));
  }
}

TEST_CASE("flatten: every alignment class gives the same rows, to the bit") {
  FlattenCase c;
  c.dim_k = 96, c.dim_v = 40, c.seed = test_seed();
  std::vector<Image> rows = rows_of_each(c, {1, 3}, {0, 8, 4, 2, 1});
  for (std::size_t i = 2; i < rows.size(); ++i) CHECK(rows[i] == rows[i % 2]);
}

TEST_CASE("flatten: page ids near 2^31 are 64-bit addresses") {
  // One row a page, one head of 8 elements: page 2^31 - 2 lies 32 GB behind page 0.
  constexpr std::int64_t last = (std::int64_t{1} << 31) - 2;
  Sparse cache(static_cast<std::size_t>(last + 1) * 16, "k_cache");
  std::vector<std::int32_t> table = {0, static_cast<std::int32_t>(last), 1 << 30, 268435456, 7};
  for (std::size_t i = 0; i < table.size(); ++i)
    std::memset(cache.data() + std::int64_t{table[i]} * 16, static_cast<int>(i + 1), 16);
  Image out(table.size() * 16), lengths(4);
  std::int32_t length = static_cast<std::int32_t>(table.size());
  std::memcpy(lengths.data(), &length, 4);
  Image entries(table.size() * 4);
  std::memcpy(entries.data(), table.data(), entries.size());
  DeviceBuffer out_buffer(emulated().context(), out, "out"), lengths_buffer(emulated().context(), lengths, "lengths"),
      table_buffer(emulated().context(), entries, "table");
  FlattenArgs a;
  a.k_cache = Tensor(cache.data(), Elem::bf16, {last + 1, 1, 1, 8});
  a.k_out = Tensor(out_buffer.data(), Elem::bf16, {length, 1, 8});
  a.block_table = Tensor(table_buffer.data(), Elem::i32, {1, length});
  a.lengths = Tensor(lengths_buffer.data(), Elem::i32, {1});
  emulated().context().flatten(a);
  out = out_buffer.read();
  for (std::size_t i = 0; i < out.size(); ++i) REQUIRE(out[i] == static_cast<std::byte>(i / 16 + 1));
}

TEST_CASE("flatten: strides of pages, heads and output rows beyond 2^32 elements are never narrowed") {
  constexpr std::int64_t far = (std::int64_t{1} << 32) + 64, rows = 5, heads = 3;
  // Cache: head stride far, page stride 3 · far. Output: row stride 3 · far, head stride far.
  Sparse cache(static_cast<std::size_t>(rows * heads * far) * 2, "k_cache"),
      out(static_cast<std::size_t>(rows * heads * far) * 2, "k_out");
  std::vector<std::int32_t> numbers = {4, 0, 3, 1, 2, rows};  // the table, then the length
  Image image(numbers.size() * 4);
  std::memcpy(image.data(), numbers.data(), image.size());
  DeviceBuffer lists(emulated().context(), image, "lists");
  for (std::int64_t page = 0; page < rows; ++page)
    for (std::int64_t head = 0; head < heads; ++head)
      std::memset(cache.data() + (page * heads + head) * far * 2, static_cast<int>(10 * page + head), 16);
  FlattenArgs a;
  a.k_cache = Tensor(cache.data(), Elem::bf16, {rows, 1, heads, 8}, {heads * far, 8, far, 1});
  a.k_out = Tensor(out.data(), Elem::bf16, {rows, heads, 8}, {heads * far, far, 1});
  a.block_table = Tensor(lists.data(), Elem::i32, {1, rows});
  a.lengths = Tensor(lists.data() + 20, Elem::i32, {1});
  emulated().context().flatten(a);
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t head = 0; head < heads; ++head)
      for (int byte = 0; byte < 16; ++byte)
        REQUIRE(out.data()[(row * heads + head) * far * 2 + byte] ==
                static_cast<std::byte>(10 * numbers[static_cast<std::size_t>(row)] + head));
}

TEST_CASE("flatten: a table wider than it is used, its rows any distance apart") {
  FlattenCase c;
  FlattenRun run(emulated().context(), c);
  // The same table behind another row stride: taken apart by hand into one with 3 more columns.
  Image narrow = Image(static_cast<std::size_t>(run.args().block_table.shape[0] * run.args().block_table.shape[1] * 4));
  emulated().context().copy_out(narrow.data(), run.args().block_table.data, narrow.size());
  std::size_t row = narrow.size() / 4;
  Image wide(4 * (row + 40), std::byte{0x7f});
  for (std::size_t b = 0; b < 4; ++b) std::memcpy(&wide[b * (row + 40)], &narrow[b * row], row);
  DeviceBuffer buffer(emulated().context(), wide, "block_table");
  auto columns = static_cast<std::int64_t>(row / 4);
  run.args().block_table = Tensor(buffer.data(), Elem::i32, {4, columns}, {columns + 10, 1});
  CHECK(run.check() == "");
}

TEST_CASE("flatten: ten thousand random calls compile what the first call did") {
  Emulated fresh;
  auto random = random_for("ten thousand launches");
  auto pick = [&](std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random);
  };
  for (int i = 0; i < 10'000; ++i) {
    FlattenCase c;
    c.page = 4, c.heads = static_cast<int>(pick(1, 2)), c.dim_k = c.dim_v = 8, c.seed = random();
    c.lengths.clear();
    for (std::int64_t b = pick(0, 4); b > 0; --b) c.lengths.push_back(pick(0, 9));
    c.out_rows = std::max<std::int64_t>(1, c.total() + pick(-3, 9));
    c.layers = static_cast<int>(pick(1, 3)), c.shift = static_cast<int>(8 * pick(0, 1));
    FlattenRun run(fresh.context(), c);
    if (i % 50 == 0)
      REQUIRE(run.check() == "");
    else
      fresh.context().flatten(run.args());
    REQUIRE(fresh.context().statistics().compiles == 1);
  }
  CHECK(fresh.context().statistics().launches == 10'000);
}

}  // namespace pagejit::tests
