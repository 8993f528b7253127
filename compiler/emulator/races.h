// Who touched which byte last, so that two accesses that nothing keeps apart are seen.
//
// A cell of the shadow stands for 16 bytes, or for 8, 4, 2, 1 in pages where something narrower was accessed: never for
// more than one access covered, so that neighbours are not confused. Pages are made when first touched.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "compiler/emulator/clocks.h"
#include "compiler/emulator/zero_pages.h"

namespace pagejit::emulator {

enum class Touch { read, write, atomic };

/// Who touches: a thread of a block, and what its warp knows of the others.
struct Actor {
  std::uint32_t block;  // its number in the launch, from 1
  int thread;
  const Clocks* clocks;
};

/// The other one.
struct Conflict {
  std::uint32_t block;
  int thread;
  bool wrote;
};

class RaceShadow {
 public:
  explicit RaceShadow(std::uint64_t bytes);
  ~RaceShadow();
  RaceShadow(const RaceShadow&) = delete;

  /// Notes an access and tells whom it collides with. What was noted in another generation is forgotten.
  std::optional<Conflict> touch(std::uint64_t generation, std::uint64_t offset, int bytes, Touch how,
                                const Actor& actor);

 private:
  struct Page;
  Page& page(std::uint64_t number);

  ZeroPages directory_;  // Page*, by number
  std::vector<Page*> pages_;
};

}  // namespace pagejit::emulator
