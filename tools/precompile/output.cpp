#include "tools/precompile/output.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/error.h"
#include "runtime/base/settings.h"
#include "runtime/base/text.h"
#include "runtime/cache/entry.h"
#include "tools/cli.h"
#include "tools/files.h"
#include "tools/precompile/images.h"
#include "tools/precompile/plan.h"
#include "tools/program.h"

namespace pagejit::precompile {
namespace {
std::string name_of(const Request& request, const std::string& suffix) {
  return fmt::format("{}.{}", hex64(request.key_id), suffix);
}

/// The command that makes a file again, as its first line.
std::string made_by(const Request& request, const std::string& stage) {
  return fmt::format("pagejit-precompile --target {} --spec '{}' --emit {} --out .", request.target, request.spec_line,
                     stage);
}

std::string find_fatbinary(const std::string& path) {
  constexpr const char* usual_folder = "/usr/local/cuda/bin";
  std::string file = find_program("fatbinary", path, {usual_folder});
  if (file.empty())
    fail(Code::absent, "--emit fatbin needs NVIDIA's program fatbinary",
         {{"looked for", "fatbinary"}, {"where", fmt::format("{}:{}", path, usual_folder)}});
  return file;
}

}  // namespace

const std::vector<std::string>& emit_kinds() {
  static const std::vector<std::string> kinds = {"ir", "ptx", "cubin", "fatbin", "header", "object"};
  return kinds;
}

bool needs_cubins(const Wish& wish) {
  std::vector<std::string> stages = cli::split(wish.emit);
  auto has_code = [](const std::string& stage) { return stage != "ir" && stage != "ptx"; };
  return stages.empty() || !wish.cache.empty() || !wish.bundle.empty() || !wish.report.empty() ||
         std::any_of(stages.begin(), stages.end(), has_code);
}

Output::Output(const Wish& wish, bool with_cubins)
    : stages_(cli::split(wish.emit)), folder_(wish.out.empty() ? "." : wish.out), path_(Settings::process().path) {
  for (const std::string& stage : stages_) {
    check_one_of("--emit", stage, emit_kinds());
    if (stage == "fatbin") fatbinary_ = find_fatbinary(path_);
    if (stage == "cubin" && !with_cubins)
      fail(Code::absent, "--emit cubin needs an assembler",
           {{"looked for", "ptxas"}, {"where", "PAGEJIT_PTXAS, PATH, /usr/local/cuda/bin"}});
  }
  if (!stages_.empty()) make_folders(folder_);
  if (wish.bundle.empty()) return;
  const std::string& key = Settings::process().hmac_key_file;
  bundle_ = std::make_unique<cache::BundleWriter>(wish.bundle, key.empty() ? nullptr : cache::SigningKey::load(key));
}

void Output::add(const Request& request, const Artifact& artifact) {
  for (const std::string& stage : stages_) write_stage(stage, request, artifact);
  if (!bundle_) return;
  std::string entry = cache::write_entry(artifact, {});
  std::lock_guard hold(lock_);
  bundle_->add(entry);
}

void Output::write_stage(const std::string& stage, const Request& request, const Artifact& artifact) {
  auto write = [&](const std::string& suffix, const std::string& bytes) {
    write_whole_file(folder_ + "/" + name_of(request, suffix), bytes);
  };
  if (stage == "ir") write("ir", fmt::format("; {}\n{}", made_by(request, stage), artifact.ir));
  if (stage == "ptx") write("ptx", fmt::format("// {}\n{}", made_by(request, stage), artifact.ptx));
  if (stage == "cubin") write("cubin", artifact.cubin);
  if (stage == "header") write("h", fmt::format("// {}\n{}", made_by(request, stage), c_header(request, artifact)));
  if (stage == "object") write("o", elf_object(request, artifact));
  if (stage == "fatbin") {
    std::lock_guard hold(lock_);
    of_spec_[hex64(request.spec_id)].push_back(artifact);
  }
}

void Output::finish() {
  for (auto& [spec, images] : of_spec_)
    write_whole_file(fmt::format("{}/{}.fatbin", folder_, spec), fat_binary(std::move(images), fatbinary_, path_));
  if (bundle_) bundle_->finish();
}

}  // namespace pagejit::precompile
