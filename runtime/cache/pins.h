// Entries that no collection removes: the file `pins` holds a key, a spec id or a file name a line.
#pragma once
#include <set>
#include <string>
#include <string_view>

namespace pagejit::cache {

class Pins {
 public:
  /// Of the folder <root>/v1; a file that is absent pins nothing.
  static Pins read(int folder);
  /// Whether a line names this entry ("<spec>-<key>-<producer>.pj") by its spec id, its key or all of its name.
  bool holds(std::string_view entry_name) const;
  const std::set<std::string, std::less<>>& lines() const { return lines_; }

 private:
  std::set<std::string, std::less<>> lines_;
};

/// Adds or removes a line, and says whether that changed anything. Throws Error(argument) where the text is neither 16
/// hex digits nor a file name, Error(unsafe_cache) where the file cannot be written.
bool pin(int folder, const std::string& line);
bool unpin(int folder, const std::string& line);

}  // namespace pagejit::cache
