#include "tools/demo/step.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace pagejit::demo {
namespace {

constexpr int spare_columns = 8, guard_rows = 3;
constexpr std::int32_t garbage_page = 2147480000;  // what the table holds after a sequence's last page
constexpr unsigned char unwritten = 0xFF;

int most_tail(int page) {
  return 2 * page;
}

bool all_are(const std::byte* at, std::size_t count, unsigned char value) {
  return std::all_of(at, at + count, [value](std::byte b) { return std::to_integer<unsigned char>(b) == value; });
}

}  // namespace

Step random_step(Sequences& sequences, std::mt19937_64& random) {
  Step step;
  step.batch = sequences.pick_batch();
  for (const Sequence* s : step.batch) {
    step.out_rows += s->length;
    step.columns = std::max<std::int64_t>(step.columns, static_cast<std::int64_t>(s->pages.size()));
  }
  auto below = [&](int limit) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(limit)); };
  step.columns += below(spare_columns);
  step.out_rows += below(most_tail(sequences.page()) + 1);
  step.out = below(2) == 0 ? FlattenArgs::Out::shd : FlattenArgs::Out::hsd;
  return step;
}

StepBuffers::StepBuffers(Context& context, const TokenShape& shape, int page, Limits limits)
    : context_(context), shape_(shape), page_(page) {
  std::size_t rows = static_cast<std::size_t>(limits.tokens + page * (limits.batch + 2) + most_tail(page) + guard_rows);
  std::size_t columns = static_cast<std::size_t>(limits.length / page + 1 + spare_columns);
  table_ = DeviceMemory(context, static_cast<std::size_t>(limits.batch) * columns * 4, "block_table");
  lengths_ = DeviceMemory(context, static_cast<std::size_t>(limits.batch) * 4, "lengths");
  k_out_ = DeviceMemory(context, rows * shape.k_bytes(), "k_out");
  if (!shape.joint) v_out_ = DeviceMemory(context, rows * shape.v_bytes(), "v_out");
}

Tensor StepBuffers::output(const Step& step, const DeviceMemory& out, int dim) const {
  if (step.out == FlattenArgs::Out::shd) return Tensor(out.get(), shape_.elem, {step.out_rows, shape_.heads, dim});
  return Tensor(out.get(), shape_.elem, {shape_.heads, step.out_rows, dim});
}

FlattenArgs StepBuffers::prepare(const Step& step, const PagedCache& cache, FlattenArgs::Layout layout) {
  std::int64_t batch = static_cast<std::int64_t>(step.batch.size());
  std::vector<std::int32_t> lengths, table(static_cast<std::size_t>(batch * step.columns), garbage_page);
  for (std::size_t b = 0; b < step.batch.size(); ++b) {
    lengths.push_back(step.batch[b]->length);
    std::copy(step.batch[b]->pages.begin(), step.batch[b]->pages.end(),
              table.begin() + static_cast<std::ptrdiff_t>(b) * step.columns);
  }
  if (!table.empty()) context_.copy_in(table_.get(), table.data(), table.size() * 4);
  if (!lengths.empty()) context_.copy_in(lengths_.get(), lengths.data(), lengths.size() * 4);

  FlattenArgs args;
  args.layout = layout;
  args.out = step.out;
  args.k_cache = cache.k();
  args.k_out = output(step, k_out_, shape_.dim_k);
  std::size_t rows = static_cast<std::size_t>(step.out_rows + guard_rows);
  context_.fill(k_out_.get(), unwritten, rows * shape_.k_bytes());
  if (!shape_.joint) {
    args.v_cache = cache.v();
    args.v_out = output(step, v_out_, shape_.dim_v);
    context_.fill(v_out_.get(), unwritten, rows * shape_.v_bytes());
  }
  args.block_table = Tensor(table_.get(), Elem::i32, {batch, step.columns});
  args.lengths = Tensor(lengths_.get(), Elem::i32, {batch});
  return args;
}

std::optional<std::string> StepBuffers::verify(const Step& step) {
  auto wrong = verify_one(step, "k_out", k_out_, shape_.dim_k, &Sequence::k);
  if (!wrong && !shape_.joint) wrong = verify_one(step, "v_out", v_out_, shape_.dim_v, &Sequence::v);
  return wrong;
}

std::optional<std::string> StepBuffers::verify_one(const Step& step, const char* name, const DeviceMemory& out, int dim,
                                                   std::vector<std::byte> Sequence::*tokens) {
  std::size_t head = static_cast<std::size_t>(dim) * bytes(shape_.elem), row = head * shape_.heads;
  std::size_t rows = static_cast<std::size_t>(step.out_rows);
  host_.resize((rows + guard_rows) * row);
  context_.copy_out(host_.data(), out.get(), host_.size());
  bool shd = step.out == FlattenArgs::Out::shd;
  auto at = [&](std::size_t r, int h) { return host_.data() + (shd ? r * row + h * head : (h * rows + r) * head); };

  std::size_t r = 0;
  for (std::size_t b = 0; b < step.batch.size(); ++b)
    for (int t = 0; t < step.batch[b]->length; ++t, ++r)
      for (int h = 0; h < shape_.heads; ++h) {
        const std::byte* expected = (step.batch[b]->*tokens).data() + static_cast<std::size_t>(t) * row + h * head;
        if (std::memcmp(at(r, h), expected, head) != 0)
          return fmt::format("{} differs from the reference: sequence {} of {}, token {} of {}, head {}", name, b,
                             step.batch.size(), t, step.batch[b]->length, h);
      }
  for (; r < rows; ++r)
    for (int h = 0; h < shape_.heads; ++h)
      if (!all_are(at(r, h), head, 0))
        return fmt::format("{} is not zero in tail row {} of {}, head {}", name, r, rows, h);
  if (!all_are(host_.data() + rows * row, guard_rows * row, unwritten))
    return fmt::format("{} was written past its last row", name);
  return std::nullopt;
}

}  // namespace pagejit::demo
