#include "python/src/call.h"

#include <fmt/format.h>

#include <cctype>
#include <memory>
#include <optional>

namespace pagejit::python {
namespace {

thread_local Intent thread_intent = Intent::launch;
thread_local std::optional<std::uintptr_t> thread_stream;
std::vector<Explained>& explained() {
  thread_local std::vector<Explained> list;
  return list;
}

bool in_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// `text` with the word `from` as `to`, wherever it stands by itself.
std::string renamed(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos;) {
    std::size_t end = at + from.size();
    bool whole = (at == 0 || !in_word(text[at - 1])) && (end == text.size() || !in_word(text[end]));
    if (whole) text.replace(at, from.size(), to);
    at += whole ? to.size() : from.size();
  }
  return text;
}

/// torch._C._cuda_getCurrentRawStream, where torch is loaded and knows CUDA; None else. Asked for once.
nb::handle torch_stream_getter() {
  static PyObject* getter = nullptr;
  if (getter != nullptr) return getter;
  nb::object torch = nb::module_::import_("sys").attr("modules").attr("get")("torch._C");
  if (torch.is_none()) return nb::none();  // it may be loaded later
  getter = nb::getattr(torch, "_cuda_getCurrentRawStream", nb::none()).release().ptr();
  return getter;
}

}  // namespace

void set_intent(Intent intent) {
  thread_intent = intent;
  explained().clear();
}
std::vector<Explained> take_explained() {
  return std::exchange(explained(), {});
}
Intent Call::intent() {
  return thread_intent;
}
void Call::note(std::vector<std::string> spec_lines) const {
  explained().push_back({std::move(spec_lines), place_});
}
void set_stream(std::optional<std::uintptr_t> stream) {
  thread_stream = stream;
}

Stream Call::stream() const {
  if (place_.cuda == Place::host) return nullptr;
  if (thread_stream) return reinterpret_cast<Stream>(*thread_stream);
  void* stream = nullptr;
  if (api_ != nullptr && api_->current_stream != nullptr) {
    if (api_->current_stream(dlpack::cuda, place_.cuda, &stream) != 0) throw nb::python_error();
    return stream;
  }
  nb::handle getter = torch_stream_getter();
  return getter.is_none() ? nullptr : reinterpret_cast<Stream>(nb::cast<std::uintptr_t>(getter(place_.cuda)));
}

const Tensor& Call::take(Given object, const char* name, const char* field, bool written) {
  HostTensor& kept = *std::construct_at(&tensors_[count_ < most ? count_++ : most - 1], HostTensor{{}, name, field});
  if (object.is_none()) return kept.tensor;
  Viewed v(kept.tensor);
  view(object, function_, name, v);
  if (written && v.read_only)
    throw nb::value_error(fmt::format("{}: {} is read-only, and this call writes it", function_, name).c_str());
  if (first_ == nullptr) {
    first_ = name;
    place_ = v.place;
    api_ = v.api;
  } else if (v.place != place_) {
    throw nb::value_error(fmt::format("{}: {} lies on {}; expected {}, as {} does", function_, name, name_of(v.place),
                                      name_of(place_), first_)
                              .c_str());
  }
  if (v.keep.is_valid()) keep_.push_back(std::move(v.keep));
  return kept.tensor;
}

void Call::rethrow(const Error& e) const {
  auto translated = [&](std::string text) {
    // By way of marks, so that a name that is one argument's in C++ and another's in Python is replaced once.
    for (int i = 0; i < count_; ++i) text = renamed(std::move(text), tensors_[i].field, fmt::format("\x01{}\x02", i));
    for (int i = 0; i < count_; ++i) {
      std::string mark = fmt::format("\x01{}\x02", i);
      for (std::size_t at; (at = text.find(mark)) != std::string::npos;)
        text.replace(at, mark.size(), tensors_[i].name);
    }
    return text;
  };
  Error::Fields fields;
  for (const auto& [name, value] : e.fields())
    fields.emplace_back(name, name == "argument" ? translated(value) : value);
  std::string message = e.code() == Code::argument ? translated(e.message()) : e.message();
  fail(e.code(), fmt::format("{}: {}", function_, message), std::move(fields));
}

void Call::refuse(const char* name, std::string_view value, const std::string& expected) const {
  throw nb::value_error(fmt::format("{}: {} is '{}'; expected {}", function_, name, value, expected).c_str());
}

}  // namespace pagejit::python
