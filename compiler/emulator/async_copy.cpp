// cp.async: a copy's destination is nobody's to read until the thread that issued it has waited for it.
#include <fmt/format.h>

#include <cstring>

#include "compiler/emulator/machine.h"

namespace pagejit::emulator {

void Block::copy_async(Thread& t, std::uint32_t shared, std::uint64_t global, int bytes, int read) {
  AsyncCopy copy{shared, bytes, t.group, {}};
  const Place& to = shared_place(shared);
  if (!access(t, to, shared, bytes, Touch::write)) return;
  if (read != 0) {
    const Place& from = global_place(global);
    auto refused = [&](Finding::Kind kind, std::string why) {
      refuse(t, from, global, bytes, false, kind, std::move(why));
    };
    const unsigned char* data = nullptr;
    if (read < 0 || read > bytes)
      refused(Finding::Kind::out_of_bounds, fmt::format("{} bytes are to be read in a piece of {}", read, bytes));
    else if (global % static_cast<std::uint64_t>(bytes) != 0)
      refused(Finding::Kind::misaligned, fmt::format("its address is no multiple of {}", bytes));
    else
      data = access(t, from, global, read, Touch::read);
    if (data) std::memcpy(copy.data.data(), data, static_cast<std::size_t>(read));
  }
  unsigned char* s = to.state + (shared - to.start);
  for (int i = 0; i < bytes; ++i) s[i] |= state::pending;
  t.copies.push_back(copy);
}

void Block::copy_wait(Thread& t, int groups_pending) {
  auto arrives = [&](const AsyncCopy& c) { return c.group + static_cast<std::uint32_t>(groups_pending) < t.group; };
  for (const AsyncCopy& c : t.copies) {
    if (!arrives(c)) continue;
    const Place& to = shared_place(c.shared);
    unsigned char* s = to.state + (c.shared - to.start);
    for (int i = 0; i < c.bytes; ++i) s[i] &= static_cast<unsigned char>(~state::pending);
    // Written now as far as others can tell: a thread that reads it needs a barrier after this one's wait.
    if (unsigned char* data = access(t, to, c.shared, c.bytes, Touch::write))
      std::memcpy(data, c.data.data(), static_cast<std::size_t>(c.bytes));
  }
  std::erase_if(t.copies, arrives);
}

}  // namespace pagejit::emulator
