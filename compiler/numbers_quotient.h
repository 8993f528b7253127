// Division by a reciprocal: what the quotients of numbers.h are made of.
#pragma once
#include <llvm/IR/IRBuilder.h>

#include <functional>
#include <vector>

#include "compiler/builder.h"

namespace pagejit {

using Results = std::vector<llvm::Value*>;

/// 1 / y, correctly rounded for y in [2^-126, 2^126): the machine's approximation and one step of Newton's.
llvm::Value* reciprocal_of(Kernel::Builder& b, llvm::Value* y);

/// x / y by Markstein's three steps, from r = 1 / y correctly rounded; y is positive. Correctly rounded where nothing
/// overflows or is subnormal.
llvm::Value* by_reciprocal(Kernel::Builder& b, llvm::Value* x, llvm::Value* y, llvm::Value* r);

/// y in [2^-60, 2^60).
llvm::Value* usual_divisor(Kernel::Builder& b, llvm::Value* y);
/// x is a zero, or |x| in [2^-63, 2^65): by a usual divisor its quotient is neither subnormal nor too large, and every
/// remainder is exact.
llvm::Value* usual_dividend_or_zero(Kernel::Builder& b, llvm::Value* x);

/// What `fast` emits where `usual` holds, else what `slow` emits, which is as many values.
Results either(Kernel::Builder& b, llvm::Value* usual, const std::function<Results()>& fast,
               const std::function<Results()>& slow);

}  // namespace pagejit
