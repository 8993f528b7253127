// Runs a target without libFuzzer: seeds, the corpus, then mutations of both, the same on every run.
//
//   fuzz-NAME FOLDER RUNS              what ctest does
//   fuzz-NAME --write-seeds FOLDER     for libFuzzer to start from
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/runtime/support.h"
#include "tests/support/seed.h"

namespace pagejit::fuzz {
namespace {
std::string current;  // for whoever looks into a failure

/// Keeps the input that ended the process.
void keep_input(int) {
  char name[] = "fuzz-finding-XXXXXX";
  int file = mkstemp(name);
  if (write(file, current.data(), current.size()) >= 0) std::fprintf(stderr, "the input lies in %s\n", name);
  _exit(1);
}

bool feed(std::string input) {
  current = std::move(input);
  return accepts(current);
}

int replay(const std::string& folder, long runs) {
  std::vector<std::string> inputs = seeds();
  for (const std::string& seed : inputs) expect(feed(seed), "a seed is accepted");
  std::size_t made = inputs.size();
  for (const std::string& file : testing::files_under(folder))
    inputs.push_back(testing::read_file(folder + "/" + file));
  expect(inputs.size() > made, "the corpus is where ctest says it is");
  for (const std::string& input : inputs) feed(input);

  Mutator mutate(random_for("fuzz " + folder.substr(folder.rfind('/') + 1)), inputs);
  long taken = 0;
  for (long i = 0; i < runs; ++i) taken += feed(mutate());
  std::printf("%zu inputs and %ld mutations of them, of which %ld were accepted\n", inputs.size(), runs, taken);
  expect(taken > 0 && taken < runs, "mutations reach both sides of the checks");
  return 0;
}
}  // namespace
}  // namespace pagejit::fuzz

int main(int argc, char** argv) {
  std::signal(SIGABRT, pagejit::fuzz::keep_input);
  pagejit::fuzz::write_seeds_if_asked(argc, argv);
  if (argc == 3) return pagejit::fuzz::replay(argv[1], std::atol(argv[2]));
  std::fprintf(stderr, "usage: %s FOLDER RUNS, or --write-seeds FOLDER\n", argv[0]);
  return 2;
}
