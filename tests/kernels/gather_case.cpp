#include "tests/kernels/gather_case.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "tests/kernels/images.h"

namespace pagejit::tests {
namespace {

using Kind = GatherCase::Kind;

constexpr std::int64_t garbage_page = 2147480000;
constexpr std::int64_t guard = 64;

std::int64_t groups(std::int64_t dim) {
  return (dim + 127) / 128;
}

}  // namespace

std::string GatherCase::text() const {
  const char* kinds[] = {"rows", "mla", "indexer"};
  return fmt::format(
      "{} from={} to={} scaled={} flatten={} hsd={} heads={} dim={} page={} f32_scales={} tail={} table={} lengths={} "
      "[{}] tokens from "
      "[{}] rows from [{}] rows={} layers={} shift={} seed={}",
      kinds[static_cast<int>(kind)], static_cast<int>(from), static_cast<int>(to), scaled, flatten,
      layout == FlattenArgs::Out::hsd, heads, dim, page, f32_scales, static_cast<int>(tail), static_cast<int>(table),
      static_cast<int>(lengths_elem), fmt::join(lengths, ","), fmt::join(seq_starts, ","), fmt::join(starts, ","), rows,
      layers, shift, seed);
}

GatherRun::GatherRun(Context& context, const GatherCase& c, const PoisonFunction& poison) : context_(context), c_(c) {
  std::mt19937_64 random(c.seed);
  choose_pages(random);
  make_source(random);
  if (c.kind == Kind::indexer) {
    outs_.push_back(make_out(Elem::u8, c.dim, 1));
    outs_.push_back(make_out(Elem::u8, 4 * groups(c.dim), 4));
  } else {
    outs_.push_back(make_out(c.to, c.kind == Kind::mla ? 576 : c.dim, 1));
  }
  expect_all();
  source_.upload(context, "src");
  for (Out& out : outs_) out.buffer = DeviceBuffer(context, out.image, "dst");
  make_lists(poison);
  if (poison) source_.poison_dead(poison);
}

void GatherRun::choose_pages(std::mt19937_64& random) {
  auto pages_to = [&](std::size_t b) { return (offset(b) + c_.lengths[b] + c_.page - 1) / c_.page; };
  for (std::size_t b = 0; b < c_.lengths.size(); ++b) {
    columns_ = std::max(columns_, pages_to(b));
    pages_.emplace_back();
    for (std::int64_t i = 0; i < pages_to(b); ++i) {
      bool read = c_.lengths[b] > 0 && (i + 1) * c_.page > offset(b);
      pages_.back().push_back(read ? page_count_++ : -1);
    }
  }
  columns_ += 2, page_count_ += 1;  // one that nobody owns
  std::vector<std::int64_t> ids(static_cast<std::size_t>(page_count_));
  std::iota(ids.begin(), ids.end(), 0);
  std::shuffle(ids.begin(), ids.end(), random);
  for (auto& of_sequence : pages_)
    for (auto& page : of_sequence)
      if (page >= 0) page = ids[static_cast<std::size_t>(page)];
}

void GatherRun::make_source(std::mt19937_64& random) {
  PagedShape s{page_count_, c_.page, std::max(1, c_.heads), c_.dim, true, c_.layers, c_.shift};
  if (c_.kind == Kind::rows) {
    source_ = PagedImage(c_.from, s);
  } else if (c_.kind == Kind::mla) {
    s.width = 656, s.unit = 4;
    source_ = PagedImage(Elem::u8, s);
  } else {  // a page is one row: there are no gaps in it
    s.heads = 1, s.page = 1, s.width = c_.page * (c_.dim + 4 * groups(c_.dim));
    source_ = PagedImage(Elem::u8, s);
  }
  for (std::size_t b = 0; b < c_.lengths.size(); ++b)
    for (std::int64_t t = offset(b); t < offset(b) + c_.lengths[b]; ++t)
      fill_row(pages_[b][static_cast<std::size_t>(t / c_.page)], t % c_.page, random);
  scale_.resize(4 * (c_.seed % 2 ? static_cast<std::size_t>(std::max(1, c_.heads)) : 1));
  random_metadata(scale_.data(), static_cast<std::int64_t>(scale_.size() / 4), Elem::f32, random);
}

void GatherRun::fill_row(std::int64_t page, std::int64_t row, std::mt19937_64& random) {
  if (c_.kind == Kind::rows) {
    for (std::int64_t h = 0; h < source_.shape.heads; ++h)
      random_row(source_.live_row(page, row, h), c_.dim, c_.from, c_.scaled || c_.from == c_.to, random);
  } else if (c_.kind == Kind::mla) {
    for (std::int64_t h = 0; h < source_.shape.heads; ++h) {
      std::byte* at = source_.live_row(page, row, h);
      random_row(at, 656, Elem::u8, true, random);
      random_metadata(at + 512, 4, Elem::f32, random);
    }
  } else {
    std::int64_t scales = 4 * groups(c_.dim);
    random_row(source_.live(page, 0, 0, row * c_.dim, c_.dim), c_.dim, Elem::u8, true, random);
    random_row(source_.live(page, 0, 0, c_.page * c_.dim + row * scales, scales), scales, Elem::u8, true, random);
  }
}

GatherRun::Out GatherRun::make_out(Elem elem, std::int64_t dim, std::int64_t unit) {
  std::mt19937_64 random(c_.seed + 1);  // its own: what the source holds must not depend on the output's strides
  Out out;
  out.elem = elem, out.dim = dim, out.heads = std::max(1, c_.heads);
  bool shd = c_.layout == FlattenArgs::Out::shd;
  std::int64_t cell = dim + c_.shift * unit, inner = cell * (shd ? out.heads : c_.rows) + c_.shift * unit;
  out.head_stride = shd ? cell : inner;
  out.row_stride = shd ? inner : cell;
  out.offset = guard / bytes(elem) + c_.shift * unit;
  out.image.resize(static_cast<std::size_t>((out.offset + (shd ? c_.rows : out.heads) * inner) * bytes(elem) + guard));
  for (std::byte& b : out.image) b = static_cast<std::byte>(random());
  out.expected = out.image;
  return out;
}

/// One tensor's rows, from element `first` of each output row on.
void GatherRun::expect(Out& out, reference::Flatten f, std::int64_t first) {
  f.to = out.elem;
  f.heads = out.heads, f.page = c_.page;
  f.out = out.expected.data() + (out.offset + first) * bytes(out.elem);
  f.out_rows = c_.rows, f.out_row_stride = out.row_stride, f.out_head_stride = out.head_stride;
  f.lengths = c_.lengths, f.offsets = c_.seq_starts, f.pages = pages_;
  f.starts = c_.kind == Kind::mla && !c_.starts.empty() ? c_.starts : cumulated();
  f.zero_tail = c_.tail == flatten::Tail::zero;
  reference::flatten(f);
}

void GatherRun::expect_all() {
  const PagedImage& s = source_;
  reference::Flatten f;
  auto from = [&](Elem e, std::int64_t dim, std::int64_t first_byte, std::int64_t row_bytes) {
    f.from = e, f.dim = dim;
    f.cache = s.origin() + first_byte;
    f.page_stride = s.page_stride * bytes(s.elem) / bytes(e), f.row_stride = row_bytes / bytes(e);
    f.head_stride = s.head_stride * bytes(s.elem) / bytes(e);
  };
  std::int64_t row_bytes = s.row_stride * bytes(s.elem), scale_bytes = 4 * groups(c_.dim);
  if (c_.kind == Kind::rows) {
    from(c_.from, c_.dim, 0, row_bytes);
    if (c_.scaled) f.quant = Quant::fp8, f.scales = {scale_.data(), Elem::f32, 1, 0, 0, scale_.size() > 4 ? 1 : 0};
    expect(outs_[0], f, 0);
  } else if (c_.kind == Kind::mla) {
    from(c_.to, 64, 528, row_bytes);
    expect(outs_[0], f, 512);
    from(Elem::e4m3, 512, 0, row_bytes);
    f.quant = Quant::fp8_group;
    f.scales = {s.origin() + 512, Elem::f32, 4, s.page_stride / 4, s.row_stride / 4, s.head_stride / 4};
    expect(outs_[0], f, 0);
  } else {
    from(Elem::u8, c_.dim, 0, c_.dim);
    expect(outs_[0], f, 0);
    from(Elem::u8, scale_bytes, c_.page * c_.dim, scale_bytes);
    expect(outs_[1], f, 0);
  }
}

std::vector<std::int64_t> GatherRun::cumulated() const {
  std::vector<std::int64_t> all{0};
  for (std::int64_t length : c_.lengths) all.push_back(all.back() + length);
  return all;
}

void GatherRun::make_lists(const PoisonFunction& poison) {
  auto batch = c_.lengths.size();
  std::vector<std::int64_t> entries(batch * static_cast<std::size_t>(columns_), garbage_page);
  std::vector<bool> live(entries.size() * static_cast<std::size_t>(bytes(c_.table)));
  for (std::size_t b = 0; b < batch; ++b)
    for (std::size_t i = 0; i < pages_[b].size(); ++i) {
      if (pages_[b][i] < 0) continue;
      std::size_t at = b * static_cast<std::size_t>(columns_) + i;
      entries[at] = pages_[b][i];
      std::fill_n(live.begin() + static_cast<std::ptrdiff_t>(at) * bytes(c_.table), bytes(c_.table), true);
    }
  table_ = DeviceBuffer(context_, integers(c_.table, entries), "block_table");
  if (poison) poison_runs(table_, live, poison);
  ranges_ = DeviceBuffer(context_, integers(Elem::i32, cumulated()), "cu_seq_lens");
  lengths_ = DeviceBuffer(context_, integers(c_.lengths_elem, c_.lengths), "lengths");
  starts_ = DeviceBuffer(context_, integers(c_.lengths_elem, c_.starts), "workspace_starts");
  offsets_ = DeviceBuffer(context_, integers(Elem::i32, c_.seq_starts), "seq_starts");
  scale_buffer_ = DeviceBuffer(context_, scale_, "scale");
}

Tensor GatherRun::source_tensor() const {
  Tensor t = source_.tensor();
  if (c_.kind == Kind::indexer) {
    std::int64_t width = c_.dim + 4 * groups(c_.dim);
    return {t.data, t.elem, {page_count_, c_.page, width}, {source_.page_stride, width, 1}};
  }
  if (c_.heads > 0) return t;
  return {t.data, t.elem, {t.shape[0], t.shape[1], t.shape[3]}, {t.stride[0], t.stride[1], 1}};
}

Tensor GatherRun::out_tensor(const Out& out) const {
  std::byte* at = out.buffer.data() + out.offset * bytes(out.elem);
  if (c_.heads > 0) return {at, out.elem, {c_.rows, out.heads, out.dim}, {out.row_stride, out.head_stride, 1}};
  return {at, out.elem, {c_.rows, out.dim}, {out.row_stride, 1}};
}

FlattenMlaArgs GatherRun::flatten_args() const {
  auto batch = static_cast<std::int64_t>(c_.lengths.size());
  const Out& out = outs_[0];
  bool shd = c_.layout == FlattenArgs::Out::shd;
  FlattenMlaArgs a;
  a.cache = source_.tensor();
  a.out = out_tensor(out);
  if (!shd) std::swap(a.out.shape[0], a.out.shape[1]), std::swap(a.out.stride[0], a.out.stride[1]);
  a.out_layout = c_.layout;
  a.block_table = Tensor(table_.data(), c_.table, {batch, columns_});
  a.lengths = Tensor(lengths_.data(), c_.lengths_elem, {batch});
  if (!c_.starts.empty()) a.start_loc = Tensor(starts_.data(), c_.lengths_elem, {batch});
  a.tail = c_.tail;
  return a;
}

template <class F>
void GatherRun::with_args(F f) {
  if (c_.flatten) return f(flatten_args(), &Context::flatten_mla);
  auto batch = static_cast<std::int64_t>(c_.lengths.size());
  auto fill = [&](auto& a) {
    a.src = source_tensor();
    a.block_table = Tensor(table_.data(), c_.table, {batch, columns_});
    if (!c_.seq_starts.empty()) a.seq_starts = Tensor(offsets_.data(), Elem::i32, {batch});
    a.tail = c_.tail;
    a.settled = c_.seed % 3 == 0;
  };
  if (c_.kind == Kind::rows) {
    GatherArgs a;
    fill(a);
    a.dst = out_tensor(outs_[0]);
    if (c_.scaled) a.scale = Tensor(scale_buffer_.data(), Elem::f32, {static_cast<std::int64_t>(scale_.size() / 4)});
    a.cu_seq_lens = Tensor(ranges_.data(), Elem::i32, {batch + 1});
    f(a, &Context::gather_cache);
  } else if (c_.kind == Kind::mla) {
    GatherMlaArgs a;
    fill(a);
    a.dst = out_tensor(outs_[0]);
    a.lengths = Tensor(lengths_.data(), c_.lengths_elem, {batch});
    if (!c_.starts.empty()) a.workspace_starts = Tensor(starts_.data(), c_.lengths_elem, {batch});
    f(a, &Context::gather_mla);
  } else {
    GatherIndexerArgs a;
    fill(a);
    a.dst_k = out_tensor(outs_[0]);
    a.dst_scale = out_tensor(outs_[1]);
    if (c_.f32_scales) {
      a.dst_scale.elem = Elem::f32, a.dst_scale.shape[1] /= 4, a.dst_scale.stride[0] /= 4;
    }
    a.cu_seq_lens = Tensor(ranges_.data(), Elem::i32, {batch + 1});
    f(a, &Context::gather_indexer);
  }
}

void GatherRun::reset_outputs() {
  for (Out& out : outs_) out.buffer.write(out.image);
  context_.synchronise();
}

void GatherRun::launch(Stream stream) {
  with_args([&](const auto& args, auto call) { (context_.*call)(args, stream); });
}

void GatherRun::prepare() {
  with_args([&](const auto& args, auto) { context_.prepare(args); });
}

std::string GatherRun::check(Stream stream) {
  reset_outputs();
  launch(stream);
  context_.synchronise(stream);
  return compare();
}

std::string GatherRun::compare() const {
  for (const Out& out : outs_) {
    bool converted = c_.kind == Kind::mla || c_.scaled || (c_.kind == Kind::rows && c_.from != c_.to);
    std::string problem = first_difference(out.buffer.read(), out.expected, out.elem, converted);
    if (!problem.empty()) return fmt::format("output of {} a row: {}", out.dim, problem);
  }
  return source_.unchanged() ? "" : "src was written to";
}

Image GatherRun::rows() const {
  const Out& out = outs_[0];
  Image all = out.buffer.read(), rows;
  for (std::int64_t r = 0; r < c_.rows; ++r)
    for (std::int64_t h = 0; h < out.heads; ++h) {
      auto at = all.begin() + (out.offset + r * out.row_stride + h * out.head_stride) * bytes(out.elem);
      rows.insert(rows.end(), at, at + out.dim * bytes(out.elem));
    }
  return rows;
}

std::string run_gather(Context& context, const GatherCase& c, const PoisonFunction& poison) {
  std::string problem = GatherRun(context, c, poison).check();
  return problem.empty() ? "" : problem + "\n  case: " + c.text();
}

}  // namespace pagejit::tests
