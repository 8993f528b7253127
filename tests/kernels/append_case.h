// One call of a writer, with everything around it that may go wrong: pages in random order, tokens that are skipped,
// caches full of noise, strides and offsets that a server would have. Runs on any device.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "kernels/api/pagejit/context.h"
#include "tests/kernels/device_buffer.h"
#include "tests/reference/append.h"

namespace pagejit::tests {

struct AppendCase {
  enum class Call { fill, append, reshape, fill656, mla_split, mla_joint, concat, row656, indexer };
  enum class Numbers { usual, awkward };  // awkward: constant rows, zeros, infinities, NaN, subnormals, far offsets

  struct Sequence {
    std::int64_t history = 0, length = 0;  // tokens in the cache before, new ones; below 0: the first ones are skipped
  };

  Call call = Call::fill;
  Quant quant = Quant::none;
  Elem in = Elem::bf16, stored = Elem::bf16, meta = Elem::f16;  // stored: of none and fp8
  int heads = 2, dim_k = 32, dim_v = 32, page = 16;             // dim_v = 0: K alone
  CacheLayout layout = CacheLayout::nhd;
  ScaleRule rule = ScaleRule::blocked;
  bool power_of_two = false, scale_a_head = false;

  std::vector<Sequence> sequences = {{1, 1}, {16, 8}, {31, 16}, {24, 24}};
  Elem table = Elem::i32, lengths = Elem::i32;  // slots: table
  append::Starts starts = append::Starts::given;
  int skip_each = 0;  // slots, positions: every so many tokens are marked; 0: none
  int spare = 0;      // rows of the input that the lists say nothing of
  int valid = -1;     // of valid_tokens; below 0: left out
  Numbers numbers = Numbers::usual;

  int layers = 1;  // the cache is the middle layer of a buffer of so many
  int shift = 0;   // elements that every pointer and every stride is off its natural alignment
  std::uint64_t seed = 1;

  std::string text() const;
};

/// What a sanitizer is told not to allow the kernel: bytes that must not be read. May be empty.
using PoisonFunction = std::function<void(void* at, std::size_t bytes)>;
using AnyAppendArgs =
    std::variant<FillArgs, AppendArgs, ReshapeAndCacheArgs, AppendMlaArgs, ConcatMlaArgs, IndexerArgs>;

class AppendRun {
 public:
  AppendRun(Context& context, const AppendCase& c, const PoisonFunction& poison = {});

  AnyAppendArgs& args() { return args_; }
  void launch(Stream stream = nullptr);
  void prepare();
  std::string spec_line();
  /// Poisons the caches again, launches, and compares. "" if every byte is as it must be, else the first that is not.
  std::string check(Stream stream = nullptr);
  void reset_caches();
  std::string compare() const;
  /// The rows of all tokens that were written, codes and then metadata: equal for equal data, whatever the strides.
  Image rows() const;
  /// Overwrites another run's inputs and lists with this one's, as a server does between two replays, and makes it
  /// expect what this one does. Both must be of one shape.
  void move_to(AppendRun& other) const;

 private:
  /// Memory that is written: here before, here after, there; and what may differ.
  struct Store {
    std::string name;
    Image before, after, loose;
    std::map<std::size_t, Elem> numbers;  // where metadata stand
    DeviceBuffer buffer;
  };
  /// A tensor in a store; bytes. Sizes without layers and shifts.
  struct Place {
    int store = -1;
    std::int64_t offset = 0, page = 0, row = 0, head = 0, width = 0;
  };
  struct Side {
    Quant quant = Quant::none;
    Elem stored = Elem::bf16;
    std::int64_t dim = 0, in_offset = 0, in_token = 0, in_head = 0;
    Image in;
    std::vector<float> scales;
    Place codes, metadata;
    DeviceBuffer in_buffer, scale_buffer;
  };
  struct List {
    Image image;
    DeviceBuffer buffer;
  };

  void place_tokens(std::mt19937_64& random);
  void place_ragged(std::mt19937_64& random);
  void make_input(Side& side, std::mt19937_64& random);
  void fill_row(std::byte* at, std::int64_t dim, std::mt19937_64& random) const;
  void make_caches();
  Place make_cache(const char* name, std::int64_t row_elements, Elem elem, int must_align);
  void make_mla_caches();
  void make_expected();
  reference::Append reference_for(Side& side);
  void make_args();
  void rows_args(AppendRows& rows);
  Tensor in_tensor(const Side& side, int rank) const;
  Tensor cache_tensor(const Place& place, Elem elem, int rank) const;
  Tensor list(const char* name, Elem elem, const std::vector<std::int64_t>& values);
  void poison_inputs(const PoisonFunction& poison);
  bool two_sides() const { return side_v_.dim > 0; }
  bool ragged() const { return c_.call == AppendCase::Call::fill || c_.call == AppendCase::Call::fill656; }
  /// K, its scales and V in one row of 656 bytes.
  bool rows_656() const { return c_.call == AppendCase::Call::fill656 || c_.call == AppendCase::Call::row656; }

  Context& context_;
  AppendCase c_;
  std::int64_t page_count_ = 0, columns_ = 0, tokens_ = 0, input_rows_ = 0;
  std::vector<std::vector<std::int64_t>> pages_;
  std::vector<reference::Place> places_;                 // of every row of the input
  std::vector<std::int64_t> starts_, owner_, position_;  // owner_, position_: of every token of the lists
  Side side_k_, side_v_;
  std::vector<Store> stores_;
  std::map<std::string, List> lists_;
  AnyAppendArgs args_;
};

/// Both at once: "" or what went wrong, with the case that shows it.
std::string run_append(Context& context, const AppendCase& c, const PoisonFunction& poison = {});

}  // namespace pagejit::tests
