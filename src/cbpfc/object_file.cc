// SPDX-License-Identifier: BSD-3-Clause
//
// Writes a relocatable ELF file for BPF, with one function.
//
//     header | .text | .BTF | .BTF.ext | .symtab | .strtab | section headers
//
// Nothing in it needs relocating: a fragment calls helpers and jumps, and names no map.
//
// Source: System V ABI, "Object Files"; <elf.h>; libbpf v1.1 src/linker.c linker_sanity_check_elf(),
// linker_append_elf_sym().
// Tested by: object_test.cc, tests/kernel/object_test.cc.

#include <cbpfc/object.h>
#include <elf.h>
#include <fmt/format.h>

#include <string_view>

#include "function_name.h"
#include "little_endian.h"
#include "object_btf.h"

namespace cbpfc {
namespace {

struct Section {
  std::string_view name;
  std::uint32_t type = SHT_PROGBITS;
  std::uint64_t flags = 0;
  std::uint64_t align_bytes = 1;
  Bytes bytes;
  std::uint32_t link = 0;
  std::uint32_t info = 0;
  std::uint64_t entry_bytes = 0;
};

/// Indices into the section headers; 0 is the one that stands for none.
enum SectionIndex : std::uint16_t { None, Text, Btf, BtfExtension, Symbols, Strings };

Bytes encode(std::span<const ebpf::Insn> insns) {
  Bytes bytes;
  for (const ebpf::Insn& insn : insns) {
    bytes.push_back(insn.opcode);
    bytes.push_back(insn.registers);
    put_u16(bytes, static_cast<std::uint16_t>(insn.offset));
    put_u32(bytes, static_cast<std::uint32_t>(insn.immediate));
  }
  return bytes;
}

void put_symbol(Bytes& bytes, std::uint32_t name, unsigned char info, unsigned char visibility,
                std::uint16_t section, std::uint64_t size_bytes) {
  put_u32(bytes, name);
  bytes.push_back(info);
  bytes.push_back(visibility);
  put_u16(bytes, section);
  put_u64(bytes, 0);  // value
  put_u64(bytes, size_bytes);
}

std::uint32_t add_name(Bytes& strings, std::string_view name) {
  const auto offset = static_cast<std::uint32_t>(strings.size());
  strings.insert(strings.end(), name.begin(), name.end());
  strings.push_back(0);
  return offset;
}

/// The table with the symbols: none, the section, the function.
Section symbol_table(Bytes& strings, const std::string& function_name, std::size_t text_bytes) {
  Section table{.name = ".symtab",
                .type = SHT_SYMTAB,
                .align_bytes = 8,
                .bytes = {},
                .link = Strings,
                .info = 2,  // the first that is not local
                .entry_bytes = sizeof(Elf64_Sym)};
  put_symbol(table.bytes, 0, 0, 0, SHN_UNDEF, 0);
  put_symbol(table.bytes, 0, ELF64_ST_INFO(STB_LOCAL, STT_SECTION), STV_DEFAULT, Text, 0);
  put_symbol(table.bytes, add_name(strings, function_name), ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
             STV_HIDDEN, Text, text_bytes);
  return table;
}

void put_header(Bytes& file, std::uint64_t section_headers_at, std::uint16_t section_count) {
  file.assign({ELFMAG0, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT});
  file.resize(EI_NIDENT);
  put_u16(file, ET_REL);
  put_u16(file, EM_BPF);
  put_u32(file, EV_CURRENT);
  put_u64(file, 0);  // entry
  put_u64(file, 0);  // program headers
  put_u64(file, section_headers_at);
  put_u32(file, 0);  // flags
  put_u16(file, sizeof(Elf64_Ehdr));
  put_u16(file, 0);
  put_u16(file, 0);
  put_u16(file, sizeof(Elf64_Shdr));
  put_u16(file, section_count);
  put_u16(file, Strings);
}

void put_section_header(Bytes& headers, const Section& section, std::uint32_t name,
                        std::uint64_t offset) {
  put_u32(headers, name);
  put_u32(headers, section.type);
  put_u64(headers, section.flags);
  put_u64(headers, 0);  // address
  put_u64(headers, offset);
  put_u64(headers, section.bytes.size());
  put_u32(headers, section.link);
  put_u32(headers, section.info);
  put_u64(headers, section.align_bytes);
  put_u64(headers, section.entry_bytes);
}

void align(Bytes& bytes, std::uint64_t align_bytes) {
  bytes.resize((bytes.size() + align_bytes - 1) / align_bytes * align_bytes);
}

/// Header, contents, headers.  `sections` are in the order of SectionIndex, without None; the strings are
/// the last, and get the sections' names.
Bytes lay_out(std::vector<Section> sections) {
  Bytes& strings = sections.back().bytes;
  std::vector<std::uint32_t> names;
  names.reserve(sections.size());
  for (const Section& section : sections) {
    names.push_back(add_name(strings, section.name));
  }
  Bytes contents(sizeof(Elf64_Ehdr));
  Bytes headers;
  put_section_header(headers, {.name = {}, .type = SHT_NULL, .align_bytes = 0, .bytes = {}}, 0, 0);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    align(contents, sections[i].align_bytes);
    put_section_header(headers, sections[i], names[i], contents.size());
    contents.insert(contents.end(), sections[i].bytes.begin(), sections[i].bytes.end());
  }
  align(contents, 8);
  Bytes file;
  put_header(file, contents.size(), static_cast<std::uint16_t>(sections.size() + 1));
  file.insert(file.end(), contents.begin() + sizeof(Elf64_Ehdr), contents.end());
  file.insert(file.end(), headers.begin(), headers.end());
  return file;
}

}  // namespace

Result<std::vector<std::uint8_t>> write_object(std::span<const ebpf::Insn> insns,
                                               const ObjectOptions& options) {
  if (const std::string fault = function_name_fault(options.function_name); !fault.empty()) {
    return fail_option(Errc::InvalidArgument, "function_name",
                       fmt::format("write object file: {}", fault));
  }
  ObjectBtf btf = describe_function(options);
  Bytes text = encode(insns);
  Bytes strings = {0};
  Section symbols = symbol_table(strings, options.function_name, text.size());
  std::vector<Section> sections;
  sections.push_back({.name = ".text",
                      .flags = SHF_ALLOC | SHF_EXECINSTR,
                      .align_bytes = sizeof(ebpf::Insn),
                      .bytes = std::move(text)});
  sections.push_back({.name = ".BTF", .align_bytes = 4, .bytes = std::move(btf.types)});
  sections.push_back({.name = ".BTF.ext", .align_bytes = 4, .bytes = std::move(btf.extension)});
  sections.push_back(std::move(symbols));
  sections.push_back({.name = ".strtab", .type = SHT_STRTAB, .bytes = std::move(strings)});
  return lay_out(std::move(sections));
}

}  // namespace cbpfc
