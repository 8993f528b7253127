#include "runtime/cache/cubin_facts.h"

#include <doctest/doctest.h>
#include <elf.h>

#include <random>
#include <string>

#include "runtime/base/error.h"
#include "tests/support/hand_made_cubin.h"
#include "tests/support/seed.h"

using namespace pagejit;

namespace {

std::string hopper() {
  return hand_made_cubin("one", 8, 0x06005a04);
}

/// Reading `bytes` gives kernels or Error(damaged), and nothing else.
bool readable(const std::string& bytes) {
  try {
    cache::read_cubin(bytes);
    return true;
  } catch (const Error& e) {
    REQUIRE(e.code() == Code::damaged);
    return false;
  }
}

}  // namespace

TEST_CASE("cubin facts: registers, frame, stack, parameters, threads and shared memory of each kernel") {
  std::vector<cache::CubinKernel> kernels = cache::read_cubin(hopper());
  REQUIRE(kernels.size() == 2);
  CHECK(kernels[0].symbol == "one");
  CHECK(kernels[0].registers == 40);
  CHECK(kernels[0].frame_bytes == 16);
  CHECK(kernels[0].stack_bytes == 24);
  CHECK(kernels[0].param_bytes == 0x104);
  CHECK(kernels[0].max_threads == 256);
  CHECK(kernels[0].static_shared == 512);  // of 0x600: the system's own KiB is no part of it
  CHECK(kernels[1].symbol == "two");
  CHECK(kernels[1].registers == 255);
  CHECK(kernels[1].max_threads == -1);
  CHECK(kernels[1].static_shared == 0);
}

TEST_CASE("cubin facts: chips before sm_90 keep no shared memory for the system, whichever way they are numbered") {
  CHECK(cache::read_cubin(hand_made_cubin("one", 8, 0x06005004))[0].static_shared == 0x600);
  CHECK(cache::read_cubin(hand_made_cubin("one", 7, 0x00500550))[0].static_shared == 0x600);
  CHECK(cache::read_cubin(hand_made_cubin("one", 7, 0x005a055a))[0].static_shared == 0x200);
}

TEST_CASE("cubin facts: what is known already is not overwritten") {
  KernelFacts facts;
  facts.symbol = "one";
  facts.registers = 7;
  cache::add_cubin_facts(facts, hopper());
  CHECK(facts.registers == 7);
  CHECK(facts.local_bytes == 16);
  CHECK(facts.max_threads == 256);
  KernelFacts other;
  other.symbol = "three";
  cache::add_cubin_facts(other, hopper());
  CHECK(other.registers == -1);
}

TEST_CASE("cubin facts: another kind of file is refused with its reason") {
  auto said = [](const std::string& bytes) {
    try {
      cache::read_cubin(bytes);
    } catch (const Error& e) {
      return e.message();
    }
    return std::string("accepted");
  };
  CHECK(said("").find("header") != std::string::npos);
  CHECK(said(std::string(200, 'x')).find("not a 64-bit ELF") != std::string::npos);
  std::string host = hopper();
  host[offsetof(Elf64_Ehdr, e_machine)] = EM_X86_64;
  CHECK(said(host).find("not CUDA") != std::string::npos);
}

TEST_CASE("cubin facts: no truncation and no changed byte is read past its end") {
  const std::string good = hopper();
  for (std::size_t size = 0; size < good.size(); ++size) CHECK_FALSE(readable(good.substr(0, size)));
  int still = 0;
  for (std::size_t at = 0; at < good.size(); ++at)
    for (unsigned char bits : {0x01, 0x80, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ bits);
      still += readable(bad);
    }
  CHECK(still > 0);
  std::mt19937_64 random = random_for("cubin");
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    for (int change = 0; change < 4; ++change) bad[random() % bad.size()] = static_cast<char>(random());
    readable(bad);
  }
}
