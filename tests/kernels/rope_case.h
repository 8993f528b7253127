// One call of rope, with everything around it that may go wrong: pages in random order, garbage wherever nothing may
// be read, random bytes in the outputs, strides and offsets that a server would have. Runs on any device.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/api/pagejit/context.h"
#include "tests/kernels/device_buffer.h"
#include "tests/reference/rope.h"

namespace pagejit::tests {

constexpr std::size_t rope_guard = 64;  // bytes on both sides of everything

struct RopeCase {
  enum class Call : unsigned char { quantize, append, append_mla };
  Call call = Call::append;
  Elem in = Elem::bf16, q = Elem::e4m3, kv = Elem::e4m3;
  rope::Style style = rope::Style::neox;
  int query_heads = 4, kv_heads = 2, rope_dim = 32, nope_dim = 32, dim_v = 64;  // append_mla: one KV head, no V
  int page = 16;
  RopeAppendArgs::Layout layout = RopeAppendArgs::Layout::nhd;
  bool by_slot = false;
  Elem list = Elem::i32, pos = Elem::i32;
  rope::Padding padding = rope::Padding::skip_all;
  float scale_q = 1, scale_kv = 1;
  bool scales_in_memory = false;
  bool settled = false;

  std::int64_t tokens = 20;
  std::vector<std::int64_t> padded = {};  // these tokens are padding, one way or another
  std::int64_t valid = -1;                // valid_tokens; −1: left out
  bool one_row = false;  // both parts of a head lie in one row: of the inputs, the query outputs, the MLA cache

  int layers = 1;  // caches are the middle layer of a buffer of so many
  int shift = 0;   // elements that every pointer and every stride is off its natural alignment
  rope::Tuning tuning = {};
  std::uint64_t seed = 1;

  std::string text() const;
};

/// What a sanitizer is told not to allow the kernel: bytes that must not be read. May be empty.
using ForbidFunction = std::function<void(void* at, std::size_t bytes)>;

class RopeRun {
 public:
  RopeRun(Context& context, const RopeCase& c, const ForbidFunction& forbid = {});

  void launch(Stream stream = nullptr);
  void prepare();
  /// Fills the outputs anew, launches, and compares. "" if every byte is as it must be, else the first that is not.
  std::string check(Stream stream = nullptr);
  void reset_outputs();
  /// Compares all buffers with what they must hold after a launch.
  std::string compare() const;
  /// What was written, alone: equal for equal data, whatever the strides.
  Image rows() const;
  /// The other case's lists and inputs in this one's buffers, which must be of the same sizes.
  void take_inputs(const RopeRun& other);

 private:
  struct Memory {
    std::string name;
    Image image, expected;
    DeviceBuffer buffer;
    std::vector<bool> read;  // bytes that a launch may read
    bool output = false;
    Elem elem = Elem::u8;
  };
  /// [pages, rows, heads, dim] somewhere in a memory; inputs and dense outputs have a page a token.
  struct Walk {
    std::shared_ptr<Memory> memory;
    Elem elem = Elem::bf16;
    std::int64_t offset = 0, pages = 0, rows = 1, heads = 0, dim = 0, page_step = 0, row_step = 0, head_step = 0;
    std::int64_t at(std::int64_t page, std::int64_t row, std::int64_t head) const {
      return (offset + page * page_step + row * row_step + head * head_step) * bytes(elem);
    }
    Walk part(std::int64_t first, std::int64_t count) const;
  };
  struct Side {
    Walk in, out;
  };

  std::shared_ptr<Memory> add(std::string name, std::size_t bytes, bool output);
  Walk dense(const char* name, Elem e, std::int64_t heads, std::int64_t dim, bool output);
  Walk paged(const char* name, std::int64_t heads, std::int64_t dim, int gap);
  Tensor list(const char* name, Elem e, const std::vector<std::int64_t>& values, const std::vector<bool>& read = {});

  void make_places();
  void make_inputs();
  void make_outputs();
  void make_table();
  void make_args();
  void fill_inputs();
  void expect();
  void expect_part(const Side& side, bool rotated, bool query, float scale);
  void forbid_rest(const ForbidFunction& forbid);

  Tensor rows_tensor(const Walk& w, bool flat) const;
  Tensor cache_tensor(const Walk& w) const;
  Tensor mla_tensor(const Walk& w) const;
  void make_shared_args(RopeInputs& a);
  void make_place_args(RopePlaces& a);
  bool is_padding(std::int64_t token) const;

  Context& context_;
  RopeCase c_;
  std::mt19937_64 random_;
  std::vector<std::shared_ptr<Memory>> memories_;
  std::vector<reference::RopePlace> places_;
  std::vector<std::int64_t> positions_;  // rows of the table
  std::int64_t page_count_ = 0, table_rows_ = 40;
  std::vector<float> table_;
  Side q_rope_, q_nope_, k_rope_, k_nope_, v_;
  RopeQuantizeArgs quantize_;
  RopeAppendArgs append_;
  RopeAppendMlaArgs mla_;
};

/// Both at once: "" or what went wrong, with the case that shows it.
std::string run_rope(Context& context, const RopeCase& c, const ForbidFunction& forbid = {});

}  // namespace pagejit::tests
