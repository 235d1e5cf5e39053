// SPDX-License-Identifier: BSD-3-Clause
//
// The fragment as a function, and the function in an ELF file:
//
//     .text | .BTF | .BTF.ext | .symtab | .strtab
//
// Nothing in it needs relocating: a fragment calls helpers and jumps, and names no map.
//
// libbpf's linker matches a call with the function by its type (.BTF).  The kernel wants, for every function of
// a program that has types, a record of the function's type (func_info), and, where the caller was compiled
// with -g, one of a source line (line_info), which here is the filter itself.
//
// Source: Linux v6.18 Documentation/bpf/btf.rst; libbpf v1.1 src/linker.c linker_sanity_check_elf().
// Tested by: object_test.cc, verify/tests/kernel/object_test.cc.

#include "cbpfc/command/object.h"

#include <bpf/btf.h>
#include <fmt/format.h>
#include <libelf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "base/text.h"
#include "base/unique_fd.h"
#include "cbpfc/emit/c/emit_c.h"

namespace command {

using cbpfc::EbpfOptions;
using cbpfc::Errc;
using cbpfc::fail;
using cbpfc::fail_option;
using cbpfc::Filter;
using cbpfc::Result;
using cbpfc::ebpf::Reg;

namespace {

constexpr auto kFirstArgument = Reg::R1;
constexpr auto kSecondArgument = Reg::R2;

/// Where ancillary loads are calls, which overwrite R0 to R5, the packet is moved out of their way.
Result<EbpfOptions> fragment_options(const ObjectOptions& options) {
  if (options.ancillary.context) {
    return fail_option(
        Errc::InvalidArgument, "ancillary.context",
        "compile filter to an object file: the function is given the packet alone, no context");
  }
  EbpfOptions fragment{.packet_start = kFirstArgument,
                       .packet_end = kSecondArgument,
                       .result = Reg::R0,
                       .working = {Reg::R0, Reg::R3, Reg::R4, Reg::R5},
                       .ancillary = options.ancillary,
                       .spare = {Reg::R6, Reg::R7, Reg::R8, Reg::R9},
                       .optimize = options.optimize};
  if (options.ancillary.helpers) {
    fragment.packet_start = Reg::R6;
    fragment.packet_end = Reg::R7;
    fragment.working = {Reg::R0, Reg::R8, Reg::R1, Reg::R2};
    fragment.spare = {Reg::R9};
  }
  return fragment;
}

Result<std::vector<std::uint8_t>> as_function(const cbpfc::ebpf::Assembly& fragment,
                                              const EbpfOptions& registers,
                                              const ObjectOptions& options) {
  cbpfc::ebpf::Assembly function;
  if (registers.packet_start != kFirstArgument) {
    function.add(cbpfc::ebpf::mov(registers.packet_start, kFirstArgument));
    function.add(cbpfc::ebpf::mov(registers.packet_end, kSecondArgument));
  }
  function.append(fragment);
  function.label(registers.result_label);
  function.add(cbpfc::ebpf::exit_insn());
  return write_object(TRY(function.assemble()), options);
}

/// The kernel takes printable text alone.
/// Source: Linux v6.18 kernel/bpf/btf.c btf_name_valid_section(), check_btf_line().
std::string one_printable_line(std::string_view text) {
  constexpr std::size_t kMostCharacters = 400;
  std::string line;
  for (const char c : text.substr(0, kMostCharacters)) {
    line += c >= ' ' && c <= '~' ? c : ' ';
  }
  return text.size() > kMostCharacters ? line + "..." : line;
}

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};

/// The function's type, and records that say so of the first instruction of .text.
struct Description {
  std::unique_ptr<btf, FreeBtf> types;
  std::vector<std::uint32_t> extension;  ///< .BTF.ext
};

Result<Description> describe_function(const ObjectOptions& options) {
  Description described{.types = std::unique_ptr<btf, FreeBtf>(btf__new_empty()), .extension = {}};
  btf* const types = described.types.get();
  int failure = types == nullptr ? -ENOMEM : btf__set_endianness(types, BTF_LITTLE_ENDIAN);
  const auto id = [&](int added) {
    failure = failure < 0 ? failure : added;
    return added;
  };
  if (failure == 0) {
    const int byte = id(btf__add_int(types, "unsigned char", 1, 0));
    const int pointer = id(btf__add_ptr(types, id(btf__add_const(types, byte))));
    const int word = id(btf__add_int(types, "unsigned int", 4, 0));
    const int prototype = id(btf__add_func_proto(types, word));
    id(btf__add_func_param(types, "data", pointer));
    id(btf__add_func_param(types, "data_end", pointer));
    const int function =
        id(btf__add_func(types, options.function_name.c_str(), BTF_FUNC_GLOBAL, prototype));
    const int text = id(btf__add_str(types, ".text"));
    const int file = id(btf__add_str(types, "cbpfc"));
    const int line = id(btf__add_str(types, one_printable_line(options.source).c_str()));
    const auto word_of = [](int number) { return static_cast<std::uint32_t>(number); };
    constexpr std::uint32_t kMagicAndVersion = 0x1eb9f;
    constexpr std::uint32_t kFirstLineAndColumn = 1U << 10 | 1;
    described.extension = {kMagicAndVersion,
                           24,
                           0,
                           20,
                           20,
                           28,  // header: its size, func_info and line_info, offset and size
                           8,
                           word_of(text),
                           1,
                           0,
                           word_of(function),
                           16,
                           word_of(text),
                           1,
                           0,
                           word_of(file),
                           word_of(line),
                           kFirstLineAndColumn};
  }
  if (failure < 0) {
    return fail(Errc::Io, fmt::format("write object file: describe its types: {}",
                                      xdpcap::errno_text(-failure)));
  }
  return described;
}

/// Indices into the section headers; 0 is the one that stands for none.
enum SectionIndex : std::uint16_t { None, Text, Btf, BtfExtension, Symbols, Strings };

struct Section {
  const char* name;
  std::uint32_t type = SHT_PROGBITS;
  std::uint64_t flags = 0;
  std::uint64_t align_bytes = 1;
  const void* bytes = nullptr;
  std::size_t size_bytes = 0;
  std::uint32_t link = 0;
  std::uint32_t info = 0;
  std::uint64_t entry_bytes = 0;
};

/// A file of libelf's in memory.  It refers to the contents of sections until it is written.
class ElfFile {
 public:
  ElfFile() {
    elf_version(EV_CURRENT);
    elf_.reset(elf_begin(file_.get(), ELF_C_WRITE, nullptr));
    Elf64_Ehdr* const header = elf64_newehdr(elf_.get());
    if (header != nullptr) {
      header->e_ident[EI_DATA] = ELFDATA2LSB;
      header->e_type = ET_REL;
      header->e_machine = EM_BPF;
      header->e_version = EV_CURRENT;
      header->e_shstrndx = Strings;
    }
  }

