/* SPDX-License-Identifier: MIT */
/* Base promises: memory that grows without moving what must not move, bytes safe to show, numbers read exactly. */
#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/base/arena.h"
#include "../../src/base/fail.h"
#include "../../src/base/own.h"
#include "../../src/base/pool.h"
#include "../../src/base/text.h"
#include "../../src/base/vec.h"

/* ---- fail ---- */

START_TEST(fail_kinds)
{
	static const struct {
		int error;
		enum fail_kind kind;
	} table[] = {
		{ ENOENT, FAIL_GONE },		{ ENOTDIR, FAIL_GONE },	     { ESTALE, FAIL_GONE },
		{ ELOOP, FAIL_SWAPPED },	{ EXDEV, FAIL_SWAPPED },     { EISDIR, FAIL_SWAPPED },
		{ ENXIO, FAIL_SWAPPED },	{ ENODEV, FAIL_SWAPPED },    { EACCES, FAIL_DENIED },
		{ EPERM, FAIL_DENIED },		{ ENOSPC, FAIL_FULL },	     { EDQUOT, FAIL_FULL },
		{ EROFS, FAIL_READ_ONLY },	{ ENOSYS, FAIL_UNSUPPORTED }, { EOPNOTSUPP, FAIL_UNSUPPORTED },
		{ EINVAL, FAIL_UNSUPPORTED },	{ ENOTTY, FAIL_UNSUPPORTED }, { EAGAIN, FAIL_IN_USE },
		{ EBUSY, FAIL_IN_USE },		{ ETXTBSY, FAIL_IN_USE },    { ENOMEM, FAIL_RESOURCE },
		{ EMFILE, FAIL_RESOURCE },	{ ENFILE, FAIL_RESOURCE },   { EIO, FAIL_OTHER },
		{ EMLINK, FAIL_OTHER },		{ 0, FAIL_OTHER },
	};
	for (size_t i = 0; i < countof(table); i++) {
		ck_assert_int_eq(fail_kind(table[i].error), table[i].kind);
		ck_assert_int_eq(fail_kind(-table[i].error), table[i].kind);
		ck_assert(fail_changed(-table[i].error) == (table[i].kind == FAIL_GONE || table[i].kind == FAIL_SWAPPED));
	}
}
END_TEST

/* ---- arena, vec, seq, own ---- */

START_TEST(arena_strings_stay_where_they_are)
{
	enum { COUNT = 300000 };
	struct arena arena = { 0 };
	uint32_t *handles = calloc(COUNT, sizeof(*handles));
	char name[32];
	const char *first = NULL;
	int wrong = 0; /* one ck_assert costs more than all the rest of a round */
	for (int i = 0; i < COUNT; i++) {
		int length = snprintf(name, sizeof(name), "name-%d", i);
		wrong += arena_add(&arena, name, (size_t)length, &handles[i]) != 0;
		if (i == 0)
			first = arena_at(&arena, handles[0]);
	}
	ck_assert_uint_gt(arena.block_count, 2);
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		wrong += strcmp(arena_at(&arena, handles[i]), name) != 0;
	}
	ck_assert_int_eq(wrong, 0);
	ck_assert_ptr_eq(arena_at(&arena, handles[0]), first);
	ck_assert_uint_eq(arena_bytes(&arena), arena.block_count * (size_t)ARENA_BLOCK + arena.block_room * sizeof(char *));
	arena_free(&arena);
	ck_assert_uint_eq(arena_bytes(&arena), 0);
	free(handles);
}
END_TEST

