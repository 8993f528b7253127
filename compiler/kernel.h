// The tile language: what a template is written in. Every method emits code; what stands in comments is what it emits.
//
// `int`, `bool`, `if`, `for` happen now, while emitting; `Value`, `Tile`, `when`, `loop` happen there, in the kernel.
// A load, a store, a barrier has a statement of its own: C++ leaves the order of arguments and operands open.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/layout.h"
#include "compiler/machine_op.h"
#include "compiler/target.h"
#include "compiler/tile.h"
#include "runtime/base/elem.h"
#include "runtime/base/fields.h"

namespace pagejit {

class Lowering;
struct Emitted;
enum class Space;

/// An address of elements, or a tile of them. `+` counts in elements.
class Pointer {
 public:
  Pointer() = default;
  Pointer(Elem elem, int site, Space space, Tile base, Tile offset)
      : elem_(elem), site_(site), space_(space), base_(std::move(base)), offset_(std::move(offset)) {}
  Elem elem() const { return elem_; }
  int site() const { return site_; }
  Space space() const { return space_; }
  const Tile& base() const { return base_; }      // bytes: i64 global, i32 shared
  const Tile& offset() const { return offset_; }  // elements, from the base; empty for none
  /// The address in bytes, one a register.
  Tile address() const;
  /// So many bytes further on, each element of the tile: for addresses that are sums already, without a factor.
  /// Multiples of an element.
  Pointer moved(const Tile& bytes) const;

 private:
  Elem elem_ = Elem::u8;
  int site_ = 0;
  Space space_{};
  Tile base_;
  Tile offset_;
};
Pointer operator+(const Pointer& p, const Tile& elements);

/// What is promised of a parameter, by the host that checks it.
struct Promise {
  std::int64_t multiple_of = 1;
  std::int64_t at_least = std::numeric_limits<std::int64_t>::min();
  std::int64_t at_most = std::numeric_limits<std::int64_t>::max();
};

class Kernel {
 public:
  explicit Kernel(Lowering& lowering);
  ~Kernel();
  Kernel(const Kernel&) = delete;

  /// The parameters of a kernel, by the members of its struct.
  template <class P>
  class Parameters {
   public:
    explicit Parameters(Kernel& k) : k_(k) {}
    /// A number: i32 → Value of i32, i64 → Value of i64, f32 → Value of f32.
    template <class M>
    Value operator()(M P::*member, Promise promise = {}) const {
      return k_.parameter(param_index(member), promise);
    }
    /// A tensor of `elem` whose base pointer is a multiple of `aligned` bytes; named as its field.
    Pointer tensor(DevicePtr P::*member, Elem elem, int aligned = 0) const {
      return k_.tensor(param_index(member), elem, aligned);
    }
    /// The address of a tensor's map, as the copy engine takes it: i64.
    Value map(TensorMap P::*member) const { return k_.map(param_index(member)); }

   private:
    Kernel& k_;
  };

  /// .entry name(Params) with `threads` a block. Comes first, once. With several teams a block holds so many programs
  /// of `threads` each that know nothing of one another: all below, `thread`, `barrier` and `shared` among it, speaks
  /// of one team alone. Teams of one warp, or at most 15 of them.
  template <class P>
  Parameters<P> begin(std::string_view name, int threads, int teams = 1) {
    start(name, param_fields<P>(), static_cast<int>(sizeof(P)), threads, teams);
    return Parameters<P>(*this);
  }
  /// return, in every thread that comes here. Comes last, once.
  void end();
  /// Hands over the finished kernel.
  Emitted take();

  const Target& target() const;
  int warps() const;

  Value program(int dim);   // %ctaid, never negative
  Value programs(int dim);  // %nctaid
  Value thread();           // %tid.x, in its team
  Value team();             // which of the block's
  Value constant(Type type, std::int64_t value);
  /// The coordinate along `dim` of each element of a tile laid out so: i32.
  Tile arange(const Layout& layout, int dim = 0);
  /// The same value in every element of a tile laid out so.
  Tile full(const Layout& layout, const Value& value);

  // if (condition) then else otherwise: the condition is one value, not a tile.
  void when(const Value& condition, const std::function<void()>& then, const std::function<void()>& otherwise = {});
  /// The same with values that body changes in place; gives them as they are after it, or as they were.
  std::vector<Tile> when(const Value& condition, std::vector<Tile> values,
                         const std::function<void(std::vector<Tile>&)>& body);
  // for (i = first; i < last; i += step) body(i)
  void loop(const Value& first, const Value& last, const Value& step, const std::function<void(Value)>& body);
  /// The same with values carried from one turn to the next: body changes them in place; gives them after the last
  /// turn.
  std::vector<Tile> loop(const Value& first, const Value& last, const Value& step, std::vector<Tile> carried,
                         const std::function<void(Value, std::vector<Tile>&)>& body);

  /// One element for each element of the pointer's tile. Where `mask` is false nothing is read and the result is 0.
  Tile load(const Pointer& from, std::string_view name);
  Tile load(const Pointer& from, const Tile& mask, std::string_view name);
  /// The same of global memory as it is at this moment, for what another kernel may still write: past L1, which keeps
  /// nothing of it that a load after dependency_wait() could find.
  Tile load_now(const Pointer& from, const Tile& mask, std::string_view name);
  void store(const Pointer& to, const Tile& value);
  void store(const Pointer& to, const Tile& value, const Tile& mask);

  /// Brings the element's line into L2, for whoever loads it later. Must be an address that may be read.
  void prefetch(const Pointer& at);

  /// `elements` of shared memory, 16-byte aligned or more (a power of two, at most 1,024); contents undefined until
  /// written.
  Pointer shared(std::string_view name, Elem elem, int elements, int aligned = 16);
  /// Copies global to shared without passing registers: pieces as wide as both sides' facts allow (4, 8 or 16 bytes;
  /// less is refused). Where `mask` is false the piece is filled with zeros. Arrives after commit and wait.
  void copy_async(const Pointer& to, const Pointer& from, const Tile& mask);
  void copy_commit();           // closes a group of copies
  void copy_wait(int pending);  // until at most `pending` groups are still under way: this thread's copies only
  void barrier();               // all threads of the team

  void dependency_wait();  // griddepcontrol.wait where the target has it; marks the kernel as one that may start early
  void dependents_launch();  // griddepcontrol.launch_dependents where the target has it

  /// A machine operation on plain values (i32, i64, f32, i1); immediates are Values that are constants.
  std::vector<Value> machine(MachineOp op, const std::vector<Value>& operands);

  /// What each stage of the tile language is built on; LLVM's types are in builder.h.
  struct Builder;
  Builder& builder() { return *builder_; }

 private:
  void start(std::string_view name, std::span<const ParamField> fields, int bytes, int threads, int teams);
  Value parameter(int index, Promise promise);
  Pointer tensor(int index, Elem elem, int aligned);
  Value map(int index);
  Tile load(const Pointer& from, const Tile& mask, std::string_view name, bool past_l1);
  std::unique_ptr<Builder> builder_;
};

}  // namespace pagejit
