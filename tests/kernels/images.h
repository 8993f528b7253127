// Host images of tensors: filled with lists and noise, compared to the bit.
#pragma once
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "runtime/base/elem.h"
#include "tests/kernels/device_buffer.h"

namespace pagejit::tests {

/// A packed list of i32 or i64.
Image integers(Elem e, const std::vector<std::int64_t>& values);

/// Random bits, all kinds of numbers among them; no NaN where a conversion would have to choose one.
void random_row(std::byte* at, std::int64_t elements, Elem e, bool may_be_nan, std::mt19937_64& random);
/// Scales and zeros: mostly such as quantising gives, now and then any number.
void random_metadata(std::byte* at, std::int64_t count, Elem e, std::mt19937_64& random);

/// "" if equal, else the first element that is not. `nan_is_nan`: whatever its payload.
std::string first_difference(const Image& is, const Image& expected, Elem e, bool nan_is_nan);

}  // namespace pagejit::tests
