#include "tests/kernels/kernel_ptx.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "compiler/nvptx/codegen.h"
#include "compiler/nvptx/lowering.h"
#include "kernels/registry.h"
#include "kernels/templates.h"
#include "runtime/base/settings.h"
#include "tests/support/check_ptx.h"
#include "tests/support/seed.h"

namespace pagejit::test {

std::string ptx_of_line(const std::string& line, std::string_view target_name) {
  const Target& t = target(target_name);
  auto lowering = make_nvptx_lowering(t);
  Emitted kernel = emit_kernel(request_for(line, std::string(target_name)), *lowering);
  return nvptx::generate(kernel, t, false).ptx;
}

void check_no_spills(std::vector<std::string> lines, const std::string& what, std::size_t most, int bytes, int sm) {
  auto random = random_for(what);
  std::shuffle(lines.begin(), lines.end(), random);
  if (Settings::process().test_all != "1") lines.resize(std::min(most, lines.size()));
  for (const Target& t : targets()) {
    if (t.is_emulator() || t.sm < sm) continue;
    for (const std::string& line : lines) {
      CAPTURE(t.name);
      CAPTURE(line);
      auto a = assemble(ptx_of_line(line, t.name), t.name);
      if (!a) continue;
      CHECK_MESSAGE(a->accepted, a->log);
      CHECK(std::max({a->spill_stores, a->spill_loads, a->stack}) <= bytes);
    }
  }
}

}  // namespace pagejit::test
