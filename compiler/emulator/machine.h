// The SIMT machine: the threads of one block as fibers, their barriers and warps, their shared memory.
//
// Blocks run one after another and the threads of a block in a fixed order, so that every run finds the same things.
#pragma once
#include <array>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "compiler/emulator/clocks.h"
#include "compiler/emulator/fiber.h"
#include "compiler/emulator/finding.h"
#include "compiler/emulator/memory.h"
#include "compiler/emulator/mma.h"
#include "compiler/lowering.h"
#include "runtime/backend.h"

namespace pagejit::emulator {

/// Where the shared window begins: not at 0, so that a template that forgets the window's base is found out.
constexpr std::uint32_t window_base = 1024;

/// The compiled kernel: `thread` is a Thread.
using Entry = void (*)(void* thread, const void* params);

struct Launch {
  const KernelFacts* facts;
  std::span<const Site> sites;
  Entry entry;
  const void* params;
  Grid grid;
  Memory* memory;
  Findings* findings;
  bool check_races;
  std::uint64_t most_steps;  // of a block: accesses and meetings of all its threads
  std::uint64_t generation;  // differs from launch to launch
};

/// A site during a launch: the memory that its accesses may touch, and what findings count from.
struct Place {
  const Site* site = nullptr;
  std::uint64_t tensor = 0;  // the address of element 0
  std::uint64_t start = 0, bytes = 0;
  unsigned char* data = nullptr;
  unsigned char* state = nullptr;
  RaceShadow* races = nullptr;
  std::uint64_t race_start = 0;
  std::string label;  // of the allocation
};

/// One cp.async that has been issued and not waited for. The bytes are read when it is issued.
struct AsyncCopy {
  std::uint32_t shared;
  int bytes;
  std::uint32_t group;
  std::array<unsigned char, 16> data;
};

/// One bulk copy, from its issue to the end of its mbarrier's phase.
struct BulkCopy {
  std::uint32_t shared;
  int thread;
  std::vector<unsigned char> data, state;  // of each byte; what may not be read is no sooner found than it is read
};

/// What 8 bytes of shared memory stand for once they are an mbarrier.
struct MBarrier {
  int arrivals = 0, missing = 0;    // of threads: in a phase, and in this one
  std::int64_t bytes = 0;           // announced and not there; below 0: there before they were announced
  std::uint32_t phase = 0;          // the one that goes on
  std::vector<BulkCopy> under_way;  // those of this phase
  std::vector<BulkCopy> arrived;    // those of the last, until somebody waits for it
  Clocks::Known coming{}, known{};  // what was done before the arrivals of this phase, and of all ended ones
  std::vector<int> waiting;         // threads
  int maker = 0;                    // the thread that made it, and its warp's time then
  std::uint32_t made = 0;
};

enum class Waiting : unsigned char { none, at_barrier, at_mbarrier, in_warp, done };

class Block;

struct Thread {
  Block* block = nullptr;
  int id = 0, warp = 0, lane = 0;
  Fiber fiber;
  Waiting waiting = Waiting::none;
  int barrier = 0;  // at_barrier: which; at_mbarrier: its address
  MachineOp op{};   // in_warp: in which operation
  std::vector<AsyncCopy> copies;
  std::uint32_t group = 0;  // copies issued now belong to this one

  std::uint32_t bit() const { return 1u << lane; }
};

struct Warp {
  std::uint32_t runnable = 0, arrived = 0;  // lanes
  bool mixed = false;                       // lanes arrived at different operations: they will wait for ever
  MachineOp op{};
  std::array<LaneWords, 32> in, out;
};

struct Barrier {
  int arrived = 0, expected = 0;
  std::array<std::uint32_t, Clocks::most_warps> lanes{};  // that wait
  Clocks::Known brought{};                                // by warps that do not wait
};

class Block {
 public:
  Block();
  /// Makes ready for the blocks of a launch, which must outlive them.
  void begin(const Launch& launch);
  void run(std::uint32_t x, std::uint32_t y, std::uint32_t z);
  bool stopped() const { return stopped_; }  // there are enough findings

