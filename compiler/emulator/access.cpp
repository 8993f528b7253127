// Every access of a thread to memory, checked: alignment, bounds, what may be read, and who else was there.
#include <fmt/format.h>

#include <cstring>

#include "compiler/emulator/machine.h"

namespace pagejit::emulator {
namespace {

unsigned char* pointer(std::uint64_t address) {
  return reinterpret_cast<unsigned char*>(static_cast<std::uintptr_t>(address));
}

bool all_zero(const unsigned char* s, int bytes) {
  std::uint64_t word = 0, any = 0;
  for (; bytes >= 8; bytes -= 8, s += 8) std::memcpy(&word, s, 8), any |= word;
  for (; bytes > 0; --bytes, ++s) any |= *s;
  return any == 0;
}

/// What an address in no tensor is said to belong to.
const Site stray_site{"memory", Elem::u8, Space::global, -1, 0, 0};

void fill_in(Place& p, Allocation& a) {
  p.label = a.label;
  p.start = a.base;
  p.bytes = a.bytes;
  p.data = pointer(a.base);
  p.state = a.state.data();
  p.races = &a.races;
  p.race_start = a.race_start;
}

void point_at(Finding& f, const Place& p, std::uint64_t address, int access_bytes, bool write) {
  int element = bytes(p.site->elem);
  f.tensor = p.site->tensor;
  f.offset = static_cast<std::int64_t>(address - p.tensor);
  f.index = f.offset / element - (f.offset % element < 0 ? 1 : 0);
  f.bytes = access_bytes;
  f.write = write;
}

std::string bounds_text(const Place& p, std::uint64_t address, int bytes) {
  bool shared = p.site->space == Space::shared;
  if (p.bytes == 0 && !p.data)
    return fmt::format("its address {:#x} is in no memory that the emulator knows: allocate() it there, or adopt() it",
                       address);
  auto past = static_cast<std::int64_t>(address + static_cast<std::uint64_t>(bytes) - p.start - p.bytes);
  std::string where =
      shared ? fmt::format("the tile has {} bytes", p.bytes)
             : fmt::format("the memory that holds it ('{}') has {} bytes, of which the tensor starts at {}", p.label,
                           p.bytes, static_cast<std::int64_t>(p.tensor - p.start));
  if (address < p.start) return fmt::format("{} bytes before its start; {}", p.start - address, where);
  return fmt::format("{} bytes past its end; {}", past, where);
}

}  // namespace

const Place& Block::place(int site, std::uint64_t address) {
  const Place& p = places_[static_cast<std::size_t>(site)];
  return p.site->space == Space::global && p.site->param_offset < 0 ? global_place(address) : p;
}

Place Block::make_place(const Site& site) {
  Place p;
  p.site = &site;
  if (site.space == Space::shared) {
    auto at = static_cast<std::size_t>(site.shared_offset);
    p.tensor = p.start = window_base + at;
    p.bytes = static_cast<std::uint64_t>(site.shared_bytes);
    p.data = window_.data() + at;
    p.state = window_state_.data() + at;
    p.races = &window_races_;
    p.race_start = window_base;
    return p;
  }
  if (site.param_offset >= 0) std::memcpy(&p.tensor, static_cast<const char*>(launch_->params) + site.param_offset, 8);
  if (Allocation* a = launch_->memory->find(p.tensor)) fill_in(p, *a);
  return p;
}

const Place& Block::shared_place(std::uint64_t address) const {
  const Place* nearest = &stray_shared_;
  for (const Place& p : places_)
    if (p.site->space == Space::shared && p.start <= address && p.start >= nearest->start) nearest = &p;
  return *nearest;
}

const Place& Block::global_place(std::uint64_t address) {
  const Place *inside = nullptr, *nearest = nullptr;
  bool pointers_from_memory = false;
  for (const Place& p : places_) {
    if (p.site->space != Space::global) continue;
    pointers_from_memory |= p.site->param_offset < 0;
    if (p.tensor > address) continue;
    if (!nearest || p.tensor > nearest->tensor) nearest = &p;
    if (address - p.start < p.bytes && (!inside || p.tensor > inside->tensor)) inside = &p;
  }
  if (inside) return *inside;
  if (nearest && !pointers_from_memory) return *nearest;
  stray_global_ = Place{};
  stray_global_.site = &stray_site;
  if (Allocation* a = launch_->memory->find(address)) fill_in(stray_global_, *a);
  return stray_global_;
}

/// Whether the access is aligned and inside the tensor.
bool Block::in_place(Thread& t, const Place& p, std::uint64_t address, int bytes, bool write) {
  step(t);
  auto size = static_cast<std::uint64_t>(bytes);
  if ((address & (size - 1)) != 0 && (size & (size - 1)) == 0)
    refuse(t, p, address, bytes, write, Finding::Kind::misaligned,
           fmt::format("its address is {} bytes past a multiple of {}", address % size, bytes));
  else if (std::uint64_t at = address - p.start; at >= p.bytes || size > p.bytes - at)
    refuse(t, p, address, bytes, write, Finding::Kind::out_of_bounds, "");
  else
    return true;
  return false;
}

unsigned char* Block::access(Thread& t, const Place& p, std::uint64_t address, int bytes, Touch how) {
  bool write = how != Touch::read;
  if (!in_place(t, p, address, bytes, write)) return nullptr;
  if (how != Touch::write && !readable(t, p, address, bytes)) return nullptr;
  if (launch_->check_races && !clocks_.exhausted()) check_race(t, p, address, bytes, how);
  unsigned char* s = p.state + (address - p.start);
  if (write && !all_zero(s, bytes)) {
    // What was copied to shared memory from poisoned bytes is gone; poisoned bytes of a tensor stay so.
    unsigned char over = p.site->space == Space::shared ? state::unwritten | state::poisoned : state::unwritten;
    for (int i = 0; i < bytes; ++i) s[i] &= static_cast<unsigned char>(~over);
  }
  return p.data + (address - p.start);
}

const unsigned char* Block::look(Thread& t, const Place& p, std::uint64_t address, int bytes) {
  if (!in_place(t, p, address, bytes, false)) return nullptr;
  if (launch_->check_races && !clocks_.exhausted()) check_race(t, p, address, bytes, Touch::read);
  return p.data + (address - p.start);
}

bool Block::readable(Thread& t, const Place& p, std::uint64_t address, int bytes) {
  const unsigned char* s = p.state + (address - p.start);
  if (all_zero(s, bytes)) return true;
  int bad = 0;
  while (s[bad] == 0) ++bad;
  using Kind = Finding::Kind;
  auto say = [&](Kind kind, const char* why) {
    refuse(t, p, address, bytes, false, kind, fmt::format("byte {} of the access {}", bad, why));
    return false;
  };
  if (s[bad] & state::poisoned) return say(Kind::poisoned, "is poisoned: nothing may depend on it");
  if (s[bad] & state::pending)
    return say(Kind::uninitialised, "belongs to an asynchronous copy that was not waited for");
  return say(Kind::uninitialised,
             p.site->space == Space::shared ? "was not written in this block" : "was never written");
}

void Block::check_race(Thread& t, const Place& p, std::uint64_t address, int bytes, Touch how) {
  bool shared = p.site->space == Space::shared;
  auto conflict = p.races->touch(shared ? window_generation_ : launch_->generation, address - p.race_start, bytes, how,
                                 {serial_, t.id, &clocks_});
  if (!conflict) return;
  std::uint64_t other = conflict->block - 1, x = launch_->grid.x, y = launch_->grid.y;
  Finding f = finding(t, Finding::Kind::race);
  f.other_thread = conflict->thread;
  f.other_block = {static_cast<std::uint32_t>(other % x), static_cast<std::uint32_t>(other / x % y),
                   static_cast<std::uint32_t>(other / x / y)};
  f.detail = fmt::format("thread {} ", conflict->thread);
  if (conflict->block != serial_)
    f.detail += fmt::format("of block ({}, {}, {}) ", f.other_block[0], f.other_block[1], f.other_block[2]);
  f.detail += conflict->wrote ? "wrote" : "read";
  f.detail += conflict->block == serial_ ? " the same bytes and no barrier stands between"
                                         : " the same bytes, and nothing orders two blocks of a launch";
  point_at(f, p, address, bytes, how != Touch::read);
  report(&t, std::move(f));
}

unsigned char* Block::refuse(Thread& t, const Place& p, std::uint64_t address, int bytes, bool write,
                             Finding::Kind kind, std::string detail) {
  Finding f = finding(t, kind);
  point_at(f, p, address, bytes, write);
  f.detail =
      kind == Finding::Kind::out_of_bounds && detail.empty() ? bounds_text(p, address, bytes) : std::move(detail);
  report(&t, std::move(f));
  return nullptr;
}

Finding Block::finding(const Thread& t, Finding::Kind kind) const {
  Finding f;
  f.kind = kind;
  f.kernel = launch_->facts->symbol;
  f.block = where_;
  f.thread = t.id;
  return f;
}

/// Keeps a finding. With enough of them the launch is given up: `running` then never goes on.
void Block::report(Thread* running, Finding f) {
  launch_->findings->add(std::move(f));
  if (!launch_->findings->full()) return;
  stopped_ = true;
  if (running) running->fiber.suspend();
}

}  // namespace pagejit::emulator
