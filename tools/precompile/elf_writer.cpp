#include "tools/precompile/elf_writer.h"

#include <elf.h>

#include <cstring>

#include "runtime/cache/format.h"

namespace pagejit::precompile {
namespace {
using cache::append;
constexpr std::size_t alignment = 64;
#if defined(__aarch64__)
constexpr Elf64_Half machine = EM_AARCH64;
#else
constexpr Elf64_Half machine = EM_X86_64;
#endif

void pad(std::string& bytes, std::size_t to) {
  bytes.append((to - bytes.size() % to) % to, '\0');
}

/// Strings one after the other; add() gives where one begins.
struct Names {
  std::string bytes = std::string(1, '\0');
  Elf64_Word add(const std::string& name) {
    auto at = static_cast<Elf64_Word>(bytes.size());
    bytes += name + '\0';
    return at;
  }
};

struct Section {
  const char* name;
  Elf64_Word type;
  Elf64_Xword flags, align, entry;
  Elf64_Word link, info;
  std::string bytes;
};

Elf64_Ehdr header(std::size_t sections) {
  Elf64_Ehdr head{};
  std::memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64;
  head.e_ident[EI_DATA] = ELFDATA2LSB;
  head.e_ident[EI_VERSION] = EV_CURRENT;
  head.e_type = ET_REL;
  head.e_machine = machine;
  head.e_version = EV_CURRENT;
  head.e_ehsize = sizeof head;
  head.e_shentsize = sizeof(Elf64_Shdr);
  head.e_shnum = static_cast<Elf64_Half>(sections + 1);
  head.e_shstrndx = static_cast<Elf64_Half>(sections);
  return head;
}

/// Headers of all sections, the empty one first; their contents go to `file`.
std::string lay_out(std::vector<Section>& sections, std::string& file) {
  Names names;
  std::string table;
  append(table, Elf64_Shdr{});
  for (Section& s : sections) {
    Elf64_Shdr head{};
    head.sh_name = names.add(s.name);
    if (&s == &sections.back()) s.bytes = names.bytes;
    pad(file, s.align);
    head.sh_type = s.type, head.sh_flags = s.flags, head.sh_addralign = s.align, head.sh_entsize = s.entry;
    head.sh_link = s.link, head.sh_info = s.info;
    head.sh_offset = file.size(), head.sh_size = s.bytes.size();
    file += s.bytes;
    append(table, head);
  }
  return table;
}

}  // namespace

std::string elf_of_constants(const std::vector<Constant>& constants) {
  constexpr Elf64_Word data_index = 1, strings_index = 3;
  std::string data, symbols;
  Names names;
  append(symbols, Elf64_Sym{});
  for (const Constant& c : constants) {
    pad(data, alignment);
    Elf64_Sym symbol{};
    symbol.st_name = names.add(c.symbol);
    symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
    symbol.st_shndx = data_index;
    symbol.st_value = data.size(), symbol.st_size = c.bytes.size();
    append(symbols, symbol);
    data += c.bytes;
  }
  std::vector<Section> sections{
      {".rodata", SHT_PROGBITS, SHF_ALLOC, alignment, 0, 0, 0, data},
      {".symtab", SHT_SYMTAB, 0, 8, sizeof(Elf64_Sym), strings_index, 1, symbols},
      {".strtab", SHT_STRTAB, 0, 1, 0, 0, 0, names.bytes},
      {".note.GNU-stack", SHT_PROGBITS, 0, 1, 0, 0, 0, {}},  // without it the linker makes stacks executable
      {".shstrtab", SHT_STRTAB, 0, 1, 0, 0, 0, {}},
  };
  Elf64_Ehdr head = header(sections.size());
  std::string file(sizeof head, '\0');
  std::string table = lay_out(sections, file);
  pad(file, 8);
  head.e_shoff = file.size();
  std::memcpy(file.data(), &head, sizeof head);
  return file + table;
}

}  // namespace pagejit::precompile
