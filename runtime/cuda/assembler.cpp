#include "runtime/cuda/assembler.h"

#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "runtime/base/error.h"

namespace pagejit::cuda {
namespace {
/// The link interface takes its options as an array of names and one of values squeezed into pointers.
struct LinkOptions {
  std::vector<char> info = std::vector<char>(16 << 10), error = std::vector<char>(16 << 10);
  JitOption names[6] = {jit_info_log,        jit_info_log_bytes,     jit_error_log,
                        jit_error_log_bytes, jit_optimisation_level, jit_log_verbose};
  void* values[6] = {info.data(), number(info.size()), error.data(), number(error.size()), number(3), number(1)};

  static void* number(std::uintptr_t n) { return reinterpret_cast<void*>(n); }
};

class Link {
 public:
  Link(const Driver& driver, LinkOptions& options) : driver_(driver) {
    driver.check(driver.link_create(6, options.names, options.values, &state_), "cuLinkCreate",
                 "starting the assembler");
  }
  ~Link() { driver_.link_destroy(state_); }
  Link(const Link&) = delete;
  LinkState state() const { return state_; }

 private:
  const Driver& driver_;
  LinkState state_ = nullptr;
};

[[noreturn]] void fail_assembly(const Driver& driver, Result result, const LinkOptions& options,
                                const Artifact& artifact) {
  std::string said = options.error.data();
  Error::Fields fields{{"stage", "assemble"}, {"result", driver.result_name(result)}};
  if (result == error_unsupported_ptx_version) {
    fields.emplace_back("needed",
                        fmt::format("PTX ISA {}.{}", artifact.facts.ptx_isa / 10, artifact.facts.ptx_isa % 10));
    fields.emplace_back("found",
                        fmt::format("a driver of CUDA {}.{}", driver.version() / 1000, driver.version() % 1000 / 10));
    fail(Code::too_new, "the PTX is newer than this driver understands", std::move(fields));
  }
  if (!said.empty()) fields.emplace_back("assembler", said);
  fail(Code::compile, fmt::format("the driver cannot assemble the PTX of {}", artifact.facts.symbol),
       std::move(fields));
}

/// The number that stands right before `words`; −1 where the report does not have them.
int number_before(const std::string& log, std::string_view words) {
  std::size_t at = log.find(words);
  if (at == std::string::npos || at < 2) return -1;
  std::size_t end = at - 1, begin = end;
  while (begin > 0 && log[begin - 1] >= '0' && log[begin - 1] <= '9') --begin;
  return begin < end ? std::atoi(log.substr(begin, end - begin).c_str()) : -1;
}
}  // namespace

void read_report(const std::string& log, KernelFacts& facts) {
  facts.registers = number_before(log, "registers");
  facts.spill_store = number_before(log, "bytes spill stores");
  facts.spill_load = number_before(log, "bytes spill loads");
  facts.local_bytes = number_before(log, "bytes stack frame");
}

std::string DriverAssembler::producer() const {
  return fmt::format("assembler=driver {}\ncubin={}", driver(), chip());
}

void DriverAssembler::assemble(Artifact& artifact) {
  const Driver& d = device_.driver();
  RelaxedCapture relaxed(d);
  Current current(d, device_.context());
  LinkOptions options;
  Link link(d, options);
  // The driver wants the terminating zero counted.
  Result added = d.link_add(link.state(), jit_input_ptx, artifact.ptx.data(), artifact.ptx.size() + 1,
                            artifact.facts.symbol.c_str(), 0, nullptr, nullptr);
  if (added != success) fail_assembly(d, added, options, artifact);
  void* cubin = nullptr;
  std::size_t bytes = 0;
  Result completed = d.link_complete(link.state(), &cubin, &bytes);
  if (completed != success) fail_assembly(d, completed, options, artifact);
  artifact.cubin.assign(static_cast<const char*>(cubin), bytes);
  artifact.log += options.info.data();
  read_report(options.info.data(), artifact.facts);
}

}  // namespace pagejit::cuda
