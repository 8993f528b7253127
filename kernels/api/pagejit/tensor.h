// Tensors and their element types.
#pragma once
#include "kernels/common/tensor.h"
#include "runtime/base/elem.h"
