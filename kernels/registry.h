// Every kernel family as text: what `--list` prints, what a spec line may say, what a model can ask for. Needs no
// compiler.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/model.h"
#include "runtime/base/request.h"

namespace pagejit {

struct FieldHelp {
  std::string name, fallback, expected, help;  // fallback: the value of a field that a line leaves out
};

struct Family {
  std::string_view name;
  std::string_view summary;
  /// Reads a line, checks it and prints it with every field, sorted. Throws Error(argument).
  std::string (*canonical)(std::string_view line);
  std::vector<FieldHelp> (*fields)();
  /// Throws Error(argument) where there is no such field, or where it cannot have this value in any Spec.
  void (*check_value)(const std::string& field, const std::string& value);
  /// Layout of the Params struct.
  std::string (*abi)();
  /// The lines of all Specs that serving this model can ask for.
  std::vector<std::string> (*specs_for_model)(const ModelShape& model);
};

std::span<const Family> families();

/// By the first word of a spec line. Throws Error(argument) with the names there are.
const Family& family_of(std::string_view spec_line);

/// The request for a spec line, made canonical first. Throws Error(argument).
Request request_for(std::string_view spec_line, const std::string& target);

}  // namespace pagejit
