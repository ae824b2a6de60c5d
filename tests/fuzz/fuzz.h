/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what the entries share: a check that ends the process, and a reader of the input
 *
 * Each entry is a file with the function libFuzzer calls. It is built twice: with libFuzzer by tests/fuzz/run, and with replay.c by
 * meson, which plays the corpus through as an ordinary test.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../src/base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, so that libFuzzer keeps the input. */
#define fuzz_check(condition)                                                                     \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* The rest of the input; a byte or a number is 0 at its end. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->at++;
}

/* 0 ... below - 1; below is at most 256. */
static inline unsigned fuzz_number(struct fuzz_input *input, unsigned below)
{
	return fuzz_byte(input) % below;
}

/* Up to the next NUL or the end, as a string of its own, exactly as large: reading beyond it shows. The caller frees. */
static inline char *fuzz_string(struct fuzz_input *input)
{
	const uint8_t *nul = input->left ? memchr(input->at, 0, input->left) : NULL;
	size_t length = nul ? (size_t)(nul - input->at) : input->left;
	char *string = malloc(length + 1);
	fuzz_check(string);
	if (length)
		memcpy(string, input->at, length);
	string[length] = '\0';
	input->at += length + (nul != NULL);
	input->left -= length + (nul != NULL);
	return string;
}

/* Processor seconds of this process. */
static inline double fuzz_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- UTF-8, apart from src/base/text.c: by Unicode 15, table 3-7 ---- */

/* The character at `at` of `left` bytes and its length; -1 and the length of the maximal bad piece. */
static inline int32_t fuzz_utf8(const uint8_t *at, size_t left, size_t *ret_length)
{
	uint8_t a = at[0], low = 0x80, high = 0xbf;
	unsigned more = a < 0x80 ? 0 : a >= 0xc2 && a <= 0xdf ? 1 : a >= 0xe0 && a <= 0xef ? 2 : a >= 0xf0 && a <= 0xf4 ? 3 : 9;
	int32_t code = more == 0 ? a : more == 1 ? a & 31 : more == 2 ? a & 15 : a & 7;
	*ret_length = 1;
	if (more == 9)
		return -1;
	low = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80;
	high = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
	for (; more; more--, low = 0x80, high = 0xbf, ++*ret_length) {
		if (*ret_length == left || at[*ret_length] < low || at[*ret_length] > high)
			return -1;
		code = code << 6 | (at[*ret_length] & 63);
	}
	return code;
}

/* Characters that must not reach a terminal: text.h. */
static inline bool fuzz_harmful(int32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

/* All of it valid UTF-8 and harmless, but for those bytes of `except` that stand there. */
static inline bool fuzz_harmless(const char *text, size_t length, const char *except)
{
	for (size_t at = 0, n; at < length; at += n) {
		int32_t code = fuzz_utf8((const uint8_t *)text + at, length - at, &n);
		if (code < 0 || (fuzz_harmful(code) && !(code > 0 && code < 0x80 && strchr(except, code))))
			return false;
	}
	return true;
}

#endif
