#include "runtime/base/params.h"

#include <fmt/format.h>

namespace pagejit {

std::string abi_text(std::span<const ParamField> fields, std::size_t size) {
  std::string text;
  for (const ParamField& f : fields) text += fmt::format("{} {} {}\n", f.name, param_type_name(f.type), f.offset);
  return text + fmt::format("size {}\n", size);
}

}  // namespace pagejit