START_TEST(arena_fills_a_block_to_the_last_byte)
{
	struct arena arena = { 0 };
	uint32_t small, large, next;
	char *bytes = malloc(ARENA_BLOCK);
	memset(bytes, 'x', ARENA_BLOCK);
	ck_assert_int_eq(arena_add(&arena, "ab", 2, &small), 0);
	/* 3 bytes are taken: this and its NUL fill the block exactly, one more would not fit */
	ck_assert_int_eq(arena_add(&arena, bytes, ARENA_BLOCK - 4, &large), 0);
	ck_assert_uint_eq(large, 3);
	ck_assert_uint_eq(arena.block_count, 1);
	ck_assert_int_eq(arena_add(&arena, "", 0, &next), 0);
	ck_assert_uint_eq(next, ARENA_BLOCK);
	ck_assert_int_eq(arena_add(&arena, bytes, ARENA_BLOCK - 1, &large), 0);
	ck_assert_uint_eq(large, 2 * ARENA_BLOCK);
	ck_assert_uint_eq(strlen(arena_at(&arena, large)), ARENA_BLOCK - 1);
	ck_assert_str_eq(arena_at(&arena, small), "ab");
	ck_assert_str_eq(arena_at(&arena, next), "");
	arena_free(&arena);
	free(bytes);
}
END_TEST

START_TEST(arena_ends_at_4_GiB)
{
	struct arena arena = { .block_count = 4096, .block_room = 4096, .used = ARENA_BLOCK };
	uint32_t handle = 7;
	ck_assert_int_eq(arena_add(&arena, "a", 1, &handle), -EOVERFLOW);
	ck_assert_uint_eq(handle, 7);
	ck_assert_uint_eq(arena.block_count, 4096);
}
END_TEST

START_TEST(vec_keeps_its_elements)
{
	VEC(uint64_t) numbers = { 0 };
	int wrong = 0;
	for (uint64_t i = 0; i < 100000; i++)
		wrong += vec_push(&numbers, i * i) != 0;
	ck_assert_uint_eq(numbers.count, 100000);
	for (uint64_t i = 0; i < 100000; i++)
		wrong += numbers.at[i] != i * i;
	ck_assert_int_eq(wrong, 0);
	vec_free(&numbers);
	ck_assert_ptr_null(numbers.at);
	ck_assert_uint_eq(numbers.room, 0);
}
END_TEST

START_TEST(vec_refuses_what_cannot_be)
{
	static const size_t counts[] = { SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX / 8 + 1 };
	VEC(uint64_t) numbers = { 0 };
	ck_assert_int_eq(vec_push(&numbers, 42), 0);
	for (size_t i = 0; i < countof(counts); i++)
		ck_assert_int_eq(vec_reserve(&numbers, counts[i]), -ENOMEM);
	ck_assert_uint_eq(numbers.count, 1);
	ck_assert_uint_eq(numbers.at[0], 42);
	vec_free(&numbers);
}
END_TEST

START_TEST(seq_never_moves_and_begins_zeroed)
{
	struct element {
		uint64_t a;
		char b[5];
	};
	struct seq seq;
	int wrong = 0;
	seq_init(&seq, sizeof(struct element));
	ck_assert_int_eq(seq_resize(&seq, 1), 0);
	struct element *first = seq_at(&seq, 0);
	first->a = 99;
	ck_assert_int_eq(seq_resize(&seq, 3 * SEQ_SEGMENT + 1), 0);
	ck_assert_uint_eq(seq.count, 3 * SEQ_SEGMENT + 1);
	ck_assert_uint_eq(seq.segment_count, 4);
	ck_assert_ptr_eq(seq_at(&seq, 0), first);
	ck_assert_uint_eq(first->a, 99);
	for (size_t i = 1; i < seq.count; i++)
		wrong += ((struct element *)seq_at(&seq, i))->a != 0;
	ck_assert_int_eq(wrong, 0);
	ck_assert_int_eq(seq_resize(&seq, 5), 0);
	ck_assert_uint_eq(seq.count, 3 * SEQ_SEGMENT + 1);
	seq_free(&seq);
	ck_assert_uint_eq(seq.count, 0);
	ck_assert_uint_eq(seq.size, sizeof(struct element));
}
END_TEST

static int cleaned;

static void note_cleanup(const int *value)
{
	cleaned += *value;
}

static char *stolen(void)
{
	own_free char *text = strdup("kept");
	own_free char *other = strdup("freed with its scope: a leak is the sanitizer's to see");
	return other ? steal(&text) : NULL;
}

START_TEST(own_cleans_and_steal_hands_out)
{
	{
		OWN(note_cleanup) int value = 5;
		(void)value;
	}
	ck_assert_int_eq(cleaned, 5);
	own_free char *text = stolen();
	ck_assert_str_eq(text, "kept");
}
END_TEST

