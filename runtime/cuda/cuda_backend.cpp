#include "runtime/cuda/cuda_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "runtime/base/error.h"
#include "runtime/cuda/launch.h"

namespace pagejit {
namespace {
using cuda::Current;
using cuda::RelaxedCapture;

cuda::StreamHandle handle(Stream stream) {
  return static_cast<cuda::StreamHandle>(stream);
}
cuda::Address address(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}
}  // namespace

CudaBackend::CudaBackend(std::shared_ptr<Engine> engine, CudaOptions options)
    : engine_(std::move(engine)),
      driver_(options.driver ? std::move(options.driver) : cuda::Driver::process()),
      device_(driver_, options.ordinal),
      assembler_(device_),
      target_(options.target.empty() ? device_.target() : options.target) {}

CudaBackend::~CudaBackend() {
  report_memory_hits();
}

/// A launch adds one to a number and no more; the engine hears of it when there is time: at a load, and at the end.
void CudaBackend::report_memory_hits() {
  std::lock_guard hold(reporting_);
  std::uint64_t cold = cold_launches_, all = launches_ + memory_hits_;
  if (all <= cold + reported_hits_) return;
  engine_->count_memory_hits(all - cold - reported_hits_);
  reported_hits_ = all - cold;
}

const LoadedKernel* CudaBackend::find(const Request& request) const {
  Holder* holder = kernels_.find(request.key_id, request.key_text);
  return holder ? holder->kernel.get() : nullptr;
}

const LoadedKernel& CudaBackend::load(const Request& request) {
  if (const LoadedKernel* known = find(request)) {
    memory_hits_.fetch_add(1, std::memory_order_relaxed);
    return *known;
  }
  return *kernels_.get(request.key_id, request.key_text, [&] { return Holder{make(request)}; }).kernel;
}

const LoadedKernel* CudaBackend::load_cached(const Request& request) {
  return find(request) != nullptr || engine_->has(request, assembler_) ? &load(request) : nullptr;
}

void CudaBackend::note_fallback(const Request& wanted, const LoadedKernel& served) {
  engine_->note_fallback(wanted, served.request());
}

void CudaBackend::note_cold_launch() {
  cold_launches_.fetch_add(1, std::memory_order_relaxed);
}

const LoadedKernel& CudaBackend::load_on(const Request& request, Stream stream) {
  if (const LoadedKernel* known = find(request)) return *known;
  if (capturing(stream))
    fail(Code::capture, "this kernel is not loaded yet, and the stream is capturing",
         {{"spec", request.spec_line}, {"target", request.target}, {"to do", "load it before the capture begins"}});
  return load(request);
}

std::unique_ptr<cuda::CudaKernel> CudaBackend::make(const Request& request) {
  report_memory_hits();
  const Made& made = engine_->image(request, assembler_);
  try {
    return put_on_device(request, made.artifact);
  } catch (const Error& e) {
    // Bytes from a file may be at fault; bytes that this process made are not worth a second try.
    if (!made.hit || e.code() != Code::driver) throw;
    Made again = engine_->remake(request, assembler_, made, e.message());
    return put_on_device(request, again.artifact);
  }
}

std::unique_ptr<cuda::CudaKernel> CudaBackend::put_on_device(const Request& request, const Artifact& artifact) {
  auto start = std::chrono::steady_clock::now();
  RelaxedCapture relaxed(*driver_);
  Current current(*driver_, device_.context());
  auto kernel = std::make_unique<cuda::CudaKernel>(device_, request, artifact.facts, artifact.cubin);
  load_ns_ += std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
  return kernel;
}

void CudaBackend::launch(const LoadedKernel& kernel, Grid grid, const void* params, Stream stream) {
  Current current(*driver_, device_.context());
  cuda::launch_kernel(*driver_, static_cast<const cuda::CudaKernel&>(kernel), grid, params, handle(stream));
  launches_.fetch_add(1, std::memory_order_relaxed);
}

bool CudaBackend::capturing(Stream stream) {
  Current current(*driver_, device_.context());
  cuda::CaptureStatus status = cuda::capture_none;
  driver_->check(driver_->stream_capturing(handle(stream), &status), "cuStreamIsCapturing",
                 "asking whether a stream is capturing");
  return status != cuda::capture_none;
}

bool CudaBackend::describe(const BoxedTensor& t, TensorMap& out) const {
  Current current(*driver_, device_.context());  // without one the driver refuses every tensor
  auto element = t.elem_bytes == 1 ? cuda::map_u8 : cuda::map_u16;
  auto swizzle = t.swizzle == 128  ? cuda::map_swizzle_128
                 : t.swizzle == 64 ? cuda::map_swizzle_64
                                   : cuda::map_swizzle_32;
  std::array<std::uint64_t, 5> sizes{};
  std::array<std::uint64_t, 4> strides{};
  std::array<unsigned, 5> box{}, steps{1, 1, 1, 1, 1};
  std::copy(t.sizes.begin(), t.sizes.end(), sizes.begin());
  std::copy(t.strides.begin(), t.strides.end(), strides.begin());
  std::copy(t.box.begin(), t.box.end(), box.begin());
  // Boxes are 128 bytes wide: promoted to 256, what lies beside them is asked for twice (docs/measured.md).
  // It says nothing but no: then there is another way.
  return driver_->tensor_map_encode(&out, element, 5, t.data.get(), sizes.data(), strides.data(), box.data(),
                                    steps.data(), cuda::map_interleave_none, swizzle, cuda::map_promotion_128,
                                    cuda::map_fill_zeros) == cuda::success;
}

void* CudaBackend::allocate(std::size_t bytes, const char* label) {
  RelaxedCapture relaxed(*driver_);
  Current current(*driver_, device_.context());
  cuda::Address at = 0;
  cuda::Result result = driver_->memory_allocate(&at, std::max<std::size_t>(bytes, 1));  // the driver refuses 0
  if (result != cuda::success)
    driver_->check(result, "cuMemAlloc", fmt::format("allocating {} bytes for {}", bytes, label ? label : "a buffer"));
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(at));
}

