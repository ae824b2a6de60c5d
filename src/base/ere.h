/* SPDX-License-Identifier: MIT */
/* ere.h - extended regular expressions that can do no harm */
#ifndef BASE_ERE_H
#define BASE_ERE_H

#include <regex.h>

#include "base.h"

enum {
	ERE_LENGTH_MAX = 4096,
	ERE_DEPTH_MAX = 100,   /* of parentheses */
	ERE_COPIES_MAX = 2000, /* of characters and sets, that repetitions "{m,n}" and "+" make */
	ERE_EMPTY_MAX = 20,    /* repetitions of what may be empty, as in "(a*)*" */
	ERE_WHY_MAX = 128,
};

/*
 * regcomp(3) with REG_EXTENDED | REG_NOSUB, less what makes it overflow the stack or fill the memory, and less back
 * references: those make regexec(3) try exponentially many ways, and POSIX does not have them here anyway. What is
 * left is matched without backtracking. The caller frees with regfree(). -EINVAL, -ENOMEM; ret_why then says why in
 * words and the expression needs no regfree().
 */
MUST_CHECK int ere_compile(const char *pattern, regex_t *ret, char ret_why[ERE_WHY_MAX]);

#endif
