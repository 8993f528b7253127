// Where the private cache lies, and whether it can be trusted: whoever can write there can run code on the GPU.
#pragma once
#include <string>

#include "runtime/base/request.h"
#include "runtime/base/settings.h"
#include "runtime/cache/file.h"

namespace pagejit::cache {

/// PAGEJIT_CACHE_DIR, else $XDG_CACHE_HOME/pagejit, else $HOME/.cache/pagejit, else empty: memory only.
std::string private_root(const Settings& settings);

enum class Access {
  read_only,  // nothing is made; the folder may be root's
  own,        // for this user alone: what is missing is made with mode 0700
  group,      // for a group: 2770, and another member may own it
};

/// Opens `path` and its folder v1. Throws Error(unsafe_cache) where it cannot, where it belongs to somebody else, or
/// where others may write into it.
Fd open_root(const std::string& path, Access access);
/// The folders that a private root has; needed again where somebody emptied it under us.
void make_inside(int v1);

/// "<spec>-<key>-" and "<spec>-<key>-<producer>.pj".
std::string entry_prefix(const Request& request);
std::string entry_name(const Request& request, std::string_view producer);
/// "objects/3f", after the name's first two digits.
std::string shard_of(std::string_view entry_name);

}  // namespace pagejit::cache
