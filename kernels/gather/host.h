// Gathers for chunked prefill: calls that flatten's kernel serves. There is no Spec of their own.
#pragma once
#include "kernels/flatten/host.h"
#include "kernels/gather/args.h"

namespace pagejit::flatten {

bool plan(const GatherArgs& args, int multiprocessors, Plan& out);
bool plan(const GatherMlaArgs& args, int multiprocessors, Plan& out);
bool plan(const GatherIndexerArgs& args, int multiprocessors, Plan& out);

}  // namespace pagejit::flatten
