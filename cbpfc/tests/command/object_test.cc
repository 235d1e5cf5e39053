// SPDX-License-Identifier: BSD-3-Clause
//
// The file as libelf reads it; what the linker and the kernel make of it is for tests/kernel.

#include "cbpfc/command/object.h"

#include <gelf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace command {
namespace {

using cbpfc::ebpf::Insn;
using cbpfc::ebpf::Reg;

const std::vector<Insn> kReturnsOne = {cbpfc::ebpf::mov32(Reg::R0, 1U), cbpfc::ebpf::exit_insn()};

struct EndElf {
  void operator()(Elf* elf) const { elf_end(elf); }
};

/// An object file opened by libelf.
class Object {
 public:
  explicit Object(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {
    elf_version(EV_CURRENT);
    elf_.reset(elf_memory(reinterpret_cast<char*>(bytes_.data()), bytes_.size()));
    std::size_t names = 0;
    if (elf_ == nullptr || elf_getshdrstrndx(elf_.get(), &names) != 0) {
      return;
    }
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_.get(), section)) != nullptr;) {
      GElf_Shdr header;
      gelf_getshdr(section, &header);
      const Elf_Data* data = elf_getdata(section, nullptr);
      const auto* start = static_cast<const std::uint8_t*>(data->d_buf);
      sections_[elf_strptr(elf_.get(), names, header.sh_name)] = {header,
                                                                  {start, start + data->d_size}};
    }
  }

  struct Section {
    GElf_Shdr header;
    std::vector<std::uint8_t> bytes;
  };
  const std::map<std::string, Section>& sections() const { return sections_; }
  GElf_Ehdr header() const {
    GElf_Ehdr header{};
    gelf_getehdr(elf_.get(), &header);
    return header;
  }
  Elf* elf() const { return elf_.get(); }

 private:
  std::vector<std::uint8_t> bytes_;
  std::unique_ptr<Elf, EndElf> elf_;
  std::map<std::string, Section> sections_;
};

TEST(ObjectFile, HoldsTheFunction) {
  const auto bytes = write_object(kReturnsOne, {.function_name = "one"});
  ASSERT_TRUE(bytes) << bytes.error().message;
  const Object object(*bytes);
  EXPECT_EQ(object.header().e_type, ET_REL);
  EXPECT_EQ(object.header().e_machine, EM_BPF);
  EXPECT_EQ(object.header().e_ident[EI_DATA], ELFDATA2LSB);
  ASSERT_TRUE(object.sections().contains(".text"));
  const auto& text = object.sections().at(".text");
  EXPECT_EQ(text.header.sh_flags, static_cast<GElf_Xword>(SHF_ALLOC | SHF_EXECINSTR));
  ASSERT_EQ(text.bytes.size(), kReturnsOne.size() * sizeof(Insn));
  EXPECT_EQ(std::memcmp(text.bytes.data(), kReturnsOne.data(), text.bytes.size()), 0);
}

TEST(ObjectFile, HasOneGlobalHiddenSymbol) {
  const Object object(*write_object(kReturnsOne, {.function_name = "one"}));
  const auto& table = object.sections().at(".symtab");
  ASSERT_EQ(table.header.sh_entsize, sizeof(Elf64_Sym));
  ASSERT_EQ(table.bytes.size(), 3 * sizeof(Elf64_Sym));
  EXPECT_EQ(table.header.sh_info, 2U);
  Elf64_Sym symbol;
  std::memcpy(&symbol, table.bytes.data() + 2 * sizeof(symbol), sizeof(symbol));
  EXPECT_EQ(ELF64_ST_BIND(symbol.st_info), STB_GLOBAL);
  EXPECT_EQ(ELF64_ST_TYPE(symbol.st_info), STT_FUNC);
  EXPECT_EQ(ELF64_ST_VISIBILITY(symbol.st_other), STV_HIDDEN);
  EXPECT_EQ(symbol.st_size, kReturnsOne.size() * sizeof(Insn));
  EXPECT_STREQ(elf_strptr(object.elf(), table.header.sh_link, symbol.st_name), "one");
}

TEST(ObjectFile, SectionsAreAligned) {
  for (std::size_t length = 0; length < 9; ++length) {  // names of every length before the headers
    const Object object(
        *write_object(kReturnsOne, {.function_name = "f" + std::string(length, 'x')}));
    ASSERT_EQ(object.sections().size(), 5U);
    EXPECT_EQ(object.header().e_shoff % 8, 0U);
    for (const auto& [name, section] : object.sections()) {
      EXPECT_EQ(section.header.sh_offset % section.header.sh_addralign, 0U) << name;
    }
  }
}

TEST(ObjectFile, SourceIsOnePrintableLine) {
  const Object object(*write_object(
      kReturnsOne,
      {.function_name = "one", .source = "ip\nand \x1b[31m" + std::string(1000, 'x')}));
  const auto& types = object.sections().at(".BTF").bytes;
  const std::string text(types.begin(), types.end());
  EXPECT_NE(text.find("ip and  [31mxxx"), std::string::npos);
  EXPECT_NE(text.find("xxx..."), std::string::npos);
  EXPECT_EQ(text.find(std::string(500, 'x')), std::string::npos);
}

TEST(ObjectFile, RefusesWhatIsNoName) {
  for (const char* name : {"", "0foo", "foo bar", "foo-bar", "foo\n", "f\xc3\xb6", "int"}) {
    const auto bytes = write_object(kReturnsOne, {.function_name = name});
    ASSERT_FALSE(bytes) << name;
    EXPECT_EQ(bytes.error().code, cbpfc::Errc::InvalidArgument);
    EXPECT_EQ(bytes.error().option, "function_name");
    EXPECT_TRUE(bytes.error().message.starts_with("write object file: "));
  }
  EXPECT_TRUE(write_object(kReturnsOne, {.function_name = "_F0"}));
}

TEST(ObjectFile, ACompiledFilterEndsWithExit) {
  const cbpfc::RawInsn raw[] = {{.code = 6, .k = 7}};
  const auto filter = cbpfc::Filter::decode(raw);
  for (const bool optimize : {false, true}) {
    const auto bytes = compile_object(*filter, {.optimize = optimize});
    ASSERT_TRUE(bytes) << bytes.error().message;
    const Object object(*bytes);
    const auto& text = object.sections().at(".text").bytes;
    ASSERT_GE(text.size(), 2 * sizeof(Insn));
    EXPECT_EQ(std::memcmp(text.data() + text.size() - sizeof(Insn), &kReturnsOne[1], sizeof(Insn)),
              0);
  }
}

}  // namespace
}  // namespace command
