#include "kernels/templates.h"

#include "compiler/kernel.h"
#include "kernels/append/template.h"
#include "kernels/attend/template.h"
#include "kernels/combine/template.h"
#include "kernels/families.h"
#include "kernels/flatten/template.h"
#include "kernels/indices/template.h"
#include "kernels/merge/template.h"
#include "kernels/registry.h"
#include "kernels/rope/template.h"
#include "runtime/base/error.h"
#include "runtime/base/fields.h"

namespace pagejit {
namespace {

using EmitLine = void (*)(Kernel&, std::string_view line);

struct Row {
  std::string_view family;
  EmitLine emit;
};

#define PJ_FAMILY(id)                             \
  Row{#id, [](Kernel& k, std::string_view line) { \
        auto s = parse_spec<id::Spec>(line);      \
        check(s);                                 \
        id::emit(k, s);                           \
      }},
constexpr Row rows[] = {
#include "kernels/families.def"
};

}  // namespace

Emitted emit_kernel(const Request& request, Lowering& lowering) {
  std::string_view name = family_of(request.spec_line).name;
  for (const Row& row : rows) {
    if (row.family != name) continue;
    Kernel k(lowering);
    row.emit(k, request.spec_line);
    return k.take();
  }
  fail(Code::internal, "a family without a template", {{"spec", request.spec_line}});
}

}  // namespace pagejit
