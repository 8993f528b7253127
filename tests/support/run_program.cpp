#include "tests/support/run_program.h"

#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>

#include "tools/temporary_folder.h"

namespace pagejit {

Ran run_program(const std::string& command) {
  TemporaryFolder folder;
  std::string errors = folder.path() + "/stderr";
  std::string line =
      "PATH='" PAGEJIT_BINARY_DIR "/bin':\"$PATH\"; export PATH; { " + command + "; } 2>'" + errors + "' </dev/null";
  Ran ran;
  FILE* pipe = popen(line.c_str(), "r");
  if (pipe == nullptr) return ran;
  char buffer[4096];
  for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) ran.out.append(buffer, n);
  int status = pclose(pipe);
  if (WIFEXITED(status)) ran.code = WEXITSTATUS(status);
  std::ifstream in(errors, std::ios::binary);
  ran.err.assign(std::istreambuf_iterator<char>(in), {});
  return ran;
}

}  // namespace pagejit
