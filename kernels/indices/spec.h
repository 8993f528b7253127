// The index kernels: what is compiled (Spec) and what is launched (Params).
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>

#include "runtime/base/device_ptr.h"
#include "runtime/base/elem.h"
#include "runtime/base/fields.h"

namespace pagejit::indices {

/// Which lists are made.
enum class What : unsigned char {
  positions,  // of each token of a ragged batch: its sequence, and its position there
  seq_lens,   // of each sequence, from its pages and the rows of its last one
  slots,      // of each token, from its sequence and position: page · rows a page + row
  starts,     // the exclusive running sum of lengths
};
constexpr auto enum_names(What) {
  return std::array<std::pair<What, std::string_view>, 4>{
      {{What::positions, "positions"}, {What::seq_lens, "seq_lens"}, {What::slots, "slots"}, {What::starts, "starts"}}};
}

/// How slots finds the pages of a sequence.
enum class Pages : unsigned char {
  table,    // a row of page ids for each sequence
  indices,  // page ids of all sequences behind one another, and where those of each begin
};
constexpr auto enum_names(Pages) {
  return std::array<std::pair<Pages, std::string_view>, 2>{{{Pages::table, "table"}, {Pages::indices, "indices"}}};
}

/// The page size is not here, as it is in the families that move data: these kernels divide once a token and are over
/// before a division matters, so that one kernel serves every model.
struct Spec {
  What what = What::positions;
  Elem from = Elem::i32;  // of page ids (slots) and lengths (starts); i32 for the others
  Elem to = Elem::i32;    // of slots and starts; i32 for the others
  Pages pages = Pages::table;

  static constexpr auto fields() {
    return std::tuple{field<&Spec::what>("what"), field<&Spec::from>("from"), field<&Spec::to>("to"),
                      field<&Spec::pages>("pages")};
  }
  bool operator==(const Spec&) const = default;
};

/// Rules that span fields; throws Error(argument). In host.cpp.
void check(const Spec& s);

/// Everything that may change between two launches.
struct Params {
  DevicePtr indptr;     // positions: [batch + 1] tokens; seq_lens, slots with indices: [batch + 1] pages
  DevicePtr lengths;    // positions, starts: [batch]; seq_lens: [batch] rows of each last page
  DevicePtr pages;      // slots: [batch, …] rows table_row apart, or the page ids of all
  DevicePtr batch_of;   // positions writes it, slots reads it: [items]
  DevicePtr positions;  // the same
  DevicePtr out;        // all but positions: [items]
  std::int64_t table_row;
  std::int32_t items;  // tokens (positions, slots), sequences (seq_lens), sums (starts: batch, or one more)
  std::int32_t batch;
  std::int32_t page;   // rows
  std::int32_t steps;  // positions: of the search, the bits of batch + 1

  static constexpr auto fields() {
    return std::tuple{
        field<&Params::indptr>("indptr"),       field<&Params::lengths>("lengths"),     field<&Params::pages>("pages"),
        field<&Params::batch_of>("batch_of"),   field<&Params::positions>("positions"), field<&Params::out>("out"),
        field<&Params::table_row>("table_row"), field<&Params::items>("items"),         field<&Params::batch>("batch"),
        field<&Params::page>("page"),           field<&Params::steps>("steps")};
  }
};

/// Threads of a block: an item each; for starts one block of many threads and several items each.
constexpr int threads(What what) {
  return what == What::starts ? 1024 : 256;
}
constexpr int sums_a_thread = 4;

/// Items are numbered in 31 bits; a block may look one turn past the last.
constexpr std::int64_t max_items = (std::int64_t{1} << 31) - 8192;

}  // namespace pagejit::indices
