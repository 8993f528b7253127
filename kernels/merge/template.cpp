// Attention over a prefix and over a suffix as attention over both.
//
//   m = max(lse_p, lse_s), w_x = e^(lse_x − m)                       lse_x = ±∞: no key was seen, w_x = 0
//   out[t, h, :] = (w_p · P + w_s · S) / (w_p + w_s)                  t < context, else S
//   out_lse[t, h] = m + ln(w_p + w_s)                                 t < context, else lse_s
//
// Row t · heads + h is a few accesses of neighbouring threads, and a thread has several rows under way. Nothing is
// shared: each thread works the weights of its rows out for itself.
#include "kernels/merge/template.h"

#include <limits>

#include "compiler/numbers.h"

namespace pagejit::merge {
namespace {

constexpr double log2e = 1.4426950408889634, ln2 = 0.6931471805599453;
constexpr double infinity = std::numeric_limits<double>::infinity();

using Parameters = Kernel::Parameters<Params>;

/// One access of a row: where it is, and what was loaded.
struct Piece {
  Value live, context;  // i1: there is such a row; it has a prefix
  Value token, head;    // i64
  Value first;          // i1: of the row's pieces
  Tile column;
  Value prefix_lse, suffix_lse;
  Tile prefix, suffix;
};

struct Weights {
  Value prefix, suffix;  // sum to 1, or are both 0
  Value lse;
};

class Program {
 public:
  Program(Kernel& k, const Spec& s, const Parameters& p) : k_(k), s_(s), p_(p) {}

  void run() {
    Value there(p_.tensor(&Params::context_at, Elem::i32).base() != 0);
    Value loaded(k_.load(p_.tensor(&Params::context_at, Elem::i32), there, "context"));
    context_ = Value(select(there, loaded, p_(&Params::context)));
    if (s_.to != s_.in) load_scale();
    std::vector<Piece> pieces;
    for (int turn = 0; turn < s_.unroll; ++turn) pieces.push_back(aim(turn));
    for (Piece& piece : pieces) load(piece);
    for (const Piece& piece : pieces) store(piece);
  }

 private:
  /// Codes are multiplied by 1 / scale, as other writers of such outputs do: not divided by it.
  void load_scale() {
    Pointer at = p_.tensor(&Params::scale, Elem::f32);
    Value there(at.base() != 0), one(real(k_.constant(Type::f32, 0), 1));
    Value scale(k_.load(at, there, "scale"));
    inverse_ = Value(select(there, one / scale, one));
  }

  Piece aim(int turn) {
    Value heads = p_(&Params::heads, {.at_least = 1, .at_most = max_heads});
    Value first = k_.program(0) * rows_of_block(s_), token = first / heads;
    Value number = k_.thread() + s_.threads * turn, local = number / units(s_), unit = number % units(s_);
    // Of the block's first row by a division, of the others by a product: their number is small.
    Value head = first - token * heads + local;
    Value over(cast(wide(head) * p_(&Params::heads_magic, {.at_least = 1}) >> 32, Type::i32));
    token = token + over, head = head - over * heads;
    Piece piece;
    piece.live = (local < rows_of_block(s_)) & (first + local < p_(&Params::rows, {.at_least = 1}));
    piece.context = token < context_;
    piece.token = Value(wide(token)), piece.head = Value(wide(head));
    piece.first = unit == 0;
    piece.column = k_.arange(Layout::linear(columns(s_), columns(s_), k_.warps())) + unit * columns(s_);
    return piece;
  }

  Value place(const Piece& piece, std::int64_t Params::*token, std::int64_t Params::*head, int multiple) {
    auto stride = [&](auto member) { return p_(member, {.multiple_of = multiple, .at_least = 0}); };
    return piece.token * stride(token) + piece.head * stride(head);
  }
  Pointer rows(const Piece& piece, DevicePtr Params::*member, Elem e, std::int64_t Params::*token,
               std::int64_t Params::*head) {
    int promised = promised_elements(s_);
    return p_.tensor(member, e, promised * bytes(e)) + (place(piece, token, head, promised) + piece.column);
  }

  void load(Piece& piece) {
    Value with_prefix = piece.live & piece.context;
    piece.prefix_lse = Value(k_.load(p_.tensor(&Params::prefix_lse, Elem::f32) +
                                         place(piece, &Params::prefix_lse_token, &Params::prefix_lse_head, 1),
                                     with_prefix, "prefix_lse"));
    piece.suffix_lse = Value(k_.load(p_.tensor(&Params::suffix_lse, Elem::f32) +
                                         place(piece, &Params::suffix_lse_token, &Params::suffix_lse_head, 1),
                                     piece.live, "suffix_lse"));
    piece.prefix = k_.load(rows(piece, &Params::prefix, s_.in, &Params::prefix_token, &Params::prefix_head),
                           with_prefix, "prefix");
    piece.suffix =
        k_.load(rows(piece, &Params::suffix, s_.in, &Params::suffix_token, &Params::suffix_head), piece.live, "suffix");
  }

  Weights weigh(const Piece& piece) {
    auto seen = [](const Value& lse) {
      return Value(select(unary(Unary::abs, lse) == infinity, real(lse, -infinity), lse));
    };
    auto power = [](const Value& x) { return Value(fast(MachineOp::exp2_fast, x * log2e)); };
    Value p = seen(piece.prefix_lse), s = seen(piece.suffix_lse), most = maximum(p, s);
    Value base(select(most == -infinity, real(most, 0), most));
    Value of_prefix = power(p - base), of_suffix = power(s - base), sum = of_prefix + of_suffix;
    Value some(sum != 0.0);  // true of NaN
    Value share(select(some, fast(MachineOp::rcp_fast, sum), real(sum, 0)));
    Value lse(select(some, base + fast(MachineOp::log2_fast, sum) * ln2, real(sum, -infinity)));
    return {of_prefix * share, of_suffix * share, lse};
  }

  void store(const Piece& piece) {
    Weights w = weigh(piece);
    // Selected away, not multiplied: what stands in a row that counts nothing may be NaN.
    auto counted = [](const Tile& row, const Value& weight) {
      Tile x = cast(row, Type::f32);
      return select(weight == 0.0, real(x, 0), x);
    };
    Tile merged = fma(counted(piece.prefix, w.prefix), w.prefix, counted(piece.suffix, w.suffix) * w.suffix);
    Tile out = s_.to == s_.in ? select(piece.context, cast(merged, type_of(s_.to)), piece.suffix)
                              : to_fp8(select(piece.context, merged, cast(piece.suffix, Type::f32)) * inverse_, s_.to);
    k_.store(rows(piece, &Params::out, s_.to, &Params::out_token, &Params::out_head), out, piece.live);
    Pointer lse = p_.tensor(&Params::out_lse, Elem::f32);
    k_.store(lse + place(piece, &Params::out_lse_token, &Params::out_lse_head, 1),
             Value(select(piece.context, w.lse, piece.suffix_lse)), piece.live & piece.first & Value(lse.base() != 0));
  }

  Kernel& k_;
  Spec s_;
  const Parameters& p_;
  Value context_, inverse_;
};

}  // namespace

void emit(Kernel& k, const Spec& s) {
  auto p = k.begin<Params>("merge", s.threads);
  k.dependency_wait();
  k.dependents_launch();
  Program(k, s, p).run();
  k.end();
}

}  // namespace pagejit::merge
