// What we use of DLPack 1.3: the tensor, and the table of C functions that a tensor type may offer. Such a type's
// tensors are read without a Python call. https://dmlc.github.io/dlpack
#pragma once
#include <cstdint>

namespace pagejit::python::dlpack {

enum DeviceType : std::int32_t { cpu = 1, cuda = 2, cuda_host = 3, cuda_managed = 13 };
enum TypeCode : std::uint8_t { integer = 0, unsigned_integer = 1, real = 2, bfloat = 4, e4m3fn = 10, e5m2 = 12 };

struct Device {
  std::int32_t type, id;
};
struct DataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};
struct DlTensor {
  void* data;
  Device device;
  std::int32_t ndim;
  DataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null: packed
  std::uint64_t byte_offset;
};

/// What a capsule named "dltensor" holds begins with its tensor.
struct Managed {
  DlTensor tensor;
  void* manager_context;
  void (*deleter)(Managed*);
};

/// What the capsule "dlpack_exchange_api" in a type's `__dlpack_c_exchange_api__` points to.
struct ExchangeApi {
  std::uint32_t major, minor;
  ExchangeApi* previous;
  void* allocate;
  void* from_object;
  void* to_object;
  int (*view_object)(void* object, DlTensor* out);  // borrows; may be null; −1: a Python error is set
  int (*current_stream)(DeviceType type, std::int32_t id, void** stream);
};

}  // namespace pagejit::python::dlpack
