#include "tools/files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "runtime/base/error.h"

namespace pagejit {

void write_whole_file(const std::string& path, const std::string& bytes) {
  std::string temporary = fmt::format("{}.{}.tmp", path, getpid());
  std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
  out << bytes;
  out.close();
  if (out && std::rename(temporary.c_str(), path.c_str()) == 0) return;
  std::string reason = std::strerror(errno);
  std::error_code ignored;
  std::filesystem::remove(temporary, ignored);
  fail(Code::internal, fmt::format("cannot write {}", path), {{"reason", reason}});
}

std::string read_whole_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void make_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail(Code::internal, fmt::format("cannot make the folder {}", path), {{"reason", error.message()}});
}

}  // namespace pagejit