void CudaBackend::release(void* pointer) {
  if (!pointer) return;
  RelaxedCapture relaxed(*driver_);
  Current current(*driver_, device_.context());
  driver_->check(driver_->memory_free(address(pointer)), "cuMemFree", "releasing a buffer");
}

void CudaBackend::copy_in(void* device, const void* host, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  Current current(*driver_, device_.context());
  driver_->check(driver_->copy_to_device(address(device), host, bytes, handle(stream)), "cuMemcpyHtoDAsync",
                 "copying to the device");
}

void CudaBackend::copy_out(void* host, const void* device, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  Current current(*driver_, device_.context());
  driver_->check(driver_->copy_to_host(host, address(device), bytes, handle(stream)), "cuMemcpyDtoHAsync",
                 "copying from the device");
  driver_->check(driver_->stream_synchronise(handle(stream)), "cuStreamSynchronize",
                 "waiting for a copy from the device");
}

void CudaBackend::fill(void* device, unsigned char byte, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  Current current(*driver_, device_.context());
  driver_->check(driver_->fill_bytes(address(device), byte, bytes, handle(stream)), "cuMemsetD8Async",
                 "filling a buffer");
}

void CudaBackend::synchronise(Stream stream) {
  Current current(*driver_, device_.context());
  driver_->check(driver_->stream_synchronise(handle(stream)), "cuStreamSynchronize", "waiting for a stream");
}

Statistics CudaBackend::statistics() const {
  Statistics s = engine_->statistics();
  s.memory_hits = memory_hits_;
  s.launches = launches_;
  s.load_ms = static_cast<double>(load_ns_) * 1e-6;
  return s;
}

std::unique_ptr<CudaBackend> open_cuda(std::shared_ptr<Compiler> compiler, CudaOptions options) {
  const Settings& settings = Settings::process();
  if (options.target.empty()) options.target = settings.arch;
  auto engine = std::make_shared<Engine>(std::move(compiler), EngineOptions::from(settings));
  return std::make_unique<CudaBackend>(std::move(engine), std::move(options));
}

}  // namespace pagejit
