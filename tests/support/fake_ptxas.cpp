#include "tests/support/fake_ptxas.h"

#include <sys/stat.h>

#include "tests/support/hand_made_cubin.h"
#include "tools/files.h"

namespace pagejit {

FakePtxas::FakePtxas(const std::string& body, const std::string& version) {
  write_whole_file(folder_.path() + "/good.cubin", hand_made_cubin("flatten"));
  write_whole_file(file(), "#!/bin/sh\nhere='" + folder_.path() + "'\nif [ \"$1\" = --version ]; then\n" +
                               "  echo asked >> \"$here/asked\"\n  echo 'Cuda compilation tools, release 13.0, V" +
                               version + "'\n  exit 0\nfi\n" + body);
  chmod(file().c_str(), 0755);
}

std::string FakePtxas::asked() const {
  return read_whole_file(folder_.path() + "/asked");
}

}  // namespace pagejit
