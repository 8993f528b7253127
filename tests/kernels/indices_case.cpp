#include "tests/kernels/indices_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace pagejit::tests {
namespace {

constexpr std::size_t guard = 36;  // bytes; an element of 4 bytes then lies at no more than its own alignment
constexpr std::byte untouched{0xa5};

std::size_t guard_of(Elem e) {
  return e == Elem::i64 ? guard + 4 : guard;
}
std::size_t size_of(Elem e) {
  return static_cast<std::size_t>(bytes(e));
}

}  // namespace

DeviceList::DeviceList(Context& context, Elem elem, Numbers values, const char* label, const PoisonBytes& poison)
    : elem_(elem), count_(values.size()), label_(label), buffer_(context, image_of(values), label) {
  if (!poison) return;
  poison(buffer_.data(), guard_of(elem));
  poison(at(count_), guard_of(elem));
}

DeviceList::DeviceList(Context& context, Elem elem, std::size_t count, const char* label)
    : elem_(elem),
      count_(count),
      label_(label),
      buffer_(context, Image(count * size_of(elem) + 2 * guard_of(elem), untouched), label) {}

Image DeviceList::image_of(const Numbers& values) const {
  Image image(values.size() * size_of(elem_) + 2 * guard_of(elem_), untouched);
  for (std::size_t i = 0; i < values.size(); ++i)
    std::memcpy(image.data() + guard_of(elem_) + i * size_of(elem_), &values[i], size_of(elem_));
  return image;
}

std::byte* DeviceList::at(std::size_t i) const {
  return buffer_.data() + guard_of(elem_) + i * size_of(elem_);
}

Tensor DeviceList::tensor() const {
  return Tensor(at(0), elem_, {static_cast<std::int64_t>(count_)});
}

Tensor DeviceList::table(std::int64_t columns) const {
  std::int64_t rows = columns == 0 ? 0 : static_cast<std::int64_t>(count_) / columns;
  return Tensor(at(0), elem_, {rows, columns});
}

void DeviceList::write(const Numbers& values) {
  buffer_.write(image_of(values));
}

void DeviceList::reset() {
  buffer_.write(Image(buffer_.size(), untouched));
}

std::string DeviceList::compare(const Numbers& expected) const {
  Image is = buffer_.read(), should = image_of(expected);
  auto [at, other] = std::mismatch(is.begin(), is.end(), should.begin(), should.end());
  if (at == is.end() && other == should.end()) return "";
  auto byte = at - is.begin() - static_cast<std::ptrdiff_t>(guard_of(elem_));
  auto element = byte / static_cast<std::ptrdiff_t>(size_of(elem_));
  if (byte < 0 || element >= static_cast<std::ptrdiff_t>(count_))
    return fmt::format("{}: byte {} was written, beside the {} elements", label_, byte, count_);
  std::int64_t value = 0;
  std::memcpy(&value, this->at(static_cast<std::size_t>(element)) - buffer_.data() + is.data(), size_of(elem_));
  return fmt::format("{}[{}] is {:#x}, expected {}", label_, element, value,
                     expected[static_cast<std::size_t>(element)]);
}

Numbers indptr_of(const Numbers& lengths) {
  Numbers all{0};
  for (std::int64_t length : lengths) all.push_back(all.back() + length);
  return all;
}

std::string run_case(Context& context, const PositionsCase& c, const PoisonBytes& poison) {
  DeviceList indptr(context, Elem::i32, c.indptr, "append_indptr", poison);
  DeviceList lengths(context, Elem::i32, c.lengths, "seq_lens", poison);
  auto count = static_cast<std::size_t>(c.tokens);
  DeviceList sequence(context, Elem::i32, count, "batch_indices"), position(context, Elem::i32, count, "positions");
  BatchPositionsArgs a{indptr.tensor(), lengths.tensor(), sequence.tensor(), position.tensor()};
  context.batch_positions(a);
  auto expected = reference::positions(c.indptr, c.lengths, c.tokens);
  return sequence.compare(expected.sequence) + position.compare(expected.position);
}

std::string run_case(Context& context, const SeqLensCase& c, const PoisonBytes& poison) {
  DeviceList indptr(context, Elem::i32, c.indptr, "kv_indptr", poison);
  DeviceList last(context, Elem::i32, c.last_page, "kv_last_page_len", poison);
  DeviceList lengths(context, Elem::i32, c.last_page.size(), "seq_lens");
  SeqLensArgs a{indptr.tensor(), last.tensor(), c.page, lengths.tensor()};
  context.seq_lens(a);
  return lengths.compare(reference::seq_lens(c.indptr, c.last_page, c.page));
}

std::string run_case(Context& context, const SlotsCase& c, const PoisonBytes& poison) {
  DeviceList sequence(context, Elem::i32, c.tokens.sequence, "batch_indices", poison);
  DeviceList position(context, Elem::i32, c.tokens.position, "positions", poison);
  DeviceList slots(context, c.to, c.tokens.sequence.size(), "slots");
  std::size_t columns = 1;  // more than any sequence has pages: the rest is garbage
  Numbers table, all, counts;
  for (const Numbers& ids : c.pages) columns = std::max(columns, ids.size() + 1);
  for (const Numbers& ids : c.pages) {
    table.insert(table.end(), ids.begin(), ids.end());
    table.insert(table.end(), columns - ids.size(), 2147480000);
    all.insert(all.end(), ids.begin(), ids.end());
    counts.push_back(static_cast<std::int64_t>(ids.size()));
  }
  DeviceList entries(context, c.from, table, "block_table", poison), ids(context, c.from, all, "kv_indices", poison);
  DeviceList indptr(context, Elem::i32, indptr_of(counts), "kv_indptr", poison);
  for (std::size_t b = 0; poison && b < c.pages.size(); ++b)
    poison(entries.at(b * columns + c.pages[b].size()), (columns - c.pages[b].size()) * size_of(c.from));
  SlotMappingArgs a;
  a.batch_indices = sequence.tensor(), a.positions = position.tensor();
  a.page = c.page, a.slots = slots.tensor();
  if (c.form == indices::Pages::table)
    a.block_table = entries.table(static_cast<std::int64_t>(columns));
  else
    a.kv_indptr = indptr.tensor(), a.kv_indices = ids.tensor();
  context.slot_mapping(a);
  return slots.compare(reference::slots(c.tokens, c.pages, c.page));
}

std::string run_case(Context& context, const StartsCase& c, const PoisonBytes& poison) {
  std::size_t sums = c.lengths.size() + (c.total ? 1 : 0);
  DeviceList lengths(context, c.from, c.lengths, "lengths", poison), starts(context, c.to, sums, "starts");
  context.start_offsets({lengths.tensor(), starts.tensor()});
  return starts.compare(reference::starts(c.lengths, sums, c.to == Elem::i32 ? INT32_MAX : INT64_MAX));
}

}  // namespace pagejit::tests
