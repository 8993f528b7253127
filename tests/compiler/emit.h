// A template's PTX, for tests that look at text.
#pragma once
#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "compiler/kernel.h"
#include "compiler/nvptx/codegen.h"
#include "compiler/nvptx/lowering.h"
#include "tests/support/check_ptx.h"

namespace pagejit::test {

/// A parameter of every kind, for kernels that live in one test.
struct Params {
  DevicePtr in;
  DevicePtr out;
  std::int64_t stride;
  std::int32_t n;
  std::int32_t m;

  static constexpr auto fields() {
    return std::tuple{field<&Params::in>("in"), field<&Params::out>("out"), field<&Params::stride>("stride"),
                      field<&Params::n>("n"), field<&Params::m>("m")};
  }
};

using Body = std::function<void(Kernel&, const Kernel::Parameters<Params>&)>;

inline Emitted emit(Lowering& lowering, int threads, const Body& body) {
  Kernel k(lowering);
  auto p = k.begin<Params>("test_kernel", threads);
  body(k, p);
  k.end();
  return k.take();
}

inline std::string ptx_of(std::string_view target_name, int threads, const Body& body) {
  const Target& t = target(target_name);
  auto lowering = make_nvptx_lowering(t);
  Emitted kernel = emit(*lowering, threads, body);
  return nvptx::generate(kernel, t, false).ptx;
}

/// Where there is an assembler, it takes the text.
inline void must_assemble(const std::string& ptx, std::string_view target_name) {
  if (auto a = assemble(ptx, target_name)) CHECK_MESSAGE(a->accepted, a->log, "\n", ptx);
}

}  // namespace pagejit::test
