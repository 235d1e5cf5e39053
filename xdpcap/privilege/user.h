// SPDX-License-Identifier: BSD-3-Clause
//
// Users: who one is, and becoming one for good.
//
// Tested by: xdpcap/tests/privilege/user_test.cc, reduce_test.cc.

#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace xdpcap {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;              ///< the primary group
  std::vector<gid_t> groups;  ///< all of them, with the primary group
};

/// The user of that name, or else of that number.
/// Errors: Errc::NotFound, naming it; Errc::Io when the user database cannot be read.
Result<User> find_user(const std::string& name_or_number);

/// Takes real, effective and saved ids and the groups of `user`, in all threads.
///
/// What becomes of the capabilities is the kernel's business: see capabilities(7), and reduce.h for all
/// of it in the right order.  After an error the process is neither one user nor the other, and has to end.
/// Errors: Errc::Permission or Kernel, naming the user.
Result<void> change_to(const User& user);

/// Makes sure that nothing leads back from `user` to user `before`: tries it.
/// Errors: Errc::Permission; the process has to end, for it is somebody else now.
Result<void> check_no_way_back(const User& user, uid_t before);

}  // namespace xdpcap
