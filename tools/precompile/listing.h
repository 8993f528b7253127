// `pagejit-precompile --list`: the families, and what a spec line may say.
#pragma once
#include <string>

namespace pagejit::precompile {

std::string list_as_text();
std::string list_as_json();

}  // namespace pagejit::precompile
