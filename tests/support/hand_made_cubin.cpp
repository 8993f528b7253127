#include "tests/support/hand_made_cubin.h"

#include <elf.h>

#include <cstring>
#include <vector>

namespace pagejit {
namespace {

void put32(std::string& bytes, std::uint32_t value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// A note whose value follows its head.
std::string sized_note(int id, const std::vector<std::uint32_t>& values) {
  std::string note{4, static_cast<char>(id), static_cast<char>(values.size() * 4), 0};
  for (std::uint32_t value : values) put32(note, value);
  return note;
}

struct Part {
  std::string name;
  std::uint32_t type, link;
  std::string bytes;
  std::uint64_t size;  // of memory that is not in the file
};

}  // namespace

std::string hand_made_cubin(const std::string& first, std::uint8_t abi, std::uint32_t flags) {
  std::string strings = '\0' + first + '\0' + "two" + '\0', symbols(3 * sizeof(Elf64_Sym), '\0');
  symbols[sizeof(Elf64_Sym)] = 1, symbols[2 * sizeof(Elf64_Sym)] = static_cast<char>(first.size() + 2);
  std::string all = sized_note(0x2f, {1, 40}) + sized_note(0x2f, {2, 255}) + sized_note(0x11, {1, 16}) +
                    sized_note(0x12, {1, 24}) + sized_note(0x77, {9, 9, 9});
  std::string own = std::string("\3\x50\0\0\3\x19\x04\1\2\x4c\1\1", 12) + sized_note(0x05, {32, 4, 2});
  std::vector<Part> parts{{"", 0, 0, "", 0},
                          {".names", SHT_STRTAB, 0, "", 0},
                          {".strtab", SHT_STRTAB, 0, strings, 0},
                          {".symtab", SHT_SYMTAB, 2, symbols, 0},
                          {".nv.info", SHT_LOPROC, 3, all, 0},
                          {".nv.info." + first, SHT_LOPROC, 3, own, 0},
                          {".text." + first, SHT_PROGBITS, 3, "code", 0},
                          {".text.two", SHT_PROGBITS, 3, "more", 0},
                          {".nv.shared." + first, SHT_NOBITS, 0, "", 0x600}};
  std::vector<Elf64_Word> names;
  for (const Part& part : parts) {
    names.push_back(static_cast<Elf64_Word>(parts[1].bytes.size()));
    parts[1].bytes += part.name + '\0';
  }
  Elf64_Ehdr head{};
  std::memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64, head.e_ident[EI_DATA] = ELFDATA2LSB, head.e_ident[EI_ABIVERSION] = abi;
  head.e_machine = 190, head.e_flags = flags, head.e_shentsize = sizeof(Elf64_Shdr);
  head.e_shnum = static_cast<Elf64_Half>(parts.size()), head.e_shstrndx = 1;
  std::string file(sizeof head, '\0'), table;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Elf64_Shdr s{};
    s.sh_name = names[i], s.sh_type = parts[i].type, s.sh_link = parts[i].link, s.sh_offset = file.size();
    s.sh_size = parts[i].type == SHT_NOBITS ? parts[i].size : parts[i].bytes.size();
    if (parts[i].type != SHT_NOBITS) file += parts[i].bytes;
    table.append(reinterpret_cast<const char*>(&s), sizeof s);
  }
  head.e_shoff = file.size();
  std::memcpy(file.data(), &head, sizeof head);
  return file + table;
}

}  // namespace pagejit