/* ---- pool ---- */

struct pool_probe {
	_Atomic unsigned calls[16];
	_Atomic unsigned open_signals; /* workers but number 0 that could be interrupted */
	_Atomic unsigned left;         /* shared work */
};

static void probe_work(void *ctx, unsigned worker)
{
	struct pool_probe *probe = ctx;
	sigset_t mask;
	probe->calls[worker]++;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (worker && (!sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGIO)))
		probe->open_signals++;
	unsigned left = probe->left;
	while (left && !atomic_compare_exchange_weak(&probe->left, &left, left - 1))
		;
}

START_TEST(pool_runs_each_number_once)
{
	static const unsigned sizes[] = { 0, 1, 2, 7, 16 };
	for (size_t i = 0; i < countof(sizes); i++) {
		struct pool_probe probe = { 0 };
		pool_run(sizes[i], probe_work, &probe);
		for (unsigned worker = 0; worker < 16; worker++)
			ck_assert_uint_eq(probe.calls[worker], worker == 0 || worker < sizes[i]);
		ck_assert_uint_eq(probe.open_signals, 0);
	}
	sigset_t mask;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	ck_assert_int_eq(sigismember(&mask, SIGTERM), 0);
}
END_TEST

START_TEST(pool_size_is_bounded)
{
	unsigned processors = pool_processors();
	ck_assert_uint_eq(pool_size(0, UINT_MAX, SIZE_MAX), processors);
	ck_assert_uint_eq(pool_size(0, 1, SIZE_MAX), 1);
	ck_assert_uint_eq(pool_size(0, UINT_MAX, 1), 1);
	ck_assert_uint_eq(pool_size(0, UINT_MAX, 0), 1);
	ck_assert_uint_eq(pool_size(200, 4, SIZE_MAX), 200);
	ck_assert_uint_eq(pool_size(200, 4, 3), 3);
}
END_TEST

START_TEST(pool_begin_leaves_the_caller_free)
{
	struct pool pool;
	struct pool_probe probe = { .left = 3 };
	ck_assert_uint_eq(pool_begin(&pool, 3, probe_work, &probe), 3);
	pool_end(&pool);
	ck_assert_uint_eq(probe.left, 0);
	ck_assert_uint_eq(probe.calls[0], 0);
	for (unsigned worker = 1; worker <= 3; worker++)
		ck_assert_uint_eq(probe.calls[worker], 1);
	ck_assert_uint_eq(pool_begin(&pool, 0, probe_work, &probe), 0);
	pool_end(&pool);
}
END_TEST

/* In a process that may start no thread: the calling thread does the work alone. */
static int without_threads(void)
{
	struct pool_probe probe = { .left = 1 };
	const struct rlimit none = { 1, 1 };
	if (setrlimit(RLIMIT_NPROC, &none) || (geteuid() == 0 && setuid(65534)))
		return 77;
	pool_run(4, probe_work, &probe);
	if (probe.calls[1])
		return 77;
	return probe.calls[0] == 1 && probe.left == 0 ? 0 : 1;
}

START_TEST(pool_does_without_threads_it_cannot_start)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(without_threads());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (status == 77 << 8) {
		unit_skip("the limit on threads is not kept here");
		return;
	}
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(pool_processors_are_those_we_may_use)
{
	cpu_set_t before, one;
	ck_assert_int_eq(sched_getaffinity(0, sizeof(before), &before), 0);
	ck_assert_uint_eq(pool_processors(), CPU_COUNT(&before));
	CPU_ZERO(&one);
	for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
		if (CPU_ISSET(cpu, &before))
			CPU_SET(cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	ck_assert_uint_eq(pool_processors(), 1);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(before), &before), 0);
}
END_TEST

/* ---- text ---- */

