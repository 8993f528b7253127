#include "runtime/cache/cubin_facts.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>

#include "runtime/base/error.h"

namespace pagejit::cache {
namespace {
constexpr std::uint16_t machine_cuda = 190;
// A note's form says where its value is: in the two bytes of its head, or in as many bytes after it.
constexpr std::uint8_t form_short = 3, form_sized = 4;
constexpr std::uint8_t note_max_threads = 0x05, note_frame = 0x11, note_least_stack = 0x12, note_param_bytes = 0x19,
                       note_registers = 0x2f;

[[noreturn]] void damaged(const std::string& why) {
  fail(Code::damaged, "this is not a usable cubin: " + why);
}

std::string_view piece(std::string_view bytes, std::uint64_t offset, std::uint64_t size, const char* what) {
  if (offset > bytes.size() || size > bytes.size() - offset) damaged(fmt::format("{} is outside the file", what));
  return bytes.substr(offset, size);
}

template <class T>
T at(std::string_view bytes, std::uint64_t offset, const char* what) {
  T value;
  std::memcpy(&value, piece(bytes, offset, sizeof value, what).data(), sizeof value);
  return value;
}

std::string text_at(std::string_view table, std::uint32_t offset) {
  if (offset >= table.size()) damaged("a name is outside its table");
  std::string_view rest = table.substr(offset);
  return std::string(rest.substr(0, rest.find('\0')));
}

struct Note {
  std::uint8_t id;
  std::uint16_t value;    // of a short note
  std::string_view data;  // of a sized one
};

/// `.nv.info` and `.nv.info.KERNEL`: one note after the other.
std::vector<Note> notes_of(std::string_view section) {
  std::vector<Note> notes;
  while (section.size() >= 4) {
    auto form = at<std::uint8_t>(section, 0, "a note");
    Note note{at<std::uint8_t>(section, 1, "a note"), at<std::uint16_t>(section, 2, "a note"), {}};
    std::size_t size = form == form_sized ? note.value : 0;
    note.data = piece(section, 4, size, "a note");
    section.remove_prefix(4 + size);
    if (form == form_sized || form == form_short) notes.push_back(note);
  }
  return notes;
}

class Cubin {
 public:
  explicit Cubin(std::string_view bytes) : bytes_(bytes) {
    auto head = at<Elf64_Ehdr>(bytes, 0, "the header");
    bool elf = std::memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && head.e_ident[EI_CLASS] == ELFCLASS64 &&
               head.e_ident[EI_DATA] == ELFDATA2LSB;
    if (!elf) damaged("it is not a 64-bit ELF file");
    if (head.e_machine != machine_cuda) damaged("its machine is not CUDA");
    // CUDA 13 has moved the number.
    sm_ = head.e_ident[EI_ABIVERSION] >= 8 ? head.e_flags >> 8 & 0xffff : head.e_flags & 0xff;
    if (head.e_shentsize != sizeof(Elf64_Shdr) || head.e_shnum == 0) damaged("it has no section table");
    for (std::uint64_t i = 0; i < head.e_shnum; ++i)
      sections_.push_back(
          at<Elf64_Shdr>(piece(bytes, head.e_shoff, head.e_shnum * sizeof(Elf64_Shdr), "the section table"),
                         i * sizeof(Elf64_Shdr), "a section"));
    if (head.e_shstrndx >= sections_.size()) damaged("it has no table of names");
    names_ = bytes_of(sections_[head.e_shstrndx]);
  }

  std::vector<CubinKernel> kernels() {
    for (const Elf64_Shdr& section : sections_)
      if (std::string name = name_of(section); name.starts_with(".text."))
        kernels_[name.substr(6)].symbol = name.substr(6);
    for (const Elf64_Shdr& section : sections_) read(section, name_of(section));
    std::vector<CubinKernel> all;
    for (auto& [symbol, kernel] : kernels_) all.push_back(std::move(kernel));
    return all;
  }

