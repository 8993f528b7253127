// A shell script in ptxas's place: it says a version, then does as it is told.
#pragma once
#include <string>

#include "tools/temporary_folder.h"

namespace pagejit {

class FakePtxas {
 public:
  /// `body`: shell lines that run with ptxas's arguments, in a folder with kernel.ptx. `good_cubin` makes a cubin whose
  /// kernel is called "flatten".
  explicit FakePtxas(const std::string& body, const std::string& version = "13.0.88");
  static constexpr const char* good_cubin = "cp \"$here/good.cubin\" kernel.cubin\n";

  std::string file() const { return folder_.path() + "/ptxas"; }
  /// A line for each time that its version was asked for.
  std::string asked() const;
  /// "PAGEJIT_PTXAS='…' ", to stand before a command.
  std::string variable() const { return "PAGEJIT_PTXAS='" + file() + "' "; }

 private:
  TemporaryFolder folder_;
};

}  // namespace pagejit
