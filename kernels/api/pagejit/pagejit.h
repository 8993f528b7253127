// All of pagejit's C++ interface. The plain C one is pagejit.h, one folder up.
#pragma once
#include <pagejit/append.h>
#include <pagejit/attend.h>
#include <pagejit/context.h>
#include <pagejit/error.h>
#include <pagejit/flatten.h>
#include <pagejit/gather.h>
#include <pagejit/indices.h>
#include <pagejit/merge.h>
#include <pagejit/rope.h>
#include <pagejit/statistics.h>
#include <pagejit/tensor.h>
