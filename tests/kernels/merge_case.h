// One call of merge_attn_states with everything around it that may go wrong: NaN in rows that count nothing, bytes
// between rows that must be neither read nor written, strides of any kind. Runs on any device.
#pragma once
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/api/pagejit/context.h"
#include "tests/kernels/paged_image.h"
#include "tests/reference/merge.h"

namespace pagejit::tests {

struct MergeCase {
  Elem in = Elem::bf16, to = Elem::bf16;
  std::int64_t tokens = 7, heads = 3, dim = 64;
  bool lse = true;            // out_lse is asked for
  float scale = 0;            // of an fp8 output; 0: left out
  std::int64_t context = -1;  // tokens with a prefix; −1: all
  bool on_device = false;     // context is told in memory
  LseAxes axes = LseAxes::tokens_heads;
  enum class Into { own, prefix, suffix } into = Into::own;  // where out lies
  int gap = 0;    // elements between rows, of lse between numbers too; a multiple of 16 keeps alignment
  int shift = 0;  // elements that pointers and strides are off their natural alignment
  std::uint64_t seed = 1;

  std::string text() const;
};

class MergeRun {
 public:
  MergeRun(Context& context, const MergeCase& c, const PoisonFunction& poison = {});

  /// Resets outputs, launches, and compares. "" or what went wrong.
  std::string check(Stream stream = nullptr);
  void reset();
  void launch(Stream stream = nullptr) { context_.merge_attn_states(args_, stream); }
  std::string compare() const;
  void prepare() { context_.prepare(args_); }
  const MergeArgs& args() const { return args_; }
  /// Output and lse without the gaps: equal bit for bit for equal data, whatever the strides.
  Image results() const;
  /// Tells the device of another number of tokens with a prefix.
  void set_context(std::int64_t context);

 private:
  /// Elements of tokens and heads with gaps between them; a row of one is a number.
  struct Rows {
    Elem elem = Elem::f32;
    std::int64_t dim = 1, token = 0, head = 0, offset = 0;
    Image image;
    std::vector<bool> live;
    DeviceBuffer buffer;

    std::size_t at(std::int64_t t, std::int64_t h) const;
    std::size_t row_bytes() const;
  };

  Rows make_rows(Elem elem, std::int64_t dim) const;
  Rows make_lse() const;
  void fill_row(std::int64_t t, std::int64_t h, std::mt19937_64& random);
  void upload(const PoisonFunction& poison);
  void make_args();
  const Rows& out_rows() const;
  Rows& out_rows() { return const_cast<Rows&>(std::as_const(*this).out_rows()); }
  bool with_prefix(std::int64_t t) const { return c_.context < 0 || t < c_.context; }
  std::string compare_row(std::int64_t t, std::int64_t h, const Image& out, const Image& lse) const;
  /// By 1 / scale.
  double multiplied(double exact) const;
  Tensor tensor(const Rows& r) const;
  Tensor lse_tensor(const Rows& r) const;

  Context& context_;
  MergeCase c_;
  Rows prefix_, suffix_, out_, prefix_lse_, suffix_lse_, out_lse_;
  std::vector<reference::AttentionState> prefix_values_, suffix_values_;
  DeviceBuffer scale_, tokens_with_prefix_;
  MergeArgs args_;
};

/// Both at once: "" or what went wrong, with the case that shows it.
std::string run_merge(Context& context, const MergeCase& c, const PoisonFunction& poison = {});

}  // namespace pagejit::tests
