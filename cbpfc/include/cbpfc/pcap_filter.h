// SPDX-License-Identifier: BSD-3-Clause
//
// Filter expressions ("ip and udp port 53") to classic programs, through libpcap.
//
// An expression means the program that libpcap makes of it without its optimiser, which miscompiles one in some ten
// thousand expressions.  What that optimiser tells its caller is found otherwise: that an expression can match nothing
// ("ip and ip6").
//
// libpcap emits programs that read scratch slots no path has written ("geneve or tcp port 80"). The
// kernel refuses those; libpcap's own interpreter read its stack there up to 1.10 and reads 0
// since. compile_expression() keeps the meaning with 0 and makes it explicit: it stores 0 to such
// slots first, so its output is valid everywhere.

#pragma once

#include <cbpfc/cbpf.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cbpfc {

/// A link type in both numberings: DLT_* in memory, LINKTYPE_* in files (they differ for a few).
struct LinkType {
  int dlt = 1;                  ///< DLT_EN10MB
  std::uint16_t linktype = 1;   ///< LINKTYPE_ETHERNET
  std::string name = "EN10MB";  ///< as libpcap spells it
};

/// Finds a link type by libpcap's name (any case, with or without "DLT_") or by number.
///
/// A number is a DLT_*, or a LINKTYPE_* where libpcap knows no such DLT_*.
/// Errors: Errc::InvalidArgument.
Result<LinkType> parse_link_type(std::string_view text);

/// Where the packets of an expression come from.
enum class PacketSource : std::uint8_t {
  Live,         ///< an interface of this machine
  File,         ///< a capture file in this machine's byte order, by any system
  SwappedFile,  ///< one in the other byte order
};

struct ExpressionOptions {
  int dlt = 1;  ///< DLT_* the packets start with
  /// In a file, "ip6" behind the header of a BSD's loopback or IPsec interface (NULL, LOOP, ENC) is any of
  /// the numbers that the BSDs and macOS have for it, in the file's byte order; "ip broadcast" takes netmask 0,
  /// as tcpdump does; "inbound", "outbound" and "ifindex" are refused where only a live packet tells.
  PacketSource source = PacketSource::Live;
  std::uint32_t match_value = 262144;  ///< what the program returns on a match, as tcpdump's
  /// Whether an expression that can match no packet is a program that returns 0, not an error.
  bool may_match_nothing = false;
  /// Whether errors quote the expression.  If not, as for a file that the reader of the messages may not read, the
  /// message is the reason alone, in words that do not depend on the expression, and Error::offset has the place.
  bool quotes = true;
};

/// Compiles an expression; the empty expression matches everything.
///
/// Long lists, of what matches and of what does not, are compiled in parts: whole, libpcap takes seconds for a thousand
/// terms.
/// The program may still be one the kernel refuses (backward jumps of "protochain", more than 4,096
/// instructions): Filter::decode tells, and takes it with Accept::Compiler.
/// Errors: Errc::Syntax with libpcap's words and the place: the expression, and a caret under the
/// word at which libpcap stopped, in `detail`; the column in `message`.  "expression rejects all packets" for one that
/// can match nothing, and how to write it for IPv6 where that is because tcp[...], udp[...] or icmp[...] look into IPv4.
Result<std::vector<RawInsn>> compile_expression(std::string_view expression,
                                                const ExpressionOptions& options = {});

/// libpcap's name and version, as it prints them.
std::string libpcap_version();

}  // namespace cbpfc
