/* SPDX-License-Identifier: MIT */
/* Names are taken or left as the filters say, in an order and a time that nothing in a name can upset. */
#include "../../src/core/rule.h"

#include "../../src/base/glob.h"
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* ---- globs ---- */

static const struct {
	const char *pattern, *string;
	bool matches;
} globs[] = {
	{ "a", "a", true },
	{ "a", "ab", false },
	{ "ab", "a", false },
	{ "*", "", true },
	{ "*", ".hidden", true },
	{ "*", "a/b", false },
	{ "*.jpg", "x.jpg", true },
	{ "*.jpg", "x.jpg.jpg", true },
	{ "*.jpg", "x.jpgs", false },
	{ "a*b*c", "a1b2b3c", true },
	{ "a*b*c", "a1c2b", false },
	{ "?", "/", false },
	{ "?", "x", true },
	{ "?", "\xc3\xa9", true },
	{ "??", "\xc3\xa9", false },
	{ "?", "\xc3", true },
	{ "??", "\xff\xfe", true },
	{ "?", "\xf0\x9f\x98\x80", true },
	{ "[ab]", "b", true },
	{ "[ab]", "c", false },
	{ "[!ab]", "c", true },
	{ "[^ab]", "a", false },
	{ "[!ab]", "/", false },
	{ "[.-0]", "/", false },
	{ "[a-c]x", "bx", true },
	{ "[a-c]x", "dx", false },
	{ "[]a]", "]", true },
	{ "[!]a]", "]", false },
	{ "[a-]", "-", true },
	{ "[\\]]", "]", true },
	{ "[[:digit:]a]", "7", true },
	{ "[[:digit:]a]", "b", false },
	{ "[[:nonsense:]]", "n", false },
	{ "[\xc3\xa0-\xc3\xaf]", "\xc3\xa9", true },
	{ "[\xc3\xa0-\xc3\xaf]", "\xc3\xbf", false },
	{ "[a", "[a", true },
	{ "[", "[", true },
	{ "[!", "[!", true },
	{ "x[", "x", false },
	{ "\\*", "*", true },
	{ "\\*", "a", false },
	{ "\\", "\\", true },
	{ "a/*", "a/b", true },
	{ "a/*", "a/b/c", false },
	{ "a/**", "a/b/c", true },
	{ "a/**", "a", false },
	{ "a/**", "ab/c", false },
	{ "**", "a/b/c", true },
	{ "**/c", "c", true },
	{ "**/c", "a/b/c", true },
	{ "**/c", "a/bc", false },
	{ "a/**/c", "a/c", true },
	{ "a/**/c", "a/b/b/c", true },
	{ "a/**/c", "ac", false },
	{ "a/**/c", "a/bc", false },
	{ "a**c", "a/b/c", true },
	{ "a**c", "ac", true },
	{ "**/*.o", "x/y/z.o", true },
	{ "**/b/*", "a/b/c/b/d", true },
	{ "**/b/*", "a/b/c", true },
	{ "**/b/*", "a/b/c/d", false },
	{ "***/c", "a/c", true },
	{ "*/*/c", "a/b/c", true },
	{ "*/c", "a/b/c", false },
};

START_TEST(globs_match_as_written)
{
	for (size_t i = 0; i < countof(globs); i++)
		ck_assert_msg(glob_match(globs[i].pattern, globs[i].string) == globs[i].matches, "%s against %s",
			      globs[i].pattern, globs[i].string);
}
END_TEST

