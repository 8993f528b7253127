// The demo's own reference must be able to say no: each kind of wrong output is made by hand and must be found.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "tests/support/run_program.h"
#include "tests/support/seed.h"
#include "tools/demo/step.h"

using namespace pagejit;
using namespace pagejit::demo;

namespace {

/// One step on the emulator whose output is right, ready to be spoilt.
struct Flattened {
  std::mt19937_64 random = random_for("demo");
  Context context{Options{.device = "emulator", .cache_dir = {}, .mode = {}}};
  TokenShape shape{2, 16, 8, false, Elem::bf16};
  Limits limits{4, 64, 32};
  Sequences sequences{shape, 8, limits, random};
  PagedCache cache{context, shape, 8, sequences.pages(), FlattenArgs::Layout::nhd};
  StepBuffers buffers{context, shape, 8, limits};
  Step step;
  FlattenArgs args;

  Flattened() {
    for (int i = 0; i < 6; ++i) sequences.advance();
    for (Sequence* s : sequences.pending()) cache.write(*s);
    do step = random_step(sequences, random);
    while (step.batch.empty() || step.batch[0]->length == 0);
    std::int64_t tokens = 0;
    for (const Sequence* s : step.batch) tokens += s->length;
    step.out_rows = tokens + 3;
    args = buffers.prepare(step, cache, FlattenArgs::Layout::nhd);
    context.flatten(args);
  }
  std::int64_t bytes_of(const Tensor& t) const { return t.shape[0] * t.shape[1] * t.shape[2] * bytes(t.elem); }
  void flip(const Tensor& t, std::int64_t byte) {
    unsigned char value = 0;
    std::byte* at = static_cast<std::byte*>(t.data) + byte;
    context.copy_out(&value, at, 1);
    value ^= 1;
    context.copy_in(at, &value, 1);
  }
};

}  // namespace

TEST_CASE("demo: a right output is accepted") {
  Flattened f;
  CHECK_FALSE(f.buffers.verify(f.step).has_value());
}

TEST_CASE("demo: one wrong bit in K's first row is found, and in V's") {
  Flattened k, v;
  k.flip(k.args.k_out, 0);
  CHECK(k.buffers.verify(k.step).value_or("").find("k_out differs") != std::string::npos);
  v.flip(v.args.v_out, 5);
  CHECK(v.buffers.verify(v.step).value_or("").find("v_out differs") != std::string::npos);
}

TEST_CASE("demo: a tail that is not zero is found") {
  Flattened f;
  f.flip(f.args.v_out, f.bytes_of(f.args.v_out) - 1);
  CHECK(f.buffers.verify(f.step).value_or("").find("not zero in tail") != std::string::npos);
}

TEST_CASE("demo: a write past the output's last row is found") {
  Flattened f;
  f.flip(f.args.k_out, f.bytes_of(f.args.k_out));
  CHECK(f.buffers.verify(f.step).value_or("").find("past its last row") != std::string::npos);
}

TEST_CASE("pagejit-demo --json: one object that says what was verified, and nothing recompiled") {
  Ran ran = run_program("pagejit-demo --device emulator --steps 24 --json --seed 7");
  CAPTURE(ran.err);
  REQUIRE(ran.code == 0);
  auto json = nlohmann::json::parse(ran.out);
  CHECK(json["device"] == "emulator");
  CHECK(json["steps"] == 24);
  CHECK(json["verified"] == 24);
  CHECK(json["kernels_compiled"] == 4);
  CHECK(json["recompilations_after_warmup"] == 0);
  CHECK(json["launches"].get<int>() > 0);
  REQUIRE(json["kernels"].size() == 4);
  for (const auto& kernel : json["kernels"]) {
    CHECK(kernel["spec"].get<std::string>().starts_with("flatten "));
    CHECK(kernel["microseconds"].get<double>() > 0);
    CHECK(kernel["gbps"].get<double>() > 0);
    CHECK(kernel["fraction_of_copy"].get<double>() > 0);
  }
}

TEST_CASE("pagejit-demo: the same seed serves the same tokens, another seed others") {
  auto tokens = [](const std::string& seed) {
    Ran ran = run_program("pagejit-demo --device emulator --steps 12 --json --model qwen3-8b --seed " + seed);
    REQUIRE(ran.code == 0);
    return nlohmann::json::parse(ran.out)["models"][0]["tokens"].get<long>();
  };
  CHECK(tokens("3") == tokens("3"));
  CHECK(tokens("3") != tokens("4"));
}

TEST_CASE("pagejit-bench --json on the emulator: every case runs, and no bar is judged") {
  Ran ran = run_program("pagejit-bench --device emulator --json --filter b1");
  CAPTURE(ran.err);
  REQUIRE(ran.code == 0);
  auto json = nlohmann::json::parse(ran.out);
  CHECK(json["cases"].size() >= 2);
  for (const auto& c : json["cases"]) {
    CHECK(c["bytes"].get<long>() > 0);
    CHECK_FALSE(c.contains("met"));
  }
  CHECK(json["cold_compile_ms"]["median"].get<double>() > 0);
}