  void add(const Section& wanted) {
    Elf_Scn* const section = elf_newscn(elf_.get());
    Elf_Data* const data = elf_newdata(section);
    Elf64_Shdr* const header = elf64_getshdr(section);
    if (data == nullptr || header == nullptr) {
      return;  // elf_update() will say why
    }
    // libelf only reads it.
    data->d_buf = const_cast<void*>(wanted.bytes);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    data->d_size = wanted.size_bytes;
    data->d_align = wanted.align_bytes;
    header->sh_name = add_name(wanted.name);
    header->sh_type = wanted.type;
    header->sh_flags = wanted.flags;
    header->sh_link = wanted.link;
    header->sh_info = wanted.info;
    header->sh_entsize = wanted.entry_bytes;
  }

  /// Its place among the names, which are a section of their own.
  std::uint32_t add_name(std::string_view name) {
    const auto place = static_cast<std::uint32_t>(names_.size());
    names_.append(name).push_back('\0');
    return place;
  }

  /// Adds the names, and gives the whole file.
  Result<std::vector<std::uint8_t>> write() {
    const std::string with_own = names_ + ".strtab" + '\0';
    add({.name = ".strtab",
         .type = SHT_STRTAB,
         .bytes = with_own.data(),
         .size_bytes = with_own.size()});
    const std::int64_t size = elf_update(elf_.get(), ELF_C_WRITE);
    if (size < 0) {
      return fail(Errc::Io, fmt::format("write object file: {}", elf_errmsg(-1)));
    }
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
    if (::pread(file_.get(), bytes.data(), bytes.size(), 0) != size) {
      return fail(Errc::Io, "write object file: read it back from memory");
    }
    return bytes;
  }

 private:
  struct EndElf {
    void operator()(Elf* elf) const { elf_end(elf); }
  };

  xdpcap::UniqueFd file_{::memfd_create("object", MFD_CLOEXEC)};
  std::unique_ptr<Elf, EndElf> elf_;
  std::string names_ = std::string(1, '\0');
};

}  // namespace

Result<std::vector<std::uint8_t>> compile_object(const Filter& filter,
                                                 const ObjectOptions& options) {
  const EbpfOptions fragment = TRY(fragment_options(options));
  return as_function(TRY(cbpfc::compile_ebpf(filter, fragment)), fragment, options);
}

Result<std::vector<std::uint8_t>> compile_object_set(std::span<const Filter> filters,
                                                     const ObjectOptions& options) {
  const EbpfOptions fragment = TRY(fragment_options(options));
  return as_function(TRY(cbpfc::compile_ebpf_set(filters, fragment)), fragment, options);
}

Result<std::vector<std::uint8_t>> write_object(std::span<const cbpfc::ebpf::Insn> insns,
                                               const ObjectOptions& options) {
  if (const std::string fault = cbpfc::function_name_fault(options.function_name); !fault.empty()) {
    return fail_option(Errc::InvalidArgument, "function_name",
                       fmt::format("write object file: {}", fault));
  }
  const Description described = TRY(describe_function(options));
  std::uint32_t types_bytes = 0;
  const void* const types = btf__raw_data(described.types.get(), &types_bytes);
  ElfFile file;
  Elf64_Sym symbols[3] = {};  // none, the section, the function
  constexpr std::uint32_t kFirstGlobal = 2;
  symbols[1].st_info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION);
  symbols[1].st_shndx = Text;
  symbols[2].st_name = file.add_name(options.function_name);
  symbols[2].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  symbols[2].st_other = STV_HIDDEN;
  symbols[2].st_shndx = Text;
  symbols[2].st_size = insns.size_bytes();
  file.add({.name = ".text",
            .flags = SHF_ALLOC | SHF_EXECINSTR,
            .align_bytes = sizeof(cbpfc::ebpf::Insn),
            .bytes = insns.data(),
            .size_bytes = insns.size_bytes()});
  file.add({.name = ".BTF", .align_bytes = 4, .bytes = types, .size_bytes = types_bytes});
  file.add({.name = ".BTF.ext",
            .align_bytes = 4,
            .bytes = described.extension.data(),
            .size_bytes = 4 * described.extension.size()});
  file.add({.name = ".symtab",
            .type = SHT_SYMTAB,
            .align_bytes = 8,
            .bytes = symbols,
            .size_bytes = sizeof(symbols),
            .link = Strings,
            .info = kFirstGlobal,
            .entry_bytes = sizeof(Elf64_Sym)});
  return file.write();
}

}  // namespace command
