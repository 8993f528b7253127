// Shuffles from one layout to another. Register r and lane l of the destination come from register R(r, l) of lane L(r,
// l) of the source; both maps are linear. In round t lane l receives its register t + A(l), with A so that in each
// round no lane is asked for two registers: l ↦ L(t + A(l), l) is one to one, but for lanes that want the very same
// register.

#include "compiler/conversion.h"

namespace pagejit {
namespace {

constexpr int most_rounds = 64;

/// A place in the source: a register and a lane, and the same as sums of either.
struct Place {
  int reg = 0, lane = 0;
  Place operator^(const Place& o) const { return {reg ^ o.reg, lane ^ o.lane}; }
};

struct Sources {
  std::vector<Place> of_register, of_lane;  // by bits of the destination
};

std::vector<Place> choices(const Layout& from, const Gf2Span& held, std::uint64_t wanted) {
  std::vector<Place> all;
  auto sum = held.solve(wanted);
  if (!sum) return all;
  auto place = [&](std::uint64_t s) { return Place{from.slot(s).reg, from.slot(s).lane}; };
  all.push_back(place(*sum));
  for (std::uint64_t relation : held.relations()) all.push_back(place(*sum ^ relation));  // a copy of it elsewhere
  return all;
}

/// Where the destination's bits come from. Each lane bit reads another lane if it can, its own if that has the value.
std::optional<Sources> find_sources(const Layout& from, const Layout& to) {
  Gf2Span held, lanes;
  for (auto bases : {from.reg_bases(), from.lane_bases()})
    for (const Coords& c : bases) held.add(from.flat(c));
  Sources s;
  for (const Coords& c : to.reg_bases()) {
    auto places = choices(from, held, to.flat(c));
    if (places.empty()) return std::nullopt;
    s.of_register.push_back(places[0]);
  }
  for (int i = 0; i < 5; ++i) {
    auto places = choices(from, held, to.flat(to.lane_basis(i)));
    if (places.empty()) return std::nullopt;
    if (from.lane_basis(i) == to.lane_basis(i)) places.insert(places.begin(), Place{0, 1 << i});
    Place best = places[0];
    for (const Place& p : places)
      if (!lanes.contains(static_cast<std::uint64_t>(p.lane))) {
        best = p;
        break;
      }
    lanes.add(static_cast<std::uint64_t>(best.lane));
    s.of_lane.push_back(best);
  }
  return s;
}

/// What lane l is to receive in round 0 (A), and where from.
struct Turn {
  std::array<int, 5> receives{};
  std::array<Place, 5> source{};
};

std::optional<Turn> find_turn(const Sources& s) {
  Turn turn;
  Gf2Span read;  // lanes
  for (std::size_t i = 0; i < 5; ++i) {
    Place p = s.of_lane[i];
    auto clash = read.solve(static_cast<std::uint64_t>(p.lane));
    if (clash) {  // the same lane is read by i and by a sum of earlier ones: fine if it is for the same register
      int reg = p.reg;
      for (std::size_t j = 0; j < i; ++j)
        if (*clash >> j & 1) reg ^= turn.source[j].reg;
      bool resolved = reg == 0;
      for (std::size_t r = 0; r < s.of_register.size() && !resolved; ++r) {
        Place moved = p ^ s.of_register[r];
        if (read.contains(static_cast<std::uint64_t>(moved.lane))) continue;
        turn.receives[i] = 1 << r;
        p = moved;
        resolved = true;
      }
      if (!resolved) return std::nullopt;
    }
    read.add(static_cast<std::uint64_t>(p.lane));
    turn.source[i] = p;
  }
  return turn;
}

/// A linear map from lanes to registers, as swaps: one for each dimension of its image.
std::vector<RegisterSwap> swaps(const std::array<int, 5>& registers) {
  Gf2Span image;
  std::vector<RegisterSwap> result;
  std::array<int, 5> number{};  // of the swap that an added vector began
  for (std::size_t i = 0; i < 5; ++i) {
    std::uint64_t v = static_cast<std::uint64_t>(registers[i]);
    auto sum = image.solve(v);
    image.add(v);
    if (!sum) {
      number[i] = static_cast<int>(result.size());
      result.push_back({1 << i, registers[i]});
      continue;
    }
    for (std::size_t j = 0; j < i; ++j)
      if (*sum >> j & 1) result[static_cast<std::size_t>(number[j])].lanes |= 1 << i;
  }
  return result;
}

/// For each lane bit, which register a sender takes because of it: the turn's map, turned round.
std::array<int, 5> senders(const Turn& turn) {
  Gf2Span lanes;
  std::vector<int> reg;
  for (const Place& p : turn.source) lanes.add(static_cast<std::uint64_t>(p.lane)), reg.push_back(p.reg);
  for (int i = 0; i < 5; ++i)
    lanes.add(std::uint64_t{1} << i), reg.push_back(0);  // lanes that nobody reads send anything
  std::array<int, 5> result{};
  for (std::size_t i = 0; i < 5; ++i) {
    std::uint64_t sum = lanes.solve(std::uint64_t{1} << i).value();
    for (std::size_t j = 0; j < reg.size(); ++j)
      if (sum >> j & 1) result[i] ^= reg[j];
  }
  return result;
}

template <class Bits, class Get>
int apply(const Bits& bits, int to, Get get) {
  int sum = 0;
  for (std::size_t i = 0; i < bits.size(); ++i)
    if (to >> i & 1) sum ^= get(bits[i]);
  return sum;
}

}  // namespace

std::optional<ShufflePlan> plan_shuffles(const Layout& from, const Layout& to) {
  for (std::size_t i = 0; i < from.warp_bases().size(); ++i)
    if (from.warp_bases()[i] != to.warp_bases()[i]) return std::nullopt;
  auto sources = find_sources(from, to);
  if (!sources) return std::nullopt;
  auto turn = find_turn(*sources);
  if (!turn) return std::nullopt;

  ShufflePlan plan;
  std::array<int, 5> sent = senders(*turn);
  plan.send = swaps(sent);
  plan.receive = swaps(turn->receives);
  for (std::size_t i = 0; i < 5; ++i) plan.from[i] = turn->source[i].lane;
  int copies = 0;
  for (int i = 0; (1 << i) < to.registers(); ++i)
    if (to.reg_basis(i) == Coords{}) copies |= 1 << i;
  for (int r = 0; r < to.registers(); ++r) {
    plan.copy_of.push_back(r & ~copies);
    if (r & copies) continue;
    int lane = apply(sources->of_register, r, [](const Place& p) { return p.lane; });
    int reg = apply(sources->of_register, r, [](const Place& p) { return p.reg; });
    plan.rounds.push_back({reg ^ apply(sent, lane, [](int v) { return v; }), lane, r});
  }
  if (plan.rounds.size() > most_rounds) return std::nullopt;
  return plan;
}

}  // namespace pagejit