  // What the operations in host_ops.cpp are made of.
  const Launch& launch() const { return *launch_; }
  std::array<std::uint32_t, 3> where() const { return where_; }
  void barrier(Thread& t, int id, int expected);
  void arrive(Thread& t, int id, int expected);  // without waiting: the warp's lanes as one
  /// All lanes of the warp bring words[lane]; the last one to arrive calls `work` (if any); each leaves with its
  /// out[lane].
  using Work = void (*)(Warp& warp);
  const LaneWords& collective(Thread& t, MachineOp op, const LaneWords& words, Work work);

  /// Gives where the bytes lie if the access may be made, else null and a finding.
  unsigned char* access(Thread& t, const Place& p, std::uint64_t address, int bytes, Touch how);
  /// The same for reading, whatever state the bytes are in.
  const unsigned char* look(Thread& t, const Place& p, std::uint64_t address, int bytes);
  const Place& place(int site, std::uint64_t address);
  const Place& shared_place(std::uint64_t address) const;  // for operations that do not say their site
  const Place& global_place(std::uint64_t address);

  void copy_async(Thread& t, std::uint32_t shared, std::uint64_t global, int bytes, int read);
  void copy_wait(Thread& t, int groups_pending);

  void mbarrier_init(Thread& t, std::uint32_t at, int arrivals);
  void mbarrier_arrive(Thread& t, std::uint32_t at, int bytes);
  void mbarrier_wait(Thread& t, std::uint32_t at, int parity);
  void copy_bulk(Thread& t, std::uint32_t shared, std::uint64_t global, int bytes, std::uint32_t barrier);
  void copy_box(Thread& t, std::uint32_t shared, const BoxedTensor& tensor, const std::array<std::int32_t, 5>& first,
                std::uint32_t barrier);

 private:
  static void thread_main(void* thread);
  void prepare(Thread& t);
  bool run_warp(int warp);
  void wait(Thread& t, Waiting how);
  void release(int warp, std::uint32_t lanes);
  Barrier* joined(Thread& t, int id, int expected);
  void complete(Barrier& barrier, int id, Thread& last);
  MBarrier* mbarrier(Thread& t, std::uint32_t at);
  bool bring(Thread& t, BulkCopy& copy, std::size_t at, std::uint64_t global);
  void start(Thread& t, MBarrier& m, BulkCopy copy);
  void end_phase(MBarrier& m);
  void take(MBarrier& m);
  void check_copies_taken();
  void refuse_mbarrier(Thread& t, std::uint32_t at, std::string detail);
  void report_divergence();
  std::string positions() const;

  /// Counts what a thread does, so that an endless loop ends in a finding.
  void step(Thread& t) {
    if (++steps_ > launch_->most_steps) give_up(t);
  }
  void give_up(Thread& t);
  Finding finding(const Thread& t, Finding::Kind kind) const;
  void report(Thread* running, Finding finding);
  unsigned char* refuse(Thread& t, const Place& p, std::uint64_t address, int bytes, bool write, Finding::Kind kind,
                        std::string detail);
  bool in_place(Thread& t, const Place& p, std::uint64_t address, int bytes, bool write);
  bool readable(Thread& t, const Place& p, std::uint64_t address, int bytes);
  void check_race(Thread& t, const Place& p, std::uint64_t address, int bytes, Touch how);
  Place make_place(const Site& site);

  const Launch* launch_ = nullptr;
  Stacks stacks_;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<Warp> warps_;
  std::array<Barrier, 16> barriers_;
  std::map<std::uint32_t, MBarrier> mbarriers_;  // by address
  Clocks clocks_;
  std::vector<Place> places_;
  Place stray_shared_, stray_global_;  // what an address in no tensor is said to belong to
  std::vector<unsigned char> window_, window_state_;
  RaceShadow window_races_;
  std::array<std::uint32_t, 3> where_{};
  std::uint32_t serial_ = 0;             // of the block in the launch, from 1
  std::uint64_t window_generation_ = 0;  // of the block in the machine's life
  std::uint64_t steps_ = 0;
  int live_ = 0;
  bool stopped_ = false;
};

}  // namespace pagejit::emulator
