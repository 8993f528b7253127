// The main of every test program: prints the seed that random inputs are made from, and knows how to say "skipped".
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "tests/support/seed.h"
#include "tests/support/skip.h"

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  std::printf("seed %llu (PAGEJIT_SEED=… runs with another)\n", static_cast<unsigned long long>(pagejit::test_seed()));
  std::fflush(stdout);
  int result = context.run();
  if (context.shouldExit() || result != 0) return result;
  if (pagejit::skip_reasons().empty()) return 0;
  for (const std::string& reason : pagejit::skip_reasons()) std::printf("skipped: %s\n", reason.c_str());
  return pagejit::skip_code;
}