/* The same rules with every choice tried: exponential, obvious. Knows *, **, ? and plain bytes. */
static bool naive_match(const char *begin, const char *p, const char *s)
{
	if (!*p)
		return !*s;
	if (p[0] == '*' && p[1] == '*') {
		const char *after = p + strspn(p, "*");
		bool by_directory = (p == begin || p[-1] == '/') && *after == '/';

		if (!by_directory)
			return naive_match(begin, after, s) || (*s && naive_match(begin, p, s + 1));
		for (const char *at = s; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
			if (naive_match(begin, after + 1, at))
				return true;
		return false;
	}
	if (*p == '*')
		return naive_match(begin, p + 1, s) || (*s && *s != '/' && naive_match(begin, p, s + 1));
	if (!*s || (*p == '?' ? *s == '/' : *p != *s))
		return false;
	return naive_match(begin, p + 1, s + 1);
}

static void random_string(uint64_t *seed, const char *letters, size_t longest, char *ret)
{
	size_t length = (*seed = mix64(*seed + 1)) % (longest + 1);

	for (size_t i = 0; i < length; i++)
		ret[i] = letters[(*seed = mix64(*seed + 1)) % strlen(letters)];
	ret[length] = 0;
}

START_TEST(globs_agree_with_naive_matcher)
{
	uint64_t seed = 1, matched = 0;
	char pattern[16], string[16];

	for (unsigned i = 0; i < 400000; i++) {
		random_string(&seed, "aab//***?", 9, pattern);
		random_string(&seed, "aaab//", 10, string);
		bool expected = naive_match(pattern, pattern, string);

		matched += expected;
		ck_assert_msg(glob_match(pattern, string) == expected, "%s against %s: expected %d", pattern, string,
			      expected);
	}
	/* Else the comparison proves little. */
	ck_assert_uint_gt(matched, 10000);
}
END_TEST

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

START_TEST(hostile_globs_and_names_cost_little)
{
	static const char *const patterns[] = {
		"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
		"**a**a**a**a**a**a**a**a**a**a**b",
		"**/*a*a*a*a/**/*a*a*a*a/**/*a*a*a*b",
		"**a*a*a*a*a*a*a*a*b",
		"[a[a[a[a[a[a[a[a[a[a[a[a[a[a*b",
	};
	char path[4096];
	double begun = seconds();

	memset(path, 'a', sizeof(path) - 1);
	for (size_t i = 200; i < sizeof(path) - 1; i += 200)
		path[i] = '/';
	path[sizeof(path) - 1] = 0;
	for (size_t i = 0; i < countof(patterns); i++)
		ck_assert(!glob_match(patterns[i], path));
	ck_assert_double_lt(seconds() - begun, 5);
}
END_TEST

/* ---- filters ---- */

static struct rule *compile(const struct dlk_filter *filters, size_t count)
{
	struct dlk_options options = { .max_size = UINT64_MAX, .filters = filters, .filter_count = count };
	struct rule *rule = NULL;

	ck_assert_int_eq(rule_compile(&options, &rule), 0);
	return rule;
}

#define COMPILE(...)                                           \
	compile((const struct dlk_filter[]){ __VA_ARGS__ },    \
		countof(((const struct dlk_filter[]){ __VA_ARGS__ })))
#define TAKE(pattern)  { DLK_INCLUDE, DLK_GLOB, pattern }
#define LEAVE(pattern) { DLK_EXCLUDE, DLK_GLOB, pattern }

static const char *last(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool takes(const struct rule *rule, const char *path)
{
	return rule_takes_file(rule, path, last(path));
}

static bool enters(const struct rule *rule, const char *path)
{
	return rule_enters_dir(rule, path, last(path));
}

START_TEST(no_filter_takes_everything)
{
	struct rule *rule = compile(NULL, 0);

	ck_assert(!rule_needs_path(rule));
	ck_assert(rule_takes_file(rule, NULL, "a"));
	ck_assert(rule_enters_dir(rule, NULL, "a"));
	rule_free(rule);
}
END_TEST

START_TEST(first_match_decides)
{
	struct rule *rule = COMPILE(TAKE("*.jpg"), LEAVE("*"));

	ck_assert(!rule_needs_path(rule));
	ck_assert(takes(rule, "deep/below/x.jpg"));
	ck_assert(!takes(rule, "x.png"));
	ck_assert(enters(rule, "deep"));
	rule_free(rule);

	rule = COMPILE(LEAVE("*"), TAKE("*.jpg"));
	ck_assert(!takes(rule, "x.jpg"));
	rule_free(rule);
}
END_TEST

START_TEST(include_alone_excludes_nothing)
{
	struct rule *rule = COMPILE(TAKE("*.jpg"));

	ck_assert(takes(rule, "x.png"));
	rule_free(rule);
}
END_TEST

START_TEST(slash_means_path_from_root)
{
	struct rule *rule = COMPILE(LEAVE("a/*.o"), LEAVE("/top"));

	ck_assert(rule_needs_path(rule));
	ck_assert(!takes(rule, "a/x.o"));
	ck_assert(takes(rule, "b/a/x.o"));
	ck_assert(takes(rule, "a/b/x.o"));
	ck_assert(!takes(rule, "top"));
	ck_assert(takes(rule, "a/top"));
	ck_assert(!enters(rule, "top"));
	ck_assert(enters(rule, "a/top"));
	rule_free(rule);
}
END_TEST

START_TEST(trailing_slash_means_directories)
{
	struct rule *rule = COMPILE(TAKE("keep/"), LEAVE("cache*/"), LEAVE("k*/"));

	ck_assert(takes(rule, "cache"));
	ck_assert(!enters(rule, "cache1"));
	ck_assert(!enters(rule, "a/cache2"));
	ck_assert(enters(rule, "keep"));
	ck_assert(!enters(rule, "kept"));
	rule_free(rule);
}
END_TEST

START_TEST(literal_names_file_and_directory)
{
	struct rule *rule = COMPILE(LEAVE(".git"), LEAVE("**/node_modules"), LEAVE("a/b"), LEAVE("odd\\*"));

	ck_assert(!takes(rule, "x/.git"));
	ck_assert(!enters(rule, "x/.git"));
	ck_assert(!enters(rule, "node_modules"));
	ck_assert(!enters(rule, "x/y/node_modules"));
	ck_assert(!enters(rule, "a/b"));
	ck_assert(enters(rule, "x/a/b"));
	ck_assert(!enters(rule, "odd*"));
	ck_assert(enters(rule, "odder"));
	rule_free(rule);
}
END_TEST

START_TEST(wildcard_keeps_no_directory_out)
{
	struct rule *rule = COMPILE(LEAVE("*"), LEAVE("b*"), LEAVE("a/*"));

	ck_assert(enters(rule, "b"));
	ck_assert(enters(rule, "a/x"));
	ck_assert(!takes(rule, "b"));
	rule_free(rule);
}
END_TEST

START_TEST(all_below_excluded_is_not_entered)
{
	struct rule *rule = COMPILE(LEAVE("tmp/**"), LEAVE("**/cache/**"));

	ck_assert(!enters(rule, "tmp"));
	ck_assert(takes(rule, "tmp"));
	ck_assert(!takes(rule, "tmp/x"));
	ck_assert(!enters(rule, "a/cache"));
	ck_assert(enters(rule, "a/tmp"));
	rule_free(rule);

	/* Something below may be taken back, so it must be entered. */
	rule = COMPILE(TAKE("tmp/*.keep"), LEAVE("tmp/**"));
	ck_assert(enters(rule, "tmp"));
	ck_assert(takes(rule, "tmp/x.keep"));
	ck_assert(!takes(rule, "tmp/x"));
	rule_free(rule);
}
END_TEST

START_TEST(regex_is_searched_for_in_the_path)
{
	struct rule *rule = COMPILE({ DLK_INCLUDE, DLK_REGEX, "^a/.*[0-9]{3}\\.jpg$" },
				    { DLK_EXCLUDE, DLK_REGEX, "\\.jpg" });

	ck_assert(rule_needs_path(rule));
	ck_assert(takes(rule, "a/b/123.jpg"));
	ck_assert(!takes(rule, "a/b/12.jpg"));
	ck_assert(!takes(rule, "b/123.jpg.old"));
	ck_assert(takes(rule, "b/123.png"));
	ck_assert(takes(rule, "b/\xff\xfe.png"));
	ck_assert(enters(rule, "x.jpg"));
	rule_free(rule);
}
END_TEST

static const struct dlk_filter broken[] = {
	{ DLK_EXCLUDE, DLK_GLOB, "" },
	{ DLK_EXCLUDE, DLK_GLOB, "/" },
	{ DLK_EXCLUDE, DLK_REGEX, "" },
	{ DLK_EXCLUDE, DLK_REGEX, "(" },
	{ DLK_EXCLUDE, DLK_REGEX, "[z-a]" },
	{ DLK_EXCLUDE, DLK_REGEX, "a{2,1}" },
	{ DLK_EXCLUDE, DLK_REGEX, "(a*)*\\1" },
	{ DLK_EXCLUDE, DLK_REGEX, "(((a{1000}){1000}){1000}){1000}" },
	{ DLK_EXCLUDE, DLK_REGEX, "a{99999999999999999999}" },
};

START_TEST(broken_patterns_are_refused)
{
	for (size_t i = 0; i < countof(broken); i++) {
		const struct dlk_filter filters[] = { { DLK_INCLUDE, DLK_REGEX, "fine" }, broken[i] };
		struct dlk_options options = { .filters = filters, .filter_count = countof(filters) };
		struct rule *rule = NULL;

		ck_assert_msg(rule_compile(&options, &rule) == -EINVAL, "%s", broken[i].pattern);
		ck_assert_ptr_null(rule);
	}
}
END_TEST

START_TEST(deep_regex_is_refused)
{
	static char pattern[200001];
	struct dlk_filter filter = { DLK_EXCLUDE, DLK_REGEX, pattern };
	struct dlk_options options = { .filters = &filter, .filter_count = 1 };
	struct rule *rule = NULL;

	memset(pattern, '(', 100000);
	memset(pattern + 100000, ')', 100000);
	ck_assert_int_eq(rule_compile(&options, &rule), -EINVAL);
	memmove(pattern + 1000, pattern + 199000, 1001);
	ck_assert_int_eq(rule_compile(&options, &rule), -EINVAL);
}
END_TEST

/* Seconds, gigabytes or the end of time in glibc 2.36. */
static const char *const heavy[] = {
	"a++++++++++++++++++++++++",
	"((((((((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+",
	"a*{0,10000}",
	"a{1,10000}",
	"(a*{0,100}){1,100}",
	"(a{0,300}){300}",
	"((a|b*)*){0,10}{0,10}",
	"((a|b*)*){0,2}{0,20}",
	"((a*|b*)*|(c*|d*)*){16,}",
	"((a*|b*)*|(c*|d*)*){,40}",
	"((^|b*)*){30}",
	"(((|b)*){7}){7}",
};

START_TEST(heavy_regex_is_refused)
{
	for (size_t i = 0; i < countof(heavy); i++) {
		struct dlk_filter filter = { DLK_EXCLUDE, DLK_REGEX, heavy[i] };
		struct dlk_options options = { .filters = &filter, .filter_count = 1 };
		struct rule *rule = NULL;

		ck_assert_msg(rule_compile(&options, &rule) == -EINVAL, "%s", heavy[i]);
	}
}
END_TEST

START_TEST(regex_bounds_let_usual_ones_pass)
{
	struct rule *rule = COMPILE({ DLK_EXCLUDE, DLK_REGEX, "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}" },
				    { DLK_EXCLUDE, DLK_REGEX, "[][:alpha:]({]x" },
				    { DLK_EXCLUDE, DLK_REGEX, "\\(\\[9\\\\" });

	struct rule *more = COMPILE({ DLK_EXCLUDE, DLK_REGEX, "^([0-9a-f]{64}|[0-9a-f]{128})(\\.[a-z]{1,16})*$" },
				    { DLK_EXCLUDE, DLK_REGEX, "([a-z0-9]+-?){1,20}\\.(tar(\\.(gz|xz))?|zip)$" },
				    { DLK_EXCLUDE, DLK_REGEX, "([0-9]{1,3}\\.){3}[0-9]{1,3}|x{2000}|a\\{b|(c|)d" },
				    { DLK_EXCLUDE, DLK_REGEX, "(^|/)(\\.git|a*b*c*d*e*f*g*h*(i?j?k?)*)(/|$)" });
	rule_free(more);

	ck_assert(!takes(rule, "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"));
	ck_assert(!takes(rule, "{x"));
	ck_assert(!takes(rule, "([9\\"));
	ck_assert(takes(rule, "other"));
	rule_free(rule);
}
END_TEST

/* ---- sizes and stamps ---- */

START_TEST(size_limits_include_their_ends)
{
	struct dlk_options options = { .min_size = 10, .max_size = 20 };
	struct rule *rule;

	ck_assert_int_eq(rule_compile(&options, &rule), 0);
	ck_assert(!rule_takes_size(rule, 9));
	ck_assert(rule_takes_size(rule, 10));
	ck_assert(rule_takes_size(rule, 20));
	ck_assert(!rule_takes_size(rule, 21));
	rule_free(rule);
}
END_TEST

START_TEST(stamps_differ_by_word)
{
	struct stamp a = { .uid = 1, .gid = 1, .mode = S_IFREG | 0644, .mtime = 5, .ino = 1 }, b = a;

	b.ino = 2;
	b.ctime = 9;
	ck_assert_uint_eq(rule_stamp_differs(&a, &b), 0);
	b.gid = 2;
	ck_assert_uint_eq(rule_stamp_differs(&a, &b), DLK_RESPECT_OWNER);
	b.mode |= S_ISUID;
	ck_assert_uint_eq(rule_stamp_differs(&a, &b), DLK_RESPECT_OWNER | DLK_RESPECT_MODE);
	b.mtime++;
	ck_assert_uint_eq(rule_stamp_differs(&a, &b), DLK_RESPECT_OWNER | DLK_RESPECT_MODE | DLK_RESPECT_TIME);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		globs_match_as_written,
		globs_agree_with_naive_matcher,
		hostile_globs_and_names_cost_little,
		no_filter_takes_everything,
		first_match_decides,
		include_alone_excludes_nothing,
		slash_means_path_from_root,
		trailing_slash_means_directories,
		literal_names_file_and_directory,
		wildcard_keeps_no_directory_out,
		all_below_excluded_is_not_entered,
		regex_is_searched_for_in_the_path,
		broken_patterns_are_refused,
		deep_regex_is_refused,
		heavy_regex_is_refused,
		regex_bounds_let_usual_ones_pass,
		size_limits_include_their_ends,
		stamps_differ_by_word,
	};

	return unit_run("rule", tests, countof(tests));
}
