// The cache on the device: pages of one layer inside a buffer that other layers share, as a cross-layer pool has them.
#pragma once
#include <pagejit/pagejit.h>

#include <cstddef>
#include <vector>

#include "tools/demo/sequences.h"
#include "tools/device_memory.h"

namespace pagejit::demo {

class PagedCache {
 public:
  PagedCache(Context& context, const TokenShape& shape, int page, int pages, FlattenArgs::Layout layout);

  Tensor k() const { return view(0, shape_.dim_k); }
  Tensor v() const { return view(k_page_, shape_.dim_v); }  // not for joint caches
  /// Copies what is new of a sequence. The rows of its last page that it does not use yet are filled with NaN.
  void write(Sequence& s);

 private:
  Tensor view(std::size_t offset, int dim) const;
  void assemble(const std::vector<std::byte>& tokens, int dim, int first, int count, std::byte* to) const;

  Context& context_;
  TokenShape shape_;
  int page_, pages_;
  FlattenArgs::Layout layout_;
  std::size_t k_page_, v_page_;  // bytes of one page of this layer
  DeviceMemory memory_;
  std::vector<std::byte> staged_;
};

}  // namespace pagejit::demo
