// What is thrown: a code, a sentence, and the fields that a reader needs.
#pragma once
#include "runtime/base/error.h"
