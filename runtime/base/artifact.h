// What a compile gives, and the interface of whoever gives it.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "runtime/base/field_list.h"
#include "runtime/base/request.h"

namespace pagejit {

/// What a launch must know about a kernel. Stored beside it as "name=value" lines.
struct KernelFacts {
  std::string symbol;      // the entry point's name
  std::string target;      // "sm_90a", or "emulator"
  int ptx_isa = 0;         // 78 for PTX 7.8; 0 for none
  int block = 0;           // threads a block
  int dynamic_shared = 0;  // bytes
  int param_bytes = 0;     // size of the Params struct, passed by value
  int cluster = 1;         // blocks a cluster
  bool pdl = false;        // the code waits with griddepcontrol.wait: it may be launched early
  int registers = -1;      // −1: not known (nobody has assembled it yet)
  int spill_store = -1;    // bytes
  int spill_load = -1;     // bytes
  std::string ir_hash;     // XXH3-128 of the IR before optimisation, hex
  std::string chip;        // "9.0": the only chip that the cubin runs on; empty while there is no cubin
  int driver = 0;          // of the driver that made the cubin, 13000 for 13.0
  int local_bytes = -1;    // per thread
  int static_shared = -1;  // bytes
  int max_threads = -1;    // a block, as far as registers allow

  static constexpr auto fields() {
    using F = KernelFacts;
    return std::tuple{field<&F::symbol>("symbol"),
                      field<&F::target>("target"),
                      field<&F::ptx_isa>("ptx_isa"),
                      field<&F::block>("block"),
                      field<&F::dynamic_shared>("dynamic_shared"),
                      field<&F::param_bytes>("param_bytes"),
                      field<&F::cluster>("cluster"),
                      field<&F::pdl>("pdl"),
                      field<&F::registers>("registers"),
                      field<&F::spill_store>("spill_store"),
                      field<&F::spill_load>("spill_load"),
                      field<&F::ir_hash>("ir_hash"),
                      field<&F::chip>("chip"),
                      field<&F::driver>("driver"),
                      field<&F::local_bytes>("local_bytes"),
                      field<&F::static_shared>("static_shared"),
                      field<&F::max_threads>("max_threads")};
  }
  std::string text() const;                           // sorted "name=value" lines
  static KernelFacts parse(const std::string& text);  // throws Error(damaged)
};

struct Artifact {
  std::string key_text;
  std::string producer;  // "llvm=22.1.8 …" lines: which tools made the bytes
  KernelFacts facts;
  std::string ptx, cubin, ir, log;   // each may be empty
  std::map<std::string, double> ms;  // stage → milliseconds (emit, optimise, codegen, assemble)
};

/// A compiler as the runtime sees it: text in, bytes out. May be absent (a runtime-only build).
class Compiler {
 public:
  virtual ~Compiler() = default;
  /// "name=value" lines that say which tools make the bytes; part of an entry's file name.
  virtual std::string producer() const = 0;
  /// PTX (never a cubin) for `request`. Thread-safe. Throws Error(unsupported | compile).
  virtual Artifact compile(const Request& request) = 0;
};

}  // namespace pagejit
