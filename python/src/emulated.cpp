#include "python/src/emulated.h"

#include <algorithm>
#include <string>

#if PAGEJIT_WITH_COMPILER
#include "compiler/emulator/backend.h"
#endif

namespace pagejit::python {

#if PAGEJIT_WITH_COMPILER
namespace {

struct Span {
  char *begin, *end;
  std::string label;
};

/// From the first element to behind the last. Strides may be negative here: the call refuses them later, by name.
Span span_of(const HostTensor& t) {
  std::int64_t low = 0, high = 0, width = bytes(t.tensor.elem);
  for (int d = 0; d < t.tensor.rank; ++d) {
    std::int64_t reach = (t.tensor.shape[d] - 1) * t.tensor.stride[d];
    (reach < 0 ? low : high) += reach;
  }
  auto* at = static_cast<char*>(t.tensor.data);
  return {at + low * width, at + (high + 1) * width, t.name};
}

bool empty(const Tensor& t) {
  return t.data == nullptr || std::any_of(t.shape, t.shape + t.rank, [](std::int64_t size) { return size == 0; });
}

/// Views of one buffer become one span.
std::vector<Span> spans_of(const HostTensor* tensors, int count) {
  std::vector<Span> spans, merged;
  for (int i = 0; i < count; ++i)
    if (!empty(tensors[i].tensor)) spans.push_back(span_of(tensors[i]));
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.begin < b.begin; });
  for (Span& s : spans) {
    if (merged.empty() || s.begin >= merged.back().end) {
      merged.push_back(std::move(s));
      continue;
    }
    Span& last = merged.back();
    last.end = std::max(last.end, s.end);
    last.label += " and " + s.label;
  }
  return merged;
}

std::mutex one_at_a_time;

}  // namespace

void HostMemory::adopt(Context& context, const HostTensor* tensors, int count) {
  turn_ = std::unique_lock(one_at_a_time);
  context_ = &context;
  auto& emulator = dynamic_cast<EmulatorBackend&>(context.backend());
  try {
    for (const Span& s : spans_of(tensors, count)) {
      emulator.adopt(s.begin, static_cast<std::size_t>(s.end - s.begin), s.label.c_str());
      adopted_.push_back(s.begin);
    }
  } catch (...) {
    release();
    throw;
  }
}

void HostMemory::release() {
  for (void* memory : adopted_) context_->release(memory);
}
#else
void HostMemory::adopt(Context&, const HostTensor*, int) {}  // there is no emulator: no context lies on the host
void HostMemory::release() {}
#endif

}  // namespace pagejit::python
