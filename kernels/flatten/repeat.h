// The last call of each thread: a server's layers make the same call again and again, on other memory.
#pragma once
#include "kernels/flatten/host.h"

namespace pagejit::flatten {

/// Whether this thread's last call that was kept is `args` in all but its pointers, and these are aligned as those
/// were: then it would be checked, and planned, to the same end, and `out` is that plan with the pointers of `args`.
bool plan_of_last_call(const FlattenArgs& args, int multiprocessors, Plan& out);
/// Keeps a call that was checked and planned.
void keep_call(const FlattenArgs& args, int multiprocessors, const Plan& plan);

}  // namespace pagejit::flatten
