// The order of a page's axes.
#pragma once

namespace pagejit {

/// nhd is [pages, page, heads, dim], hnd is [pages, heads, page, dim].
enum class CacheLayout : unsigned char { nhd, hnd };

}  // namespace pagejit
