#include "compiler/emulator/zero_pages.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace pagejit::emulator {
namespace {
constexpr std::size_t small = 64 << 10;  // below this a mapping of its own costs more than clearing
}

ZeroPages::ZeroPages(std::size_t bytes) : bytes_(bytes) {
  if (bytes < small) {
    data_ = static_cast<unsigned char*>(std::calloc(bytes + 1, 1));
    if (!data_) throw std::bad_alloc();
    return;
  }
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<unsigned char*>(memory);
}

ZeroPages::~ZeroPages() {
  if (!data_) return;
  if (bytes_ < small)
    std::free(data_);
  else
    munmap(data_, bytes_);
}

}  // namespace pagejit::emulator
