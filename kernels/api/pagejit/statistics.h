// Counters of a context: compiles, hits, launches.
#pragma once
#include "runtime/backend.h"
