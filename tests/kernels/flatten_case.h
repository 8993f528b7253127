// One call of flatten, with everything around it that may go wrong: pages in random order, NaN wherever nothing may be
// read, poison in the output, strides and offsets that a server would have. Runs on any device.
#pragma once
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/api/pagejit/context.h"
#include "tests/kernels/paged_image.h"
#include "tests/reference/flatten.h"

namespace pagejit::tests {

struct FlattenCase {
  Elem kv = Elem::bf16, to = Elem::bf16;  // kv: of caches that are not quantised; in fp8 the format
  Quant quant = Quant::none;
  Elem meta = Elem::f16;
  int heads = 2, dim_k = 32, dim_v = 32, page = 16;
  FlattenArgs::Layout layout = FlattenArgs::Layout::nhd;
  FlattenArgs::Out out = FlattenArgs::Out::shd;
  bool joint = false;  // V is the first dim_v elements of K
  flatten::Tail tail = flatten::Tail::zero;
  bool zero_gaps = false;
  Elem table = Elem::i32, lengths_elem = Elem::i32;

  std::vector<std::int64_t> lengths = {2, 24, 47, 48};
  std::vector<std::int64_t> starts;  // empty: computed on the device
  Elem starts_elem = Elem::i32;
  std::int64_t out_rows = 150;

  int layers = 1;  // the cache is the middle layer of a buffer of so many
  int shift = 0;   // elements that every pointer and every stride is off its natural alignment
  std::uint64_t seed = 1;

  std::int64_t total() const;
  std::string text() const;
};

class FlattenRun {
 public:
  FlattenRun(Context& context, const FlattenCase& c, const PoisonFunction& poison = {});

  const FlattenArgs& args() const { return args_; }
  FlattenArgs& args() { return args_; }
  /// Poisons the outputs again, launches, and compares. "" if every byte is as it must be, else the first that is not.
  std::string check(Stream stream = nullptr);
  void reset_outputs();
  /// Compares all buffers with what they must hold after a launch.
  std::string compare() const;
  /// The rows of the outputs alone, in the order [row, head, element]: equal for equal data, whatever the strides.
  Image rows(bool of_v) const;

 private:
  /// A cache with its metadata and its output: memory here and there, and how it is walked.
  struct Side {
    Quant quant = Quant::none;
    Elem stored = Elem::u8;
    std::int64_t dim = 0;
    PagedImage cache, scales;  // scales: empty unless each row has some
    Image few_scales;          // fp8's one, or one a head
    DeviceBuffer few_buffer;
    std::int64_t out_row_stride = 0, out_head_stride = 0, out_offset = 0;
    Image out, expected;
    DeviceBuffer out_buffer;
  };

  void choose_pages(std::mt19937_64& random);
  void make_cache(Side& side, std::mt19937_64& random);
  void make_scales(Side& side, std::mt19937_64& random);
  void make_out(Side& side);
  void make_lists();
  void make_args();
  void poison_dead(const PoisonFunction& poison);
  std::vector<std::int64_t> starts() const;
  reference::Flatten reference_for(const Side& side, Image& out) const;
  Tensor out_tensor(const Side& side) const;
  Tensor scales_tensor(const Side& side) const;
  void fill_live_rows(PagedImage& image, const std::function<void(std::byte*)>& f) const;
  std::string compare_side(const Side& side, const char* name) const;

  Context& context_;
  FlattenCase c_;
  std::int64_t page_count_ = 0, columns_ = 0;
  std::vector<std::vector<std::int64_t>> pages_;
  Image table_, lengths_, starts_image_;
  Side k_, v_;
  DeviceBuffer table_buffer_, lengths_buffer_, starts_buffer_;
  FlattenArgs args_;
};

/// Both at once: "" or what went wrong, with the case that shows it.
std::string run_flatten(Context& context, const FlattenCase& c, const PoisonFunction& poison = {});

}  // namespace pagejit::tests
