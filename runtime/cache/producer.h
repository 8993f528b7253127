// Which tools made an entry's bytes, as "name=value" lines; part of its file name, never of its identity.
#pragma once
#include <string>
#include <string_view>

namespace pagejit::cache {

/// The compiler's lines and the assembler's ("assembler=driver 13000", "cubin=9.0"), sorted. Without an assembler:
/// "assembler=none", "cubin=none".
std::string full_producer(std::string_view compiler, std::string_view assembler);
/// What is left of a producer text without the assembler's lines.
std::string compiler_part(std::string_view producer);
/// The assembler's lines of a producer text, without its chip: "assembler=driver 13000".
std::string assembler_part(std::string_view producer);
/// Whether its assembler is on the short list of those whose code is never used, whatever the policy.
bool known_bad(std::string_view producer);

}  // namespace pagejit::cache
