// The index kernels on a GPU: any batch, a million sequences, chains of launches that start early, graphs.
#include <doctest/doctest.h>

#include "runtime/cuda/timing.h"
#include "tests/device/gpu.h"
#include "tests/kernels/indices_case.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

Numbers random_numbers(std::mt19937_64& random, std::size_t count, std::int64_t least, std::int64_t most) {
  Numbers all(count);
  for (auto& n : all) n = std::uniform_int_distribution<std::int64_t>(least, most)(random);
  return all;
}

/// Tokens, their places and their slots: one kernel's output is the next one's input.
struct Chain {
  static constexpr std::int64_t tokens = 5000, batch = 300, page = 16, columns = 10;
  Chain(std::mt19937_64& random)
      : indptr(*gpu(), Elem::i32, indptr_of(Numbers(batch, 0)), "append_indptr"),
        lengths(*gpu(), Elem::i32, Numbers(batch, 0), "seq_lens"),
        table_values(random_numbers(random, batch * columns, 0, 100'000)),
        table(*gpu(), Elem::i32, table_values, "block_table"),
        sequence(*gpu(), Elem::i32, tokens, "batch_indices"),
        position(*gpu(), Elem::i32, tokens, "positions"),
        slots(*gpu(), Elem::i64, tokens, "slots"),
        places{indptr.tensor(), lengths.tensor(), sequence.tensor(), position.tensor()} {
    mapping.batch_indices = sequence.tensor(), mapping.positions = position.tensor();
    mapping.block_table = table.table(columns), mapping.page = page, mapping.slots = slots.tensor();
  }

  void launch(Stream stream) {
    gpu()->batch_positions(places, stream);
    gpu()->slot_mapping(mapping, stream);
  }
  void write(const Numbers& appended, const Numbers& all_lengths) {
    indptr.write(indptr_of(appended));
    lengths.write(all_lengths);
    sequence.reset(), position.reset(), slots.reset();
    gpu()->synchronise();
  }
  std::string compare(const Numbers& appended, const Numbers& all_lengths) const {
    auto expected = reference::positions(indptr_of(appended), all_lengths, tokens);
    std::vector<Numbers> pages;
    for (auto row = table_values.begin(); row != table_values.end(); row += columns)
      pages.emplace_back(row, row + columns);
    return sequence.compare(expected.sequence) + position.compare(expected.position) +
           slots.compare(reference::slots(expected, pages, page));
  }

  DeviceList indptr, lengths;
  Numbers table_values;
  DeviceList table, sequence, position, slots;
  BatchPositionsArgs places;
  SlotMappingArgs mapping;
};

}  // namespace

TEST_CASE("indices on a GPU: positions and lengths of small and large batches") {
  if (gpu() == nullptr) return;
  auto random = random_for("indices on a GPU");
  for (std::size_t batch : {0, 1, 3, 33, 1000, 20'000})
    for (std::int64_t padding : {0, 777}) {
      Numbers appended = random_numbers(random, batch, 0, 9);
      if (batch > 2) appended[batch / 2] = 100'000;
      PositionsCase p{indptr_of(appended), random_numbers(random, batch, 0, 200'000), 0};
      p.tokens = p.indptr.back() + padding;
      CHECK(run_case(*gpu(), p) == "");
      Numbers pages = random_numbers(random, batch, 0, 900);
      CHECK(run_case(*gpu(), SeqLensCase{indptr_of(pages), random_numbers(random, batch, 1, 61), 61}) == "");
    }
}

TEST_CASE("indices on a GPU: running sums of every type, a million of them among others") {
  if (gpu() == nullptr) return;
  auto random = random_for("sums on a GPU");
  for (Elem from : {Elem::i32, Elem::i64})
    for (Elem to : {Elem::i32, Elem::i64})
      for (std::size_t batch : {1, 31, 1000, 4096, 4097, 1'000'000})
        for (bool total : {false, true}) {
          CAPTURE(batch);
          CHECK(run_case(*gpu(), StartsCase{random_numbers(random, batch, -5, 4000), total, from, to}) == "");
        }
}

TEST_CASE("indices on a GPU: slots look up what the launch before wrote, and a graph replays with the moment's batch") {
  if (gpu() == nullptr) return;
  auto random = random_for("a chain of indices");
  Chain chain(random);
  cuda::OwnStream stream(device_of(*gpu()));
  gpu()->prepare(chain.places);
  gpu()->prepare(chain.mapping);
  cuda::Replay replay(device_of(*gpu()), stream.get(), [&] { chain.launch(stream.get()); });
  for (int round = 0; round < 40; ++round) {
    Numbers appended = random_numbers(random, Chain::batch, 0, 16);
    Numbers lengths = random_numbers(random, Chain::batch, 0, Chain::page * Chain::columns);
    chain.write(appended, lengths);
    if (round % 2)
      replay.launch(stream.get());
    else
      for (int i = 0; i < 5; ++i) chain.launch(stream.get());
    gpu()->synchronise(stream.get());
    CHECK(chain.compare(appended, lengths) == "");
  }
}

}  // namespace pagejit::tests
