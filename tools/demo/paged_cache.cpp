#include "tools/demo/paged_cache.h"

#include <algorithm>
#include <cstring>

namespace pagejit::demo {
namespace {
constexpr int layers = 2;          // in the pool; ours is the last one, the other holds NaN
constexpr std::byte poison{0xFF};  // in every float format, a NaN
}  // namespace

PagedCache::PagedCache(Context& context, const TokenShape& shape, int page, int pages, FlattenArgs::Layout layout)
    : context_(context),
      shape_(shape),
      page_(page),
      pages_(pages),
      layout_(layout),
      k_page_(static_cast<std::size_t>(page) * shape.k_bytes()),
      v_page_(static_cast<std::size_t>(page) * shape.v_bytes()),
      memory_(context, static_cast<std::size_t>(pages) * layers * (k_page_ + v_page_), "kv_pool"),
      staged_(k_page_ + v_page_) {
  // The emulator knows by itself which bytes were never written, and that finding says more than a NaN does.
  if (!context.emulated()) context.fill(memory_.get(), std::to_integer<unsigned char>(poison), memory_.size());
}

Tensor PagedCache::view(std::size_t offset, int dim) const {
  std::size_t ours = (layers - 1) * (k_page_ + v_page_) + offset;
  std::int64_t stride = static_cast<std::int64_t>(layers * (k_page_ + v_page_)) / bytes(shape_.elem);
  const std::byte* at = memory_.get() + ours;
  if (layout_ == FlattenArgs::Layout::nhd)
    return Tensor(at, shape_.elem, {pages_, page_, shape_.heads, dim}, {stride, shape_.heads * dim, dim, 1});
  return Tensor(at, shape_.elem, {pages_, shape_.heads, page_, dim}, {stride, page_ * dim, dim, 1});
}

void PagedCache::assemble(const std::vector<std::byte>& tokens, int dim, int first, int count, std::byte* to) const {
  std::size_t head = static_cast<std::size_t>(dim) * bytes(shape_.elem), row = head * shape_.heads;
  bool nhd = layout_ == FlattenArgs::Layout::nhd;
  for (int r = 0; r < count; ++r)
    for (int h = 0; h < shape_.heads; ++h) {
      std::size_t at = nhd ? r * row + h * head : (static_cast<std::size_t>(h) * page_ + r) * head;
      std::memcpy(to + at, tokens.data() + static_cast<std::size_t>(first + r) * row + h * head, head);
    }
}

void PagedCache::write(Sequence& s) {
  for (int p = s.new_from / page_; p * page_ < s.length; ++p) {
    int first = p * page_, count = std::min(page_, s.length - first);
    std::fill(staged_.begin(), staged_.end(), poison);
    assemble(s.k, shape_.dim_k, first, count, staged_.data());
    if (!shape_.joint) assemble(s.v, shape_.dim_v, first, count, staged_.data() + k_page_);
    std::size_t id = static_cast<std::size_t>(s.pages[static_cast<std::size_t>(p)]);
    std::size_t at = (id * layers + layers - 1) * (k_page_ + v_page_);
    context_.copy_in(memory_.get() + at, staged_.data(), staged_.size());
  }
  s.new_from = s.length;
}

}  // namespace pagejit::demo