START_TEST(text_grows_and_remembers_failure)
{
	struct text text = { 0 };
	text_puts(&text, "a");
	text_add(&text, "bcd", 2);
	text_printf(&text, "%d-%s", 7, "x");
	ck_assert_str_eq(text.at, "abc7-x");
	ck_assert_uint_eq(text.count, 6);
	for (int i = 0; i < 10000; i++)
		text_printf(&text, "%04d", i);
	ck_assert_uint_eq(text.count, 40006);
	ck_assert_str_eq(text.at + 40002, "9999");
	ck_assert(!text.failed);
	text_add(&text, "x", SIZE_MAX - 10);
	ck_assert(text.failed);
	text_puts(&text, "more");
	ck_assert_uint_eq(text.count, 40006);
	text_free(&text);
	ck_assert(!text.failed);
	ck_assert_ptr_null(text.at);
}
END_TEST

START_TEST(names_are_quoted_for_a_terminal)
{
	static const struct {
		const char *name, *quoted;
	} table[] = {
		{ "plain", "plain" },
		{ "a/b-c_d.e,f+g@h:i%", "a/b-c_d.e,f+g@h:i%" },
		{ "", "''" },
		{ "-rf", "-rf" },
		{ "with space", "'with space'" },
		{ "$HOME", "'$HOME'" },
		{ "a*b?", "'a*b?'" },
		{ "{a,b}", "'{a,b}'" },
		{ "~", "'~'" },
		{ "a~", "a~" },
		{ "#a", "'#a'" },
		{ "a#", "a#" },
		{ "it's", "\"it's\"" },
		{ "it's $5", "'it'\\''s $5'" },
		{ "'", "\"'\"" },
		{ "back\\slash", "'back\\slash'" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xc3\xa4 b", "'\xc3\xa4 b'" },
		{ "a\nb", "$'a\\nb'" },
		{ "a\tb", "$'a\\tb'" },
		{ "\x1b[31mred", "$'\\033[31mred'" },
		{ "\x1b" "1", "$'\\0331'" },
		{ "\x7f", "$'\\177'" },
		{ "\xc3\xa4\n'\\", "$'\xc3\xa4\\n\\'\\\\'" },
		{ "\xff", "$'\\377'" },
		{ "a\xc3", "$'a\\303'" },
		{ "\xc2\x9b" "31m", "$'\\302\\23331m'" },             /* C1: CSI */
		{ "\xe2\x80\xae" "gpj", "$'\\342\\200\\256gpj'" },     /* U+202E, right-to-left override */
		{ "\xe2\x81\xa6", "$'\\342\\201\\246'" },             /* U+2066 */
		{ "\xe2\x80\xa8", "$'\\342\\200\\250'" },             /* U+2028, line separator */
		{ "\xed\xa0\x80", "$'\\355\\240\\200'" },             /* a surrogate */
		{ "\xc0\xaf", "$'\\300\\257'" },                      /* an overlong slash */
	};
	for (size_t i = 0; i < countof(table); i++) {
		struct text text = { 0 };
		text_add_quoted(&text, table[i].name);
		ck_assert_str_eq(text.at, table[i].quoted);
		text_free(&text);
	}
}
END_TEST

/* Bytes drawn so that quotes, controls and UTF-8 fragments meet often. */
static void random_name(unsigned *seed, char ret_name[16])
{
	static const char bytes[] = "ab'\\\"$`!~#{}\n\t\x1b 07?*\xc3\xa4\xe2\x80\xae\xff\x7f";
	size_t length = 1 + (size_t)rand_r(seed) % 14;
	for (size_t i = 0; i < length; i++) {
		int draw = rand_r(seed);
		ret_name[i] = draw % 3 ? bytes[(size_t)(draw / 3) % (sizeof(bytes) - 1)] : (char)(1 + draw / 3 % 255);
	}
	ret_name[length] = '\0';
}

START_TEST(quoted_names_come_back_through_a_shell)
{
	enum { NAMES = 3000 };
	static char names[NAMES][16];
	char path[] = "/tmp/dedupe-link-unit-XXXXXX", command[64], got[64];
	unsigned seed = 1;
	struct text script = { 0 };
	if (access("/bin/bash", X_OK)) {
		unit_skip("no /bin/bash");
		return;
	}
	text_puts(&script, "LC_ALL=C; printf '%s\\0'");
	for (size_t i = 0; i < NAMES; i++) {
		if (i < 255)
			names[i][0] = (char)(i + 1);
		else
			random_name(&seed, names[i]);
		text_puts(&script, " ");
		text_add_quoted(&script, names[i]);
	}
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, script.at, script.count), (ssize_t)script.count);
	close(fd);
	snprintf(command, sizeof(command), "/bin/bash %s", path);
	FILE *shell = popen(command, "r");
	for (size_t i = 0; i < NAMES; i++) {
		size_t length = 0;
		int c;
		while ((c = fgetc(shell)) > 0 && length < sizeof(got) - 1)
			got[length++] = (char)c;
		got[length] = '\0';
		ck_assert_int_eq(c, 0);
		ck_assert_mem_eq(got, names[i], strlen(names[i]) + 1);
	}
	ck_assert_int_eq(fgetc(shell), EOF);
	ck_assert_int_eq(pclose(shell), 0);
	unlink(path);
	text_free(&script);
}
END_TEST

