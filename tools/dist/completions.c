/* SPDX-License-Identifier: MIT */
/*
 * completions.c - prints the completion of the program for a shell, made from the table of options
 *
 *	completions bash|zsh|fish
 *
 * Run by the build. What an option takes is told by the name of its argument: FILE, DIR, or a word with a fixed choice.
 */
#include <stdio.h>
#include <string.h>

#include "../../src/cli/options.h"

static const struct {
	const char *argument, *words;
} choices[] = {
	{ "WHEN", "auto always never" },
	{ "POLICY", "most-links fewest-links oldest newest first-path" },
	{ "LIST", "owner mode xattr time name dir" },
	{ "TOPIC", "run files match keep report all" },
	{ "METHOD", "hardlink reflink" },
};

/* An argument without "[=" and "]". */
static const char *plain_argument(const struct options_word *word, char *room, size_t size)
{
	const char *from = word->argument ? word->argument : "";

	from += strspn(from, "[=");
	snprintf(room, size, "%.*s", (int)strcspn(from, "]"), from);
	return room;
}

static bool may_be_left_out(const struct options_word *word)
{
	return word->argument && word->argument[0] == '[';
}

static const char *words_for(const char *argument)
{
	for (size_t i = 0; i < countof(choices); i++)
		if (!strcmp(choices[i].argument, argument))
			return choices[i].words;
	return NULL;
}

/* In single quotes of a shell. */
static void put_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text == '\n' ? ' ' : *text);
	}
	putchar('\'');
}

/* ---- bash ---- */

static void bash_pattern(const struct options_word *word)
{
	if (word->letter && !may_be_left_out(word))
		printf("-%c%s", word->letter, word->name ? "|" : "");
	if (word->name)
		printf("--%s", word->name);
}

static void bash_case(const struct options_word *word)
{
	char room[32];
	const char *argument = plain_argument(word, room, sizeof(room)), *words = words_for(argument);

	if (!*argument)
		return;
	fputs("\t", stdout);
	bash_pattern(word);
	if (words)
		printf(") COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", words);
	else if (!strcmp(argument, "FILE"))
		puts(") compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")); return ;;");
	else if (!strcmp(argument, "DIR"))
		puts(") compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\")); return ;;");
	else
		puts(") return ;;");
}

static void print_bash(void)
{
	struct options_word word;

	puts("# bash completion for dedupe-link; made from its table of options\n"
	     "_dedupe_link() {\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	     "\tCOMPREPLY=()\n"
	     "\t# --option=word comes as three words\n"
	     "\tif [ \"$cur\" = = ]; then cur=; elif [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
	     "\tcase $prev in");
	for (size_t i = 0; options_word(i, &word); i++)
		if (!may_be_left_out(&word))
			bash_case(&word);
	puts("\tesac\n"
	     "\tif [ \"${COMP_WORDS[COMP_CWORD]}\" = = ] || [ \"${COMP_WORDS[COMP_CWORD-1]}\" = = ]; then\n"
	     "\t\t[ \"$prev\" = = ] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
	     "\t\tcase $prev in");
	for (size_t i = 0; options_word(i, &word); i++)
		if (may_be_left_out(&word))
			bash_case(&word);
	fputs("\t\tesac\n"
	      "\tfi\n"
	      "\tcase $cur in\n"
	      "\t-*) COMPREPLY=($(compgen -W '", stdout);
	for (size_t i = 0; options_word(i, &word); i++) {
		if (word.letter)
			printf("-%c ", word.letter);
		if (word.name)
			printf("--%s ", word.name);
	}
	puts("' -- \"$cur\")); return ;;\n"
	     "\tesac\n"
	     "\tcompopt -o filenames\n"
	     "\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
	     "}\n"
	     "complete -F _dedupe_link dedupe-link");
}

/* ---- zsh ---- */

/* Help for [...]: brackets and colons end it. */
static void zsh_help(const char *help)
{
	putchar('[');
	for (; help && *help; help++) {
		if (strchr("[]:'", *help))
			fputs(*help == '\'' ? "" : "\\", stdout);
		if (*help != '\'')
			putchar(*help == '\n' ? ' ' : *help);
	}
	putchar(']');
}

static void zsh_argument(const struct options_word *word)
{
	char room[32];
	const char *argument = plain_argument(word, room, sizeof(room)), *words = words_for(argument);

	if (!*argument)
		return;
	printf("%s:%s:", may_be_left_out(word) ? ":" : "", argument);
	if (!strcmp(argument, "LIST"))
		printf("_sequence compadd - %s", words);
	else if (words)
		printf("(%s)", words);
	else if (!strcmp(argument, "FILE"))
		fputs("_files", stdout);
	else if (!strcmp(argument, "DIR"))
		fputs("_files -/", stdout);
	else
		putchar(' ');
}

static void zsh_spec(const struct options_word *word, const char *option, const char *joint)
{
	printf("\t'*%s%s", option, joint);
	zsh_help(word->help);
	zsh_argument(word);
	puts("' \\");
}

static void print_zsh(void)
{
	struct options_word word;
	char option[64];

	puts("#compdef dedupe-link\n"
	     "# zsh completion for dedupe-link; made from its table of options\n"
	     "_arguments -s -S \\");
	for (size_t i = 0; options_word(i, &word); i++) {
		snprintf(option, sizeof(option), "-%c", word.letter);
		if (word.letter && !may_be_left_out(&word))
			zsh_spec(&word, option, word.argument ? "+" : "");
		else if (word.letter)
			printf("\t'*-%c[]' \\\n", word.letter);
		snprintf(option, sizeof(option), "--%s", word.name ? word.name : "");
		if (word.name)
			zsh_spec(&word, option, may_be_left_out(&word) ? "=-" : word.argument ? "=" : "");
	}
	puts("\t'*:PATH:_files'");
}

/* ---- fish ---- */

static void fish_line(const struct options_word *word)
{
	char room[32];
	const char *argument = plain_argument(word, room, sizeof(room)), *words = words_for(argument);

	fputs("complete -c dedupe-link", stdout);
	if (word->letter)
		printf(" -s %c", word->letter);
	if (word->name)
		printf(" -l %s", word->name);
	if (*argument && !may_be_left_out(word))
		fputs(" -r", stdout);
	if (words)
		printf(" -f -a '%s'", words);
	else if (!strcmp(argument, "FILE") || !strcmp(argument, "DIR"))
		fputs(" -F", stdout);
	else if (*argument)
		fputs(" -f", stdout);
	if (word->help && *word->help) {
		fputs(" -d ", stdout);
		put_quoted(word->help);
	}
	putchar('\n');
}

static void print_fish(void)
{
	struct options_word word;

	puts("# fish completion for dedupe-link; made from its table of options");
	for (size_t i = 0; options_word(i, &word); i++)
		fish_line(&word);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "bash"))
		print_bash();
	else if (argc == 2 && !strcmp(argv[1], "zsh"))
		print_zsh();
	else if (argc == 2 && !strcmp(argv[1], "fish"))
		print_fish();
	else
		return 2;
	return fflush(stdout) || ferror(stdout);
}