 private:
  std::string name_of(const Elf64_Shdr& section) const { return text_at(names_, section.sh_name); }
  std::string_view bytes_of(const Elf64_Shdr& section) const {
    return section.sh_type == SHT_NOBITS ? std::string_view{}
                                         : piece(bytes_, section.sh_offset, section.sh_size, "a section");
  }
  CubinKernel* kernel(const std::string& symbol) {
    auto found = kernels_.find(symbol);
    return found == kernels_.end() ? nullptr : &found->second;
  }

  void read(const Elf64_Shdr& section, const std::string& name) {
    constexpr std::string_view info = ".nv.info", shared = ".nv.shared.";
    if (name == info) read_global(section);
    if (name.starts_with(".nv.info."))
      if (CubinKernel* k = kernel(name.substr(info.size() + 1))) read_own(*k, bytes_of(section));
    if (name.starts_with(shared))
      if (CubinKernel* k = kernel(name.substr(shared.size()))) k->static_shared = own_shared(section.sh_size);
  }

  /// From sm_90 on the section counts what the system keeps for itself in every block.
  int own_shared(std::uint64_t bytes) const {
    constexpr std::uint64_t reserved = 1024;
    if (sm_ >= 90 && bytes >= reserved) bytes -= reserved;
    return static_cast<int>(std::min<std::uint64_t>(bytes, INT32_MAX));
  }

  /// Pairs of a symbol's number and a value.
  void read_global(const Elf64_Shdr& section) {
    for (const Note& note : notes_of(bytes_of(section))) {
      if (note.data.size() != 8) continue;
      CubinKernel* k = kernel(symbol_name(section, at<std::uint32_t>(note.data, 0, "a note")));
      int value = at<std::int32_t>(note.data, 4, "a note");
      if (k && note.id == note_registers) k->registers = value;
      if (k && note.id == note_frame) k->frame_bytes = value;
      if (k && note.id == note_least_stack) k->stack_bytes = value;
    }
  }

  static void read_own(CubinKernel& k, std::string_view section) {
    for (const Note& note : notes_of(section)) {
      if (note.id == note_param_bytes && note.data.empty()) k.param_bytes = note.value;
      if (note.id == note_max_threads && note.data.size() == 12) {
        std::uint64_t threads = 1;
        for (std::size_t i = 0; i < 12; i += 4)
          threads *= std::min(at<std::uint32_t>(note.data, i, "a note"), 1u << 16);
        k.max_threads = static_cast<int>(std::min<std::uint64_t>(threads, INT32_MAX));
      }
    }
  }

  std::string symbol_name(const Elf64_Shdr& info, std::uint32_t index) const {
    if (info.sh_link >= sections_.size()) damaged("its notes name no symbol table");
    const Elf64_Shdr& table = sections_[info.sh_link];
    if (table.sh_link >= sections_.size()) damaged("its symbols have no names");
    auto symbol = at<Elf64_Sym>(bytes_of(table), std::uint64_t{index} * sizeof(Elf64_Sym), "a symbol");
    return text_at(bytes_of(sections_[table.sh_link]), symbol.st_name);
  }

  std::string_view bytes_, names_;
  std::uint32_t sm_ = 0;
  std::vector<Elf64_Shdr> sections_;
  std::map<std::string, CubinKernel> kernels_;
};

}  // namespace

std::vector<CubinKernel> read_cubin(std::string_view cubin) {
  return Cubin(cubin).kernels();
}

void add_cubin_facts(KernelFacts& facts, std::string_view cubin) {
  auto fill = [](int& fact, int found) {
    if (fact < 0) fact = found;
  };
  for (const CubinKernel& k : read_cubin(cubin)) {
    if (k.symbol != facts.symbol) continue;
    fill(facts.registers, k.registers);
    fill(facts.local_bytes, k.frame_bytes);
    fill(facts.static_shared, k.static_shared);
    fill(facts.max_threads, k.max_threads);
  }
}

}  // namespace pagejit::cache