START_TEST(names_are_cut_between_characters)
{
	static const struct {
		const char *string;
		size_t most, expected;
	} table[] = {
		{ "", 0, 0 },
		{ "", 5, 0 },
		{ "abc", 3, 3 },
		{ "abc", 4, 3 },
		{ "abc", 2, 2 },
		{ "abc", 0, 0 },
		{ "a\xc3\xa9", 3, 3 },
		{ "a\xc3\xa9", 2, 1 },
		{ "\xe2\x82\xac!", 3, 3 },
		{ "\xe2\x82\xac", 2, 0 },
		{ "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 7, 4 },
		{ "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 3, 0 },
		{ "\x80\x80\x80\x80\x80\x80\x80\x80", 6, 3 }, /* no UTF-8 */
	};
	for (size_t i = 0; i < countof(table); i++)
		ck_assert_uint_eq(text_cut(table[i].string, table[i].most), table[i].expected);
}
END_TEST

START_TEST(utf8_is_told_from_other_bytes)
{
	static const struct {
		const char *bytes;
		bool valid;
	} table[] = {
		{ "", true },			{ "ascii", true },
		{ "\xc2\x80", true },		{ "\xdf\xbf", true },
		{ "\xe0\xa0\x80", true },	{ "\xed\x9f\xbf", true },
		{ "\xee\x80\x80", true },	{ "\xef\xbf\xbf", true },
		{ "\xf0\x90\x80\x80", true },	{ "\xf4\x8f\xbf\xbf", true },
		{ "\x80", false },		{ "\xbf", false },
		{ "\xc0\x80", false },		{ "\xc1\xbf", false },	   /* overlong */
		{ "\xe0\x9f\xbf", false },	{ "\xf0\x8f\xbf\xbf", false },
		{ "\xed\xa0\x80", false },	{ "\xed\xbf\xbf", false }, /* surrogates */
		{ "\xf4\x90\x80\x80", false },	{ "\xf5\x80\x80\x80", false },
		{ "\xfe", false },		{ "\xc2", false },
		{ "\xe2\x82", false },		{ "\xf0\x9f\x98", false },
		{ "\xc2 ", false },		{ "a\xe2\x82\xac\xff", false },
	};
	for (size_t i = 0; i < countof(table); i++)
		ck_assert_int_eq(text_utf8(table[i].bytes, strlen(table[i].bytes)), table[i].valid);
	ck_assert(text_utf8("a\0b", 3));
	ck_assert(!text_utf8("\xe2\x82\xac", 2)); /* cut by the length, not by a NUL */
}
END_TEST

START_TEST(json_strings_are_always_valid)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *json;
	} table[] = {
		{ "", 0, "\"\"" },
		{ "plain /x", 8, "\"plain /x\"" },
		{ "\"\\", 2, "\"\\\"\\\\\"" },
		{ "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"" },
		{ "\x01\x1f\x7f", 3, "\"\\u0001\\u001f\\u007f\"" },
		{ "a\0b", 3, "\"a\\u0000b\"" },
		{ "\xc3\xa4", 2, "\"\xc3\xa4\"" },
		{ "\xc2\x9b", 2, "\"\\u009b\"" },
		{ "\xe2\x80\xae", 3, "\"\\u202e\"" },
		{ "\xff", 1, "\"\xef\xbf\xbd\"" },
		{ "\xe2\x82x", 3, "\"\xef\xbf\xbdx\"" },                     /* one bad piece of two bytes */
		{ "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" }, /* three of one */
		{ "\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"" },
	};
	for (size_t i = 0; i < countof(table); i++) {
		struct text text = { 0 };
		text_add_json(&text, table[i].bytes, table[i].length);
		ck_assert_str_eq(text.at, table[i].json);
		text_free(&text);
	}
}
END_TEST

START_TEST(base64_as_in_the_rfc)
{
	static const char *const table[][2] = {
		{ "f", "Zg==" },	 { "fo", "Zm8=" },	   { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },	 { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\xff\xfe\xfd", "//79" }, { "\xfb\xf0", "+/A=" },
	};
	for (size_t i = 0; i < countof(table); i++) {
		struct text text = { 0 };
		text_add_base64(&text, table[i][0], strlen(table[i][0]));
		ck_assert_str_eq(text.at, table[i][1]);
		text_free(&text);
	}
	struct text text = { 0 };
	text_add_base64(&text, "", 0);
	ck_assert_uint_eq(text.count, 0);
	text_add_base64(&text, "\0", 1);
	ck_assert_str_eq(text.at, "AA==");
	text_free(&text);
}
END_TEST

START_TEST(sizes_are_parsed)
{
	static const struct {
		const char *string;
		int r;
		uint64_t bytes;
	} table[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1 },
		{ "007", 0, 7 },
		{ "12B", 0, 12 },
		{ "12b", 0, 12 },
		{ "1K", 0, 1024 },
		{ "1k", 0, 1024 },
		{ "1KiB", 0, 1024 },
		{ "1kib", 0, 1024 },
		{ "1KB", 0, 1000 },
		{ "1kb", 0, 1000 },
		{ "3M", 0, 3 << 20 },
		{ "3MB", 0, 3000000 },
		{ "1G", 0, 1 << 30 },
		{ "2TiB", 0, UINT64_C(2) << 40 },
		{ "2PB", 0, UINT64_C(2000000000000000) },
		{ "15E", 0, UINT64_C(15) << 60 },
		{ "18EB", 0, UINT64_C(18000000000000000000) },
		{ "1.5K", 0, 1536 },
		{ "0.1K", 0, 102 },
		{ "1.5KB", 0, 1500 },
		{ "0.999999999999999999999999KB", 0, 999 },
		{ "15.9E", 0, UINT64_C(18331451923248866918) },
		{ "0.9999999999999999999E", 0, (UINT64_C(1) << 60) - 1 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999K", -ERANGE, 0 },
		{ "16E", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },
		{ ".5K", -EINVAL, 0 },
		{ "1.K", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "1.5B", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1 K", -EINVAL, 0 },
		{ "1Ki", -EINVAL, 0 },
		{ "1KBB", -EINVAL, 0 },
		{ "1iB", -EINVAL, 0 },
		{ "1BB", -EINVAL, 0 },
		{ "1X", -EINVAL, 0 },
		{ "1.5.5K", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "99999999999999999999999X", -EINVAL, 0 },
	};
	for (size_t i = 0; i < countof(table); i++) {
		uint64_t bytes = 4711;
		ck_assert_msg(text_parse_size(table[i].string, &bytes) == table[i].r, "%s", table[i].string);
		ck_assert_uint_eq(bytes, table[i].r ? 4711 : table[i].bytes);
	}
}
END_TEST

START_TEST(durations_are_parsed)
{
	static const struct {
		const char *string;
		int r;
		int64_t ns;
	} table[] = {
		{ "0", 0, 0 },
		{ "90", 0, 90 * NS_PER_S },
		{ "90s", 0, 90 * NS_PER_S },
		{ "15m", 0, 15 * 60 * NS_PER_S },
		{ "1h", 0, 3600 * NS_PER_S },
		{ "2d", 0, 2 * 86400 * NS_PER_S },
		{ "1w", 0, 604800 * NS_PER_S },
		{ "9223372036", 0, INT64_C(9223372036000000000) },
		{ "9223372037", -ERANGE, 0 },
		{ "99999999999999999999w", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "m", -EINVAL, 0 },
		{ "1M", -EINVAL, 0 },
		{ "1ms", -EINVAL, 0 },
		{ "1h30m", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1.5h", -EINVAL, 0 },
		{ "1 h", -EINVAL, 0 },
	};
	for (size_t i = 0; i < countof(table); i++) {
		int64_t ns = 4711;
		ck_assert_msg(text_parse_duration(table[i].string, &ns) == table[i].r, "%s", table[i].string);
		ck_assert_int_eq(ns, table[i].r ? 4711 : table[i].ns);
	}
}
END_TEST

START_TEST(numbers_are_parsed)
{
	static const struct {
		const char *string;
		uint64_t max;
		int r;
		uint64_t number;
	} table[] = {
		{ "0", 0, 0, 0 },
		{ "10", 10, 0, 10 },
		{ "11", 10, -ERANGE, 0 },
		{ "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, -ERANGE, 0 },
		{ "", 10, -EINVAL, 0 },
		{ "1a", 10, -EINVAL, 0 },
		{ "99999999999999999999a", 10, -EINVAL, 0 },
		{ "-1", 10, -EINVAL, 0 },
		{ " 1", 10, -EINVAL, 0 },
		{ "0x1", 10, -EINVAL, 0 },
	};
	for (size_t i = 0; i < countof(table); i++) {
		uint64_t number = 4711;
		ck_assert_msg(text_parse_number(table[i].string, table[i].max, &number) == table[i].r, "%s",
			      table[i].string);
		ck_assert_uint_eq(number, table[i].r ? 4711 : table[i].number);
	}
}
END_TEST

START_TEST(sizes_are_printed)
{
	static const struct {
		uint64_t bytes;
		const char *string;
	} table[] = {
		{ 0, "0 B" },
		{ 999, "999 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1024 + 51, "1.0 KiB" },
		{ 1024 + 52, "1.1 KiB" },
		{ 1536, "1.5 KiB" },
		{ 1023 * 1024, "1023.0 KiB" },
		{ 1048575 - 52, "1023.9 KiB" },
		{ 1048575, "1.0 MiB" },
		{ UINT64_C(13207024435), "12.3 GiB" },
		{ UINT64_C(1) << 40, "1.0 TiB" },
		{ UINT64_C(1) << 50, "1.0 PiB" },
		{ UINT64_C(1) << 60, "1.0 EiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char buffer[TEXT_SIZE_MAX];
	for (size_t i = 0; i < countof(table); i++)
		ck_assert_str_eq(text_size(table[i].bytes, buffer), table[i].string);
}
END_TEST

START_TEST(counts_are_printed)
{
	static const struct {
		uint64_t number;
		const char *string;
	} table[] = {
		{ 0, "0" },
		{ 999, "999" },
		{ 1000, "1,000" },
		{ 1234567, "1,234,567" },
		{ 100000, "100,000" },
		{ UINT64_MAX, "18,446,744,073,709,551,615" },
	};
	char buffer[TEXT_COUNT_MAX];
	for (size_t i = 0; i < countof(table); i++)
		ck_assert_str_eq(text_count(table[i].number, buffer), table[i].string);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		fail_kinds,
		arena_strings_stay_where_they_are,
		arena_fills_a_block_to_the_last_byte,
		arena_ends_at_4_GiB,
		vec_keeps_its_elements,
		vec_refuses_what_cannot_be,
		seq_never_moves_and_begins_zeroed,
		own_cleans_and_steal_hands_out,
		pool_runs_each_number_once,
		pool_size_is_bounded,
		pool_begin_leaves_the_caller_free,
		pool_does_without_threads_it_cannot_start,
		pool_processors_are_those_we_may_use,
		text_grows_and_remembers_failure,
		names_are_quoted_for_a_terminal,
		quoted_names_come_back_through_a_shell,
		names_are_cut_between_characters,
		utf8_is_told_from_other_bytes,
		json_strings_are_always_valid,
		base64_as_in_the_rfc,
		sizes_are_parsed,
		durations_are_parsed,
		numbers_are_parsed,
		sizes_are_printed,
		counts_are_printed,
	};
	return unit_run("base", tests, countof(tests));
}
