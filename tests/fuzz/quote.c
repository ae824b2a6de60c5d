/* SPDX-License-Identifier: MIT */
/* Quoted names: harmless on a terminal, and a shell reads the name back. */
#include "fuzz.h"

#include "../../src/base/text.h"

/* What a shell makes of one word, as far as text_add_quoted may use it; anything else ends the process. */
struct shell {
	const char *at;
	char *out;
};

static void put(struct shell *shell, char c)
{
	*shell->out++ = c;
}

static void read_single(struct shell *shell)
{
	for (; *shell->at != '\''; shell->at++) {
		fuzz_check(*shell->at);
		put(shell, *shell->at);
	}
	shell->at++;
}

/* Nothing in it that would be expanded, by history expansion neither. */
static void read_double(struct shell *shell)
{
	for (; *shell->at != '"'; shell->at++) {
		fuzz_check(*shell->at && !strchr("$`\\!", *shell->at));
		put(shell, *shell->at);
	}
	shell->at++;
}

static void read_escape(struct shell *shell)
{
	unsigned value = 0;
	char c = *shell->at++;
	if (c == 'n' || c == 't') {
		put(shell, c == 'n' ? '\n' : '\t');
		return;
	}
	if (c == '\\' || c == '\'') {
		put(shell, c);
		return;
	}
	for (unsigned digit = 0; digit < 3; digit++, c = *shell->at++) {
		fuzz_check(c >= '0' && c <= '7');
		value = value * 8 + (unsigned)(c - '0');
	}
	shell->at--;
	fuzz_check(value > 0 && value < 256);
	put(shell, (char)value);
}

static void read_escapes(struct shell *shell)
{
	while (*shell->at != '\'') {
		fuzz_check(*shell->at);
		if (*shell->at == '\\') {
			shell->at++;
			read_escape(shell);
		} else {
			put(shell, *shell->at++);
		}
	}
	shell->at++;
}

static void read_word(struct shell *shell, const char *begin)
{
	while (*shell->at) {
		char c = *shell->at++;
		if (c == '\'') {
			read_single(shell);
		} else if (c == '"') {
			read_double(shell);
		} else if (c == '$') {
			fuzz_check(*shell->at++ == '\'');
			read_escapes(shell);
		} else if (c == '\\') {
			fuzz_check(*shell->at == '\'');
			put(shell, *shell->at++);
		} else {
			/* Means something to no shell, at the beginning of a word or within. */
			fuzz_check(!strchr(" \t\n|&;()<>`*?[!{}^=", c));
			fuzz_check(!strchr("~#", c) || shell->at - 1 != begin);
			put(shell, c);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	struct text text = { 0 };
	char *name = fuzz_string(&input), *back = malloc(4 * strlen(name) + 8);
	fuzz_check(back);
	text_add_quoted(&text, name);
	fuzz_check(!text.failed && text.count && strlen(text.at) == text.count);
	fuzz_check(fuzz_harmless(text.at, text.count, ""));
	struct shell shell = { text.at, back };
	read_word(&shell, text.at);
	fuzz_check((size_t)(shell.out - back) == strlen(name) && !memcmp(back, name, strlen(name)));
	text_free(&text);
	free(back);
	free(name);
	return 0;
}
