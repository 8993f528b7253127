// The PTX of spec lines, and what the assembler says of many of them.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pagejit::test {

std::string ptx_of_line(const std::string& line, std::string_view target_name);

/// Assembles a sample of `most` lines for each target (all of them with PAGEJIT_TEST_ALL): accepted, and nothing in
/// local memory but `bytes`. `what` names the sample in the seed; targets older than `sm` are left out. The assembler
/// takes 50 ms a kernel.
void check_no_spills(std::vector<std::string> lines, const std::string& what, std::size_t most, int bytes = 0,
                     int sm = 0);

}  // namespace pagejit::test
