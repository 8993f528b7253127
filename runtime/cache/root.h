// Where the private cache lies, and whether it can be trusted: whoever can write there can run code on the GPU.
#pragma once
#include <string>

#include "runtime/base/request.h"
#include "runtime/base/settings.h"
#include "runtime/cache/file.h"

namespace pagejit::cache {

/// PAGEJIT_CACHE_DIR, else $XDG_CACHE_HOME/pagejit, else $HOME/.cache/pagejit, else empty: memory only.
std::string private_root(const Settings& settings);

/// Opens `path` and its folder v1, making what is missing with mode 0700 if `make`. Throws Error(unsafe_cache) where it
/// cannot, where it belongs to another user (root's is fine to read), or where others may write into it.
Fd open_root(const std::string& path, bool make);

/// "<spec>-<key>-" and "<spec>-<key>-<producer>.pj".
std::string entry_prefix(const Request& request);
std::string entry_name(const Request& request, std::string_view producer);
/// "objects/3f", after the name's first two digits.
std::string shard_of(std::string_view entry_name);

}  // namespace pagejit::cache
