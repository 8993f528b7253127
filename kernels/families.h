// The host side of every family in families.def.
#pragma once
#include "kernels/append/host.h"
#include "kernels/attend/host.h"
#include "kernels/combine/host.h"
#include "kernels/flatten/host.h"
#include "kernels/gather/host.h"
#include "kernels/indices/host.h"
#include "kernels/merge/host.h"
#include "kernels/rope/host.h"
