/* SPDX-License-Identifier: MIT */
/* record_add.c - the writing half of record.h: whether a comma is due is seen from the last byte */
#include "record.h"

#include <inttypes.h>
#include <string.h>

#define EXACT_MOST (INT64_C(1) << 53)

static void add_key(struct text *text, const char *key)
{
	char last = text->count ? text->at[text->count - 1] : '\n';

	if (last != '{' && last != '[' && last != '\n' && last != ' ')
		text_puts(text, ", ");
	if (key)
		text_printf(text, "\"%s\": ", key);
}

void record_begin(struct text *text, const char *key, char bracket)
{
	add_key(text, key);
	text_add(text, &bracket, 1);
}

void record_end(struct text *text, char bracket)
{
	text_add(text, &bracket, 1);
}

void record_add_name(struct text *text, const char *key, const char *name)
{
	size_t length = strlen(name);

	add_key(text, key);
	text_add_json(text, name, length);
	if (text_utf8(name, length))
		return;
	text_printf(text, ", \"%s_b64\": \"", key);
	text_add_base64(text, name, length);
	text_puts(text, "\"");
}

void record_add_word(struct text *text, const char *key, const char *word)
{
	add_key(text, key);
	text_add_json(text, word, strlen(word));
}

void record_add_number(struct text *text, const char *key, uint64_t number)
{
	add_key(text, key);
	text_printf(text, "%" PRIu64, number);
}

void record_add_exact(struct text *text, const char *key, int64_t number)
{
	const char *quote = number > EXACT_MOST || number < -EXACT_MOST ? "\"" : "";

	add_key(text, key);
	text_printf(text, "%s%" PRId64 "%s", quote, number, quote);
}

void record_add_exact_unsigned(struct text *text, const char *key, uint64_t number)
{
	const char *quote = number > (uint64_t)EXACT_MOST ? "\"" : "";

	add_key(text, key);
	text_printf(text, "%s%" PRIu64 "%s", quote, number, quote);
}

void record_add_bool(struct text *text, const char *key, bool value)
{
	add_key(text, key);
	text_puts(text, value ? "true" : "false");
}
