// Rows of K or V on their way from pages to tensor cores: look-up, asynchronous copy, fragments.
#pragma once
#include <string>
#include <vector>

#include "compiler/shared_tile.h"
#include "kernels/attend/spec.h"

namespace pagejit::attend {

/// Where the keys of a sequence are.
struct Pages {
  Pointer table;  // at the sequence's row
  Value limit;    // i32: keys at and past it are not read
  Value last;     // i32: the tile after the last one; a sequence without keys has one all the same
};

/// The page ids of one turn's keys, each looked up once. What a turn needs is loaded a turn early, so ids travel from
/// turn to turn as values.
class PageIds {
 public:
  /// `rows` tells which rows (keys of a turn) a thread copies: a layout of [keys, …].
  PageIds(Kernel& k, const Spec& s, const Layout& rows);

  /// The ids of the keys of tile `tile`, one for each different page that this thread meets.
  std::vector<Tile> look_up(const Pages& pages, const Value& tile) const;
  int count() const { return static_cast<int>(first_.size()); }
  /// Of each element of the layout: its page's id, i64, and its row in the page, i32.
  Tile page(const std::vector<Tile>& ids) const;
  Tile row(const Value& tile) const;

  bool operator==(const PageIds& o) const { return layout_ == o.layout_; }
  const Layout& layout() const { return layout_; }

 private:
  /// The page that key `high` · span is on, and the rest, in units of span.
  Tile units(const Value& tile, const Tile& high) const;

  Kernel& k_;
  Spec s_;
  Layout layout_;
  int span_;                 // neighbouring keys that surely share a page
  Tile high_, low_;          // of each register's key in its turn: div and mod span
  std::vector<int> first_;   // registers whose page differs from those of all before
  std::vector<int> source_;  // of each register: which of them it shares
};

/// Who copies what of a piece of a row: neighbours along rows, `vec` elements at once. The first `warps` of `all` have
/// different parts, the others the same again.
Layout along_rows(int rows, int size, int vec, int warps, int all = 0);

/// One tensor of the cache, in shared memory in stages: a tile for each piece of a row.
class CacheRows {
 public:
  /// `width`: stored elements of a row. `address` has the pointer at this team's head.
  struct Source {
    Pointer at;
    Value page, row;  // strides, i64
    int aligned;      // bytes: pointer and strides
    Value map;        // of the whole tensor, for the copy engine; bulk only
    Value head;       // the team's
  };
  /// `bulk`: the copy engine brings them (BulkRows), not copy().
  CacheRows(Kernel& k, const Spec& s, const std::string& name, const Source& source, const std::vector<Piece>& pieces,
            int width, bool bulk = false);

  const std::vector<PageIds>& ids() const { return ids_; }
  /// Starts the copy of tile `tile` into a stage; `ids` are those that ids()[i] looked up. Rows past the limit are
  /// zeros.
  void copy(const Value& tile, const Value& stage, const Value& limit, const std::vector<std::vector<Tile>>& ids) const;

  bool bulk() const { return bulk_; }
  const Source& source() const { return source_; }
  int pieces() const { return static_cast<int>(pieces_.size()); }
  const Piece& piece(int i) const { return pieces_[static_cast<std::size_t>(i)]; }
  const SharedTile& tile(int i) const { return tiles_[static_cast<std::size_t>(i)]; }

 private:
  Kernel& k_;
  Spec s_;
  Source source_;
  std::vector<Piece> pieces_;
  int width_;
  bool bulk_;
  std::vector<SharedTile> tiles_;
  std::vector<PageIds> ids_;  // different ones
  std::vector<int> ids_of_;   // of each piece
};

}  // namespace pagejit::attend
