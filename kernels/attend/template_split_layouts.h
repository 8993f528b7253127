// Who holds what where warps split dims (template_split.h). Each fragment's registers come ldmatrix by ldmatrix.
#pragma once
#include "compiler/layout.h"
#include "kernels/attend/spec.h"

namespace pagejit::attend {

constexpr int block = 64;  // dims of K that are multiplied together, and columns of V

/// [rows, 64]. Octet o of a fragment's rows is the group's octet o xor warp: a warp's own is the first one.
Layout query_layout(const Spec& s);
/// [rows, 64]: neighbours along rows, each warp having some of its group's, as memory is read and written fastest.
Layout row_layout(const Spec& s);
/// [keys, 64] of K.
Layout key_layout(const Spec& s);
/// [keys, 64] of V: sixteen keys of all columns before the next ones.
Layout value_layout(const Spec& s);
/// [rows, keys]: weights as the first operand, all rows before the next keys.
Layout weight_layout(const Spec& s);
/// [rows, 64] of the output.
Layout sum_layout(const Spec& s);
/// [rows, 1]: each of a warp's rows of the output, once in a thread.
Layout sum_rows_layout(const Spec& s);
/// [rows, keys]: a row's scores in four lanes of one warp.
Layout score_layout(const Spec& s);
/// [rows, 4]: an element for each of those lanes.
Layout lane_layout(const Spec& s);
/// Two sums a lane, as they go from warp to warp.
Layout given_layout(const Spec& s);

}  // namespace pagejit::attend
