// SPDX-License-Identifier: BSD-3-Clause
//
// Type information (BTF) of the function in an object file.
//
// libbpf's linker matches a call with the function by it, and the kernel wants it for every function
// of a program that has any: a record of the function's type (func_info), and, where the caller was
// compiled with -g, one of a source line (line_info), which here is the filter itself.
//
//     .BTF       header | types 1, 2, 3 .. in order | strings
//     .BTF.ext   header | func_info: size, section, count, records | line_info: the same
//
// Source: Linux v6.18 Documentation/bpf/btf.rst; include/uapi/linux/btf.h.
// Tested by: object_test.cc, tests/kernel/object_test.cc.

#include "object_btf.h"

#include <string_view>

namespace cbpfc {
namespace {

constexpr std::uint16_t kMagic = 0xeb9f;
constexpr std::uint8_t kVersion = 1;

/// Source: Linux v6.18 include/uapi/linux/btf.h BTF_KIND_*.
enum class Kind : std::uint32_t { Int = 1, Pointer = 2, Const = 10, Function = 12, Prototype = 13 };

constexpr std::uint32_t kGlobalFunction = 1;  // BTF_FUNC_GLOBAL

/// Names, each behind the other with a zero byte; the first is empty.
class Strings {
 public:
  std::uint32_t add(std::string_view text) {
    if (text.empty()) {
      return 0;
    }
    const auto offset = static_cast<std::uint32_t>(bytes_.size());
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    bytes_.push_back(0);
    return offset;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_ = {0};
};

/// Appends the three words all types start with.
void put_type(Bytes& types, std::uint32_t name, Kind kind, std::uint32_t count,
              std::uint32_t size_or_type) {
  put_u32(types, name);
  put_u32(types, static_cast<std::uint32_t>(kind) << 24 | count);
  put_u32(types, size_or_type);
}

void put_unsigned(Bytes& types, std::uint32_t name, std::uint32_t size_bytes) {
  put_type(types, name, Kind::Int, 0, size_bytes);
  put_u32(types, 8 * size_bytes);
}

/// Appends the types, and returns the number of the function's.
std::uint32_t put_types(Bytes& types, Strings& strings, const std::string& function_name) {
  enum : std::uint32_t { Byte = 1, ConstByte, Pointer, Word, Prototype, Function };
  put_unsigned(types, strings.add("unsigned char"), 1);
  put_type(types, 0, Kind::Const, 0, Byte);
  put_type(types, 0, Kind::Pointer, 0, ConstByte);
  put_unsigned(types, strings.add("unsigned int"), 4);
  put_type(types, 0, Kind::Prototype, 2, Word);
  for (const std::string_view parameter : {"data", "data_end"}) {
    put_u32(types, strings.add(parameter));
    put_u32(types, Pointer);
  }
  put_type(types, strings.add(function_name), Kind::Function, kGlobalFunction, Prototype);
  return Function;
}

void put_header_start(Bytes& bytes, std::uint32_t header_bytes) {
  put_u16(bytes, kMagic);
  bytes.push_back(kVersion);
  bytes.push_back(0);  // flags
  put_u32(bytes, header_bytes);
}

Bytes type_section(const Bytes& types, const Bytes& strings) {
  constexpr std::uint32_t kHeaderBytes = 24;
  const auto types_bytes = static_cast<std::uint32_t>(types.size());
  Bytes section;
  put_header_start(section, kHeaderBytes);
  put_u32(section, 0);  // where the types start, behind the header
  put_u32(section, types_bytes);
  put_u32(section, types_bytes);
  put_u32(section, static_cast<std::uint32_t>(strings.size()));
  section.insert(section.end(), types.begin(), types.end());
  section.insert(section.end(), strings.begin(), strings.end());
  return section;
}

/// One record of each kind, both for instruction 0.
Bytes extension_section(std::uint32_t text_name, std::uint32_t function_type,
                        std::uint32_t file_name, std::uint32_t line) {
  constexpr std::uint32_t kHeaderBytes = 24;
  constexpr std::uint32_t kFunctionRecordBytes = 8;
  constexpr std::uint32_t kLineRecordBytes = 16;
  constexpr std::uint32_t kBeforeRecords = 12;
  constexpr std::uint32_t kFirstLineAndColumn = 1U << 10 | 1;
  Bytes section;
  put_header_start(section, kHeaderBytes);
  put_u32(section, 0);
  put_u32(section, kBeforeRecords + kFunctionRecordBytes);
  put_u32(section, kBeforeRecords + kFunctionRecordBytes);
  put_u32(section, kBeforeRecords + kLineRecordBytes);

  put_u32(section, kFunctionRecordBytes);
  put_u32(section, text_name);
  put_u32(section, 1);
  put_u32(section, 0);
  put_u32(section, function_type);

  put_u32(section, kLineRecordBytes);
  put_u32(section, text_name);
  put_u32(section, 1);
  put_u32(section, 0);
  put_u32(section, file_name);
  put_u32(section, line);
  put_u32(section, kFirstLineAndColumn);
  return section;
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

}  // namespace

ObjectBtf describe_function(const ObjectOptions& options) {
  Strings strings;
  Bytes types;
  const std::uint32_t function_type = put_types(types, strings, options.function_name);
  const std::uint32_t text_name = strings.add(".text");
  const std::uint32_t file_name = strings.add("cbpfc");
  const std::uint32_t line = strings.add(one_printable_line(options.source));
  return {.types = type_section(types, strings.bytes()),
          .extension = extension_section(text_name, function_type, file_name, line)};
}

}  // namespace cbpfc
