// One call of a gather with everything around it that may go wrong: starts inside pages, table entries and rows that
// must not be read, gaps in the output, strides of any kind. Runs on any device.
#pragma once
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/api/pagejit/context.h"
#include "tests/kernels/paged_image.h"
#include "tests/reference/flatten.h"

namespace pagejit::tests {

struct GatherCase {
  enum class Kind { rows, mla, indexer } kind = Kind::rows;
  Elem from = Elem::bf16, to = Elem::bf16;  // rows; mla: `to` only
  bool scaled = false;                      // rows: `from` is fp8, with a scale
  bool flatten = false;                     // mla: by flatten_mla, which knows heads and the order of the output's axes
  FlattenArgs::Out layout = FlattenArgs::Out::shd;
  int heads = 0;  // 0 is tensors without an axis of heads
  int dim = 64, page = 16;
  bool f32_scales = false;  // indexer: the type that dst_scale is given in
  flatten::Tail tail = flatten::Tail::untouched;
  Elem table = Elem::i32, lengths_elem = Elem::i32;

  std::vector<std::int64_t> lengths = {5, 0, 40, 17};
  std::vector<std::int64_t> seq_starts;  // empty: left out
  std::vector<std::int64_t> starts;      // mla: empty: left out
  std::int64_t rows = 80;

  int layers = 1;
  int shift = 0;  // as in FlattenCase
  std::uint64_t seed = 1;

  std::string text() const;
};

class GatherRun {
 public:
  GatherRun(Context& context, const GatherCase& c, const PoisonFunction& poison = {});

  /// Poisons the outputs again, launches, and compares. "" if every byte is as it must be, else the first that is not.
  std::string check(Stream stream = nullptr);
  void reset_outputs();
  void launch(Stream stream = nullptr);
  std::string compare() const;
  /// Loads what the launch needs.
  void prepare();
  /// The rows of the output alone: equal for equal data, whatever the strides.
  Image rows() const;

 private:
  struct Out {
    Elem elem = Elem::bf16;
    std::int64_t heads = 1, dim = 0, row_stride = 0, head_stride = 0, offset = 0;
    Image image, expected;
    DeviceBuffer buffer;
  };

  void choose_pages(std::mt19937_64& random);
  void make_source(std::mt19937_64& random);
  void fill_row(std::int64_t page, std::int64_t row, std::mt19937_64& random);
  Out make_out(Elem elem, std::int64_t dim, std::int64_t unit);
  void expect(Out& out, reference::Flatten f, std::int64_t first);
  void expect_all();
  void make_lists(const PoisonFunction& poison);
  Tensor out_tensor(const Out& out) const;
  Tensor source_tensor() const;
  FlattenMlaArgs flatten_args() const;
  std::int64_t offset(std::size_t b) const { return c_.seq_starts.empty() ? 0 : c_.seq_starts[b]; }
  std::vector<std::int64_t> cumulated() const;
  template <class F>
  void with_args(F f);

  Context& context_;
  GatherCase c_;
  std::int64_t page_count_ = 0, columns_ = 0;
  std::vector<std::vector<std::int64_t>> pages_;  // −1 where no row is read
  PagedImage source_;
  Image scale_;
  std::vector<Out> outs_;
  DeviceBuffer table_, ranges_, lengths_, starts_, offsets_, scale_buffer_;
};

/// Both at once: "" or what went wrong, with the case that shows it.
std::string run_gather(Context& context, const GatherCase& c, const PoisonFunction& poison = {});

/// As many random cases as are asked for, from one seed; collects at most ten problems.
std::vector<std::string> run_gather_grid(Context& context, std::size_t cases, std::uint64_t seed,
                                         const PoisonFunction& poison = {});

}  // namespace pagejit::tests
