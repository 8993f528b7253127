#include "runtime/spec_record.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/cache/file.h"

namespace pagejit {
namespace {
constexpr char heading[] = "pagejit-manifest 1\n";
constexpr std::size_t most_bytes = 4096;  // what one write puts into a file in one piece
}  // namespace

void SpecRecord::note(const Request& request) {
  std::lock_guard hold(lock_);
  begin();
  std::string text;
  for (const std::string& line : {"target " + request.target, request.spec_line})
    if (known_.insert(line).second) text += line + "\n";
  if (!text.empty() && text.size() < most_bytes) append(text);
}

void SpecRecord::begin() {
  if (std::exchange(begun_, true)) return;
  // Whoever creates the file writes its first line.
  cache::Fd created(open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
  if (created) cache::write_all(created.get(), heading);
  std::string there = cache::read_small(AT_FDCWD, path_);
  for (std::string_view line : split(there, '\n')) known_.emplace(line);
}

void SpecRecord::append(const std::string& text) {
  cache::Fd fd(open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!fd || !cache::write_all(fd.get(), text))
    warn_once("record " + path_, fmt::format("spec lines cannot be recorded in {}: {}", path_, std::strerror(errno)));
}

}  // namespace pagejit
