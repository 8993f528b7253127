#include "runtime/cache/producer.h"

#include <algorithm>
#include <vector>

#include "runtime/base/text.h"

namespace pagejit::cache {
namespace {
std::string sorted_lines(std::vector<std::string_view> lines) {
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (std::string_view line : lines) text.append(line) += '\n';
  return text;
}

/// A row each: the whole "assembler=" line. A driver or program that could not say its version can be
/// compared with nothing, so nobody could say later what its code was.
constexpr std::string_view bad_assemblers[] = {"assembler=driver 0", "assembler=ptxas unknown"};
}  // namespace

std::string full_producer(std::string_view compiler, std::string_view assembler) {
  std::string text = compiler_part(compiler);
  text += assembler.empty() ? "assembler=none\ncubin=none\n" : std::string(assembler) + "\n";
  return sorted_lines(split(text, '\n'));
}

std::string compiler_part(std::string_view producer) {
  std::vector<std::string_view> lines = split(producer, '\n');
  std::erase_if(lines,
                [](std::string_view line) { return line.starts_with("assembler=") || line.starts_with("cubin="); });
  return sorted_lines(std::move(lines));
}

std::string assembler_part(std::string_view producer) {
  for (std::string_view line : split(producer, '\n'))
    if (line.starts_with("assembler=")) return std::string(line);
  return {};
}

bool known_bad(std::string_view producer) {
  std::string mine = assembler_part(producer);
  return std::find(std::begin(bad_assemblers), std::end(bad_assemblers), mine) != std::end(bad_assemblers);
}

}  // namespace pagejit::cache
