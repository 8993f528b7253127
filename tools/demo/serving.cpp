#include "tools/demo/serving.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "tools/demo/paged_cache.h"
#include "tools/demo/step.h"

namespace pagejit::demo {

TokenShape token_shape(const ModelConfig& model) {
  return {model.kv_heads, model.dim_k, model.dim_v, model.mla, model.elem};
}

Served serve(Context& context, const Workload& work, bool verify, const std::function<void(int)>& progress) {
  std::mt19937_64 random(work.seed);
  TokenShape shape = token_shape(work.model);
  Sequences sequences(shape, work.page, work.limits, random);
  PagedCache cache(context, shape, work.page, sequences.pages(), work.layout);
  StepBuffers buffers(context, shape, work.page, work.limits);

  Served result;
  result.least_batch = work.limits.batch;
  for (; result.steps < work.steps; ++result.steps) {
    progress(result.steps);
    sequences.advance();
    for (Sequence* s : sequences.pending()) cache.write(*s);
    Step step = random_step(sequences, random);
    FlattenArgs args = buffers.prepare(step, cache, work.layout);

    Statistics before = context.statistics();
    auto start = std::chrono::steady_clock::now();
    context.flatten(args);
    double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    context.synchronise();
    Statistics after = context.statistics();

    (result.steps == 0 ? result.compiled_first : result.compiled_later) += after.compiles - before.compiles;
    result.launches += after.launches - before.launches;
    int batch = static_cast<int>(step.batch.size());
    result.least_batch = std::min(result.least_batch, batch);
    result.greatest_batch = std::max(result.greatest_batch, batch);
    for (const Sequence* s : step.batch) result.tokens += static_cast<std::uint64_t>(s->length);
    result.specs.emplace(context.spec_line(args), ms);
    if (!verify) continue;
    if (auto wrong = buffers.verify(step)) {
      result.mismatch = fmt::format("{}, step {}: {}", work.model.name, result.steps, *wrong);
      return result;
    }
    ++result.verified;
  }
  return result;
}

}  // namespace pagejit::demo
