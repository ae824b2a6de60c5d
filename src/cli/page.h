/* SPDX-License-Identifier: MIT */
/* page.h - the parts of the HTML report that are always the same; made of src/cli/page/ when the program is built */
#ifndef CLI_PAGE_H
#define CLI_PAGE_H

extern const char page_begin[]; /* up to where the data stand */
extern const char page_end[];   /* what comes after them */

#endif
