// Whole files, for programs: made in one piece, read in one piece.
#pragma once
#include <string>

namespace pagejit {

/// Puts it in place once it is complete. Throws Error(internal) that names the path.
void write_whole_file(const std::string& path, const std::string& bytes);
/// Empty where it cannot be read.
std::string read_whole_file(const std::string& path);
/// As mkdir -p. Throws Error(internal) that names the path.
void make_folders(const std::string& path);

}  // namespace pagejit
