#include "tools/precompile/failure.h"

#include <fmt/format.h>

#include "kernels/registry.h"
#include "runtime/base/settings.h"
#include "runtime/base/text.h"
#include "tools/files.h"
#include "tools/manifest.h"
#include "tools/precompile/toolchain.h"
#include "tools/ptxas.h"

namespace pagejit::precompile {
namespace {
constexpr const char *manifest_file = "/kernel.manifest", *key_file = "/kernel.key", *ir_file = "/kernel.ir",
                     *ptx_file = "/kernel.ptx", *command_file = "/command", *log_file = "/log";

/// What can still be made of it: all of it where only the assembler failed.
Artifact what_there_is(Compiler& compiler, const Request& request, const Error& error) {
  try {
    return compiler.compile(request);
  } catch (const Error&) {
    Artifact partial;
    for (const auto& [name, value] : error.fields())
      if (name == "IR") partial.ir = value;
    return partial;
  }
}

void write_folder(const std::string& folder, Compiler& compiler, const Request& r, const Error& error) {
  make_folders(folder);
  Artifact made = what_there_is(compiler, r, error);
  auto write = [&](const char* file, const std::string& text) {
    if (!text.empty()) write_whole_file(folder + file, text);
  };
  write(manifest_file, fmt::format("pagejit-manifest 1\ntarget {}\n{}\n", r.target, r.spec_line));
  write(key_file, r.key_text);
  write(ir_file, made.ir);
  write(ptx_file, made.ptx);
  write(command_file,
        fmt::format("pagejit-precompile --target {} --spec '{}'\nptxas -v -arch={} kernel.ptx -o kernel.cubin\n",
                    r.target, r.spec_line, r.target));
  write(log_file, std::string(error.what()) + "\n");
}

Request request_in(const std::string& folder) {
  Manifest manifest = load_manifest(folder + manifest_file);
  if (manifest.lines.size() != 1 || manifest.targets.size() != 1)
    fail(Code::argument, fmt::format("{} is not what a failed kernel left", folder),
         {{"expected", "a folder with a kernel.manifest of one target and one spec line"}});
  return request_for(manifest.lines[0], manifest.targets[0]);
}

std::string compared(const std::string& what, const std::string& then, const std::string& now) {
  if (then.empty()) return fmt::format("{:<9} there was none\n", what);
  return fmt::format("{:<9} {}\n", what, then == now ? "the same as then" : "differs from then");
}

}  // namespace

Error keep_failure(const std::string& folder, Compiler& compiler, const Request& request, const Error& error) {
  std::string own = fmt::format("{}/{}", folder, hex64(request.key_id));
  try {
    write_folder(own, compiler, request, error);
  } catch (const std::exception& e) {
    return error.with("repro folder", fmt::format("none: {}", e.what()));
  }
  return error.with("repro folder", own).with("to do", fmt::format("pagejit-precompile --repro {}", own));
}

std::string try_again(const std::string& folder) {
  Request request = request_in(folder);
  std::string text = fmt::format("spec      {}\ntarget    {}\n", request.spec_line, request.target);
  text += compared("key", read_whole_file(folder + key_file), request.key_text);
  Artifact made = need_toolchain()->compile(request);
  text += compared("IR", read_whole_file(folder + ir_file), made.ir);
  text += compared("PTX", read_whole_file(folder + ptx_file), made.ptx);
  PtxasProgram program = find_ptxas(Settings::process());
  if (!program) return text + "assembler none is found, so the PTX was not tried\n";
  Ptxas(program, request.target).assemble(made);
  return text + fmt::format("assembler ptxas {}: {} bytes, {} registers; it does not fail any more\n", program.version,
                            made.cubin.size(), made.facts.registers);
}

}  // namespace pagejit::precompile
