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

}  // namespace pagejit::cache
