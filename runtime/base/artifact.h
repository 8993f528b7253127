// What a compile gives, and the interface of whoever gives it.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "runtime/base/request.h"

namespace pagejit {

/// What a launch must know about a kernel. Stored beside it as "name=value" lines.
struct KernelFacts {
  std::string symbol;            // the entry point's name
  std::string target;            // "sm_90a", or "emulator"
  int ptx_isa = 0;               // 78 for PTX 7.8; 0 for none
  int block = 0;                 // threads a block
  int dynamic_shared = 0;        // bytes
  int param_bytes = 0;           // size of the Params struct, passed by value
  int cluster = 1;               // blocks a cluster
  bool pdl = false;              // the code waits with griddepcontrol.wait: it may be launched early
  int registers = -1;            // −1: not known (nobody has assembled it yet)
  int spill_store = -1;          // bytes
  int spill_load = -1;           // bytes
  std::string ir_hash;           // XXH3-128 of the IR before optimisation, hex

  std::string text() const;                         // sorted "name=value" lines
  static KernelFacts parse(const std::string& text);  // throws Error(damaged)
};

struct Artifact {
  std::string key_text;
  std::string producer;  // "llvm=22.1.8 …" lines: which tools made the bytes
  KernelFacts facts;
  std::string ptx, cubin, ir, log;  // each may be empty
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
