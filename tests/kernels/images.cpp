#include "tests/kernels/images.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>

#include "tests/reference/numbers.h"

namespace pagejit::tests {

Image integers(Elem e, const std::vector<std::int64_t>& values) {
  Image image(values.size() * static_cast<std::size_t>(bytes(e)));
  for (std::size_t i = 0; i < values.size(); ++i)
    std::memcpy(image.data() + i * static_cast<std::size_t>(bytes(e)), &values[i], static_cast<std::size_t>(bytes(e)));
  return image;
}

/// Random bits, all kinds of numbers among them; no NaN where a conversion would have to choose one.
void random_row(std::byte* at, std::int64_t elements, Elem e, bool may_be_nan, std::mt19937_64& random) {
  for (std::int64_t i = 0; i < elements; ++i) {
    std::byte* element = at + i * bytes(e);
    do {
      std::uint64_t bits = random();
      std::memcpy(element, &bits, static_cast<std::size_t>(bytes(e)));
    } while (!may_be_nan && reference::is_nan(e, element));
  }
}

/// Scales and zeros: mostly such as quantising gives, now and then any number.
void random_metadata(std::byte* at, std::int64_t count, Elem e, std::mt19937_64& random) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (random() % 8 == 0) {
      random_row(at + i * bytes(e), 1, e, false, random);
      continue;
    }
    double unit = static_cast<double>(random() % 4096) / 4096;
    reference::encode(e, i % 2 == 0 ? unit / 16 : unit * 255, at + i * bytes(e));
  }
}

std::string first_difference(const Image& is, const Image& expected, Elem e, bool nan_is_nan) {
  auto size = static_cast<std::size_t>(bytes(e));
  for (std::size_t i = 0; i + size <= is.size(); i += size) {
    if (std::memcmp(&is[i], &expected[i], size) == 0) continue;
    if (nan_is_nan && is_float(e) && reference::is_nan(e, &is[i]) && reference::is_nan(e, &expected[i])) continue;
    if (!is_float(e))
      return fmt::format("byte {} is {:02x}, expected {:02x}", i, static_cast<int>(is[i]),
                         static_cast<int>(expected[i]));
    return fmt::format("element {} is {} ({:02x}), expected {} ({:02x})", static_cast<std::ptrdiff_t>(i / size),
                       reference::decode(e, &is[i]),
                       fmt::join(reinterpret_cast<const std::uint8_t*>(&is[i]),
                                 reinterpret_cast<const std::uint8_t*>(&is[i]) + size, ""),
                       reference::decode(e, &expected[i]),
                       fmt::join(reinterpret_cast<const std::uint8_t*>(&expected[i]),
                                 reinterpret_cast<const std::uint8_t*>(&expected[i]) + size, ""));
  }
  return "";
}

}  // namespace pagejit::tests
