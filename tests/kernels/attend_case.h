// One call of attention with everything around it that may go wrong: rows, table entries and bytes between rows that
// must not be read, outputs with gaps, strides of any kind. Runs on any device.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/api/pagejit/context.h"
#include "tests/kernels/paged_image.h"
#include "tests/reference/attend.h"

namespace pagejit::tests {

struct AttendCase {
  Elem elem = Elem::bf16;  // of queries and output, and of a cache that is not quantised
  Quant quant = Quant::none;
  Elem fp8 = Elem::e4m3, meta = Elem::f16;
  std::int64_t heads = 8, kv_heads = 2, dim_k = 64, dim_v = 64, page = 16;
  bool joint = false;
  CacheLayout layout = CacheLayout::nhd;
  bool flat = false;  // caches are 3-D, pages without gaps
  Elem table = Elem::i32, lengths_elem = Elem::i32;

  std::vector<std::int64_t> lengths = {5, 0, 40, 17};
  std::vector<std::int64_t> queries = {};  // one a sequence; empty: 1 each
  bool ragged = false;                     // by query_indptr, even where all have equally many
  bool causal = true;
  std::int64_t left = -1, right = -1;
  double softcap = 0;
  bool sinks = false, alibi = false, lse = true, empty_lse_pos_inf = false;

  int layers = 1;
  int shift = 0;  // elements that pointers and strides are off their natural alignment
  attend::Tuning tuning = {};
  std::uint64_t seed = 1;

  std::string text() const;
};

class AttendRun {
 public:
  AttendRun(Context& context, const AttendCase& c, const PoisonFunction& poison = {});

  /// Poisons outputs and workspace, launches, and compares. "" or what went wrong.
  std::string check(Stream stream = nullptr);
  void reset_outputs();
  void launch(Stream stream = nullptr);
  std::string compare() const;
  void prepare() { context_.prepare(args_); }
  /// Tells the device of other lengths, none longer than it was made for.
  void shorten(const std::vector<std::int64_t>& lengths);
  /// Puts numbers where the lengths stand, whatever is expected: some kernel is to write them before they count.
  void overwrite_lengths(const std::vector<std::int64_t>& numbers);
  const DecodeArgs& args() const { return args_; }
  DecodeArgs& args() { return args_; }
  /// Output and lse without the gaps: equal bit for bit for equal data, whatever the strides.
  Image results() const;
  /// ‖out − ref‖ / ‖ref‖ of the last launch.
  double error() const;

 private:
  /// Queries or output: rows of heads with gaps between them.
  struct Dense {
    std::int64_t dim = 0, token_stride = 0, head_stride = 0, offset = 0;
    Image image;
    DeviceBuffer buffer;
  };
  struct Side {
    PagedImage cache, scales;
    Image scale;  // fp8
    DeviceBuffer scale_buffer;
    std::vector<float> numbers;  // of what is stored, [sequence][token][head][dim] one behind the other
    std::int64_t dim = 0;
  };

  void choose_pages(std::mt19937_64& random);
  Side make_side(std::int64_t dim, std::mt19937_64& random);
  void fill_row(Side& side, std::int64_t page, std::int64_t row, std::int64_t head, std::mt19937_64& random);
  Dense make_dense(std::int64_t dim) const;
  void make_queries(std::mt19937_64& random);
  void make_lists(const PoisonFunction& poison);
  void make_args();
  void expect();
  Tensor dense_tensor(const Dense& d) const;
  Tensor cache_tensor(const Side& side) const;
  Tensor scales_tensor(const Side& side) const;

  Context& context_;
  AttendCase c_;
  std::int64_t tokens_ = 0, page_count_ = 0, columns_ = 0;
  std::vector<std::int64_t> first_key_;  // of each sequence, in Side::numbers
  std::vector<std::vector<std::int64_t>> pages_;
  Side k_, v_;
  Dense q_, out_;
  std::vector<double> q_values_;
  Image lse_image_;
  DeviceBuffer lse_, table_, lengths_, indptr_, sinks_, slopes_, workspace_;
  std::vector<double> sink_values_, slope_values_;
  DecodeArgs args_;
  reference::Attended expected_;
};

/// Both at once: "" or what went wrong, with the case that shows it.
std::string run_attend(Context& context, const AttendCase& c, const PoisonFunction& poison = {});

}  // namespace pagejit::tests
