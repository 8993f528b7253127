#include <dlfcn.h>

#include "tests/support/fake.h"

namespace pagejit {

void* fake_symbol(const char* name) {
  static void* library = dlopen(PAGEJIT_FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
  return library ? dlsym(library, name) : nullptr;
}

}  // namespace pagejit
