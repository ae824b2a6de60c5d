/* SPDX-License-Identifier: MIT */
/* The report is valid and true to every name, for people and for programs. */
#include "../../src/cli/sink.h"

#include "../../src/cli/complain.h"
#include "../../src/cli/nearest.h"
#include "../../src/cli/progress.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Names that have broken programs of this kind. */
static const char *const names[] = {
	"plain",
	"with space",
	"a\nb",
	"tab\tand\rreturn",
	"esc\033[31mred\007",
	"-rf",
	"it's",
	"\"quoted\\\"",
	"$(touch x)`y`",
	"\xc3\xa9t\xc3\xa9",
	"\xf0\x9f\x98\x80",
	"bad\xff\xfe",
	"cut\xe2\x82",
	"surrogate\xed\xa0\x80",
	"overlong\xc0\xaf",
	"c1\xc2\x9b"
	"31m",
	"rtl\xe2\x80\xae"
	"gpj",
	"del\x7f",
	"</script>&amp;",
	"\xef\xbf\xbd",
	"\xf4\x90\x80\x80",
};

static struct dlk_tally figures(void)
{
	struct dlk_tally tally = {
		.files_seen = 12345,
		.inodes_seen = 12000,
		.bytes_seen = UINT64_C(4402341888),
		.dirs_seen = 1,
		.sets = 2,
		.links_made = 20,
		.inodes_freed = 1,
		.bytes_saved = UINT64_MAX,
		.bytes_held_elsewhere = 512,
		.bytes_read = 4096,
		.skipped_in_use = 1,
		.skipped_refused = 2,
		.errors = countof(names),
		.domains = 2,
	};

	tally.apart[0] = (struct dlk_apart){ 2, 8192 };
	tally.apart[DLK_RESPECT_OWNER] = (struct dlk_apart){ 312, UINT64_C(4402341888) };
	tally.apart[DLK_RESPECT_OWNER | DLK_RESPECT_MODE] = (struct dlk_apart){ 1, 4096 };
	return tally;
}

static void note_all(struct issues *issues)
{
	for (size_t i = 0; i < countof(names); i++)
		issues_note(issues, &(struct dlk_event){
					.kind = DLK_EVENT_ERROR,
					.stage = DLK_STAGE_HASH,
					.error = EACCES,
					.path = names[i],
				    });
	issues_note(issues, &(struct dlk_event){
				.kind = DLK_EVENT_SKIP,
				.stage = DLK_STAGE_CONFIRM,
				.reason = DLK_REASON_IN_USE,
				.path = "busy",
			    });
	issues_note(issues, &(struct dlk_event){
				.kind = DLK_EVENT_NOTE,
				.reason = DLK_REASON_KEPT_ASIDE,
				.path = "kept\033",
				.other = "bad\xff",
			    });
	issues_note(issues, &(struct dlk_event){ .kind = DLK_EVENT_NOTE, .reason = DLK_REASON_KEPT_ASIDE });
	issues_index(issues);
}

/* Two sets of files kept apart. */
static void feed_apart(struct sink *sink)
{
	static const struct dlk_set sets[] = { { 0, 4, 3 }, { 1, 5, 2 } };
	static const struct dlk_member members[] = {
		{ .path = "main", .inode = 7, .links = 1 },
		{ .path = "bad\xff", .inode = 8, .links = 1, .differ = DLK_RESPECT_OWNER | DLK_RESPECT_MODE },
		{ .path = "sealed", .inode = 9, .links = 1, .differ = 0 },
	};

	for (size_t s = 0; s < countof(sets) && sink->kind->apart; s++) {
		for (sink->members = 0; sink->members < sets[s].names; sink->members++)
			sink->kind->apart(sink, &sets[s], &members[sink->members]);
		sink->aparts++;
	}
}

/* Two sets: all names and "busy", and one that is small. */
static void feed(struct sink *sink)
{
	const struct dlk_set sets[] = { { 0, 1 << 20, countof(names) + 1 }, { 1, 5, 2 } };
	struct dlk_member member = { .inode = 7, .blocks = 8, .mtime = -1, .links = 1 };

	if (sink->kind->begin)
		sink->kind->begin(sink);
	for (size_t s = 0; s < countof(sets) && sink->kind->member; s++) {
		if (sink->kind->set)
			sink->kind->set(sink, &sets[s]);
		sink->sets++;
		for (sink->members = 0; sink->members < sets[s].names; sink->members++) {
			bool busy = !s && sink->members == countof(names);

			member.path = busy ? "busy" : names[sink->members];
			member.dir = sink->members;
			member.fate = busy ? DLK_FATE_LEFT : sink->members ? DLK_FATE_LINKED : DLK_FATE_KEEPER;
			sink->kind->member(sink, &sets[s], &member);
		}
	}
	if (sink->kind != &sink_text || sink->report->detail)
		feed_apart(sink);
	if (sink->kind->end)
		sink->kind->end(sink);
}

/* The whole report of a kind, as text with a NUL after it. */
static struct text report_of(const struct sink_kind *kind, unsigned detail, bool color)
{
	struct dlk_tally tally = figures();
	struct issues issues = { .keep_all = true };
	struct report report = {
		.tally = &tally,
		.issues = &issues,
		.about = REPORT_LINKED,
		.complete = true,
		.detail = detail,
		.color = color,
		.exit_status = 1,
		.duration_ns = 1234567890,
	};
	struct sink sink = { .kind = kind, .report = &report, .out.fd = -1 };

	note_all(&issues);
	feed(&sink);
	ck_assert(!issues.failed && !sink.out.text.failed && !sink.out.error);
	issues_free(&issues);
	return sink.out.text;
}

/* ---- JSON, read by somebody else ---- */

static const char reader[] =
	"import base64, json, os, sys\n"
	"def no(text): raise ValueError(text)\n"
	"d = json.loads(sys.stdin.buffer.read().decode('utf-8'), parse_float=no, parse_constant=no)\n"
	"assert list(d) == ['schema', 'summary', 'sets', 'apart', 'issues'] and d['schema'] == 1\n"
	"def name(o, key='path'):\n"
	"    raw = base64.b64decode(o[key + '_b64'], validate=True) if key + '_b64' in o else o[key].encode()\n"
	"    assert raw.decode(errors='replace') == o[key], o\n"
	"    return raw\n"
	"s = d['summary']\n"
	"assert s['bytes_saved'] == 2**64 - 1 and s['seconds'] == 1 and s['duration_ns'] == 1234567890, s\n"
	"assert s['dry_run'] is False and s['errors'] == 21 and s['exit_status'] == 1, s\n"
	"assert s['apart'] == [{'differ': ['protection'], 'option': '', 'files': 2, 'bytes': 8192},\n"
	"    {'differ': ['owner'], 'option': '--ignore owner', 'files': 312, 'bytes': 4402341888},\n"
	"    {'differ': ['owner', 'mode'], 'option': '--ignore owner,mode', 'files': 1, 'bytes': 4096}], s\n"
	"a, b = d['sets']\n"
	"assert a['size'] == 1 << 20 and len(b['names']) == 2\n"
	"busy = a['names'].pop()\n"
	"assert busy['fate'] == 'left' and busy['reason'] == 'in_use', busy\n"
	"assert a['names'][0]['fate'] == 'keeper' and a['names'][1]['fate'] == 'linked'\n"
	"assert a['names'][0]['mtime'] == -1 and a['names'][0]['allocated'] == 4096\n"
	"assert [(i['size'], [name(n) for n in i['names']]) for i in d['apart']] == [(4, [b'main', b'bad\\xff', b'sealed']),"
	" (5, [b'main', b'bad\\xff'])], d['apart']\n"
	"assert [(n.get('differ'), n.get('option')) for n in d['apart'][0]['names']] == [(None, None),"
	" (['owner', 'mode'], '--ignore owner,mode'), (['protection'], '')], d['apart']\n"
	"errors = [i for i in d['issues'] if i['kind'] == 'error']\n"
	"assert all(i['stage'] == 'hash' and i['errno'] == 13 for i in errors)\n"
	"assert [name(i) for i in errors] == [name(i) for i in a['names']]\n"
	"kept = d['issues'][-2]\n"
	"assert kept['reason'] == 'kept_aside' and name(kept, 'other') == b'bad\\xff', kept\n"
	"assert 'path' not in d['issues'][-1]\n"
	"sys.stdout.buffer.write(b''.join(name(i) + b'\\0' for i in a['names']))\n";

/* Runs the reader with the JSON as its input; what it writes comes back. -1: there is no python3. */
static int read_json(const struct text *json, char *ret, size_t room, size_t *ret_count)
{
	FILE *in = tmpfile(), *out = tmpfile();
	int status;
	pid_t child;

	ck_assert(in && out && fwrite(json->at, 1, json->count, in) == json->count && !fflush(in));
	rewind(in);
	child = fork();
	if (!child) {
		dup2(fileno(in), STDIN_FILENO);
		dup2(fileno(out), STDOUT_FILENO);
		lseek(STDIN_FILENO, 0, SEEK_SET);
		execlp("python3", "python3", "-c", reader, (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return -1;
	ck_assert_int_eq(status, 0);
	rewind(out);
	*ret_count = fread(ret, 1, room, out);
	return 0;
}

START_TEST(json_is_valid_and_names_come_back)
{
	struct text json = report_of(&sink_json, 0, false);
	char got[4096];
	size_t count, at = 0;

	if (read_json(&json, got, sizeof(got), &count)) {
		unit_skip("no python3");
		return;
	}
	for (size_t i = 0; i < countof(names); i++) {
		ck_assert_uint_le(at + strlen(names[i]) + 1, count);
		ck_assert_str_eq(got + at, names[i]);
		at += strlen(names[i]) + 1;
	}
	ck_assert_uint_eq(at, count);
	text_free(&json);
}
END_TEST

/* ---- text ---- */

static void assert_harmless(const struct text *text)
{
	for (size_t i = 0; i < text->count; i++)
		ck_assert_msg(text->at[i] == '\n' || ((unsigned char)text->at[i] >= 0x20 && text->at[i] != 0x7f),
			      "byte %#x at %zu: %s", (unsigned)text->at[i], i, text->at);
	ck_assert(text_utf8(text->at, text->count));
	ck_assert_ptr_null(strstr(text->at, "\xe2\x80\xae"));
	ck_assert_ptr_null(strstr(text->at, "\xc2\x9b"));
}

START_TEST(text_is_harmless)
{
	for (unsigned detail = 0; detail < 3; detail++) {
		struct text text = report_of(&sink_text, detail, false);

		assert_harmless(&text);
		text_free(&text);
	}
}
END_TEST

START_TEST(text_says_the_figures)
{
	struct text text = report_of(&sink_text, 0, false);

	ck_assert_str_eq(text.at,
			 "Looked at    12,345 files in 1 directory: 4.1 GiB (4,402,341,888 bytes)\n"
			 "Read         4.0 KiB (4,096 bytes) in 1.2 s\n"
			 "Across       2 file systems or mounts: hard links are made only within each\n"
			 "Linked       20 names in 2 duplicate sets\n"
			 "Freed        16.0 EiB (18,446,744,073,709,551,615 bytes) and 1 inode\n"
			 "Still held   512 bytes by links outside the PATHs\n"
			 "Kept apart   312 files, 4.1 GiB, differ in owner only: --ignore owner\n"
			 "             1 file, 4.0 KiB, differs in owner and mode only: --ignore owner,mode\n"
			 "             2 files, 8.0 KiB, differ in encryption or fs-verity\n"
			 "In use       1 name, left for the next run\n"
			 "Refused      2 names\n"
			 "Errors       21 things could not be read or linked: see standard error\n");
	text_free(&text);
}
END_TEST

static struct text apart_of(unsigned detail)
{
	struct report report = { .detail = detail };
	struct sink sink = { .kind = &sink_text, .report = &report, .out.fd = -1 };

	feed_apart(&sink);
	ck_assert(!sink.out.text.failed);
	return sink.out.text;
}

START_TEST(verbose_names_files_kept_apart)
{
	struct text text = apart_of(1);

	ck_assert_str_eq(text.at, "3 files of 4 bytes each, equal but kept apart:\n"
				  "  like    main\n"
				  "  apart   $'bad\\377'  (differs in owner and mode: --ignore owner,mode)\n"
				  "  apart   sealed  (differs in encryption or fs-verity)\n"
				  "\n"
				  "2 files of 5 bytes each, equal but kept apart:\n"
				  "  like    main\n"
				  "  apart   $'bad\\377'  (differs in owner and mode: --ignore owner,mode)\n"
				  "\n");
	text_free(&text);
	text = apart_of(2);
	ck_assert_ptr_nonnull(strstr(text.at, "\n  apart   sealed  [inode 9, 1 link, 1970-01-01 "));
	text_free(&text);
}
END_TEST

START_TEST(verbose_lists_sets_and_why)
{
	struct text text = report_of(&sink_text, 1, false);

	ck_assert_ptr_nonnull(strstr(text.at, "22 names of 1.0 MiB (1,048,576 bytes) each:\n"
					      "  keep    plain\n"
					      "  linked  'with space'\n"
					      "  linked  $'a\\nb'\n"));
	ck_assert_ptr_nonnull(strstr(text.at, "  left    busy  (in use by another program)\n\n"));
	ck_assert_ptr_nonnull(strstr(text.at, "\n2 names of 5 bytes each:\n"));
	text_free(&text);
}
END_TEST

/* Names of the page's data end no element and begin none. */
START_TEST(page_is_harmless)
{
	struct text text = report_of(&sink_html, 0, false);
	unsigned ends = 0, begins = 0;

	for (const char *at = strstr(text.at, "<main>"); (at = strchr(at, '<')); at++) {
		ends += !strncmp(at, "</script", 8);
		begins += !strncmp(at, "<script", 7);
	}
	ck_assert_uint_eq(begins, 4); /* three of data, one that runs */
	ck_assert_uint_eq(ends, 4);
	ck_assert(text_utf8(text.at, text.count));
	ck_assert_ptr_null(strstr(text.at, "\xe2\x80\xae"));
	ck_assert_ptr_nonnull(strstr(text.at, "\"\\u003c\""));
	text_free(&text);
}
END_TEST

START_TEST(colour_only_when_asked)
{
	struct text text = report_of(&sink_text, 1, true);

	ck_assert_ptr_nonnull(strstr(text.at, "\033[1m  keep  \033[0m  plain"));
	text_free(&text);
}
END_TEST

START_TEST(print0_gives_raw_names)
{
	struct text text = report_of(&sink_names, 0, false);
	size_t at = 0;

	for (size_t i = 1; i < countof(names); i++) {
		ck_assert_str_eq(text.at + at, names[i]);
		at += strlen(names[i]) + 1;
	}
	ck_assert_str_eq(text.at + at, names[1]);
	ck_assert_uint_eq(at + strlen(names[1]) + 1, text.count);
	text_free(&text);
}
END_TEST

/* ---- complaints ---- */

/* What complain_issues writes to stderr. Takes the issues. */
static struct text said_of(struct issues *issues)
{
	const struct options options = { 0 };
	FILE *err = tmpfile();
	struct text text = { 0 };
	char buffer[8192];

	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(dup2(fileno(err), STDERR_FILENO), STDERR_FILENO);
	complain_issues(issues, &options);
	rewind(err);
	text_add(&text, buffer, fread(buffer, 1, sizeof(buffer), err));
	issues_free(issues);
	fclose(err);
	return text;
}

static struct text complaints(bool keep_all)
{
	struct issues issues = { .keep_all = keep_all };

	note_all(&issues);
	return said_of(&issues);
}

static struct text complaints_of(const struct dlk_event *event, unsigned times)
{
	struct issues issues = { 0 };

	for (unsigned i = 0; i < times; i++)
		issues_note(&issues, event);
	return said_of(&issues);
}

START_TEST(one_line_per_cause)
{
	struct text text = complaints(false);

	ck_assert_str_eq(text.at,
			 "dedupe-link: cannot read plain and 20 others: Permission denied\n"
			 "dedupe-link: $'kept\\033' is a file that could not be put back where it was: please look at it "
			 "($'bad\\377')\n"
			 "dedupe-link: something is a file that could not be put back where it was: please look at it\n");
	text_free(&text);
}
END_TEST

START_TEST(a_link_that_is_not_permitted_has_two_reasons)
{
	const struct dlk_event event = { .kind = DLK_EVENT_ERROR, .stage = DLK_STAGE_LINK, .error = EPERM, .path = "a" };
	struct text text = complaints_of(&event, 40);

	ck_assert_str_eq(text.at, "dedupe-link: cannot make a link beside a and 39 others: Operation not permitted "
				  "(protected, or on a file system without hard links)\n");
	text_free(&text);
}
END_TEST

START_TEST(verbose_complains_of_every_path)
{
	struct text text = complaints(true);
	size_t lines = 0;

	for (size_t i = 0; i < text.count; i++)
		lines += text.at[i] == '\n';
	ck_assert_uint_eq(lines, countof(names) + 2);
	assert_harmless(&text);
	text_free(&text);
}
END_TEST

/* ---- write errors ---- */

START_TEST(write_errors_are_remembered)
{
	struct out full = { .fd = open("/dev/full", O_WRONLY) }, closed = { .fd = -1 }, unused = { .fd = -1 };

	if (full.fd < 0) {
		unit_skip("no /dev/full");
		return;
	}
	text_puts(&full.text, "first");
	out_flush(&full);
	text_puts(&full.text, "second");
	ck_assert_int_eq(out_finish(&full), -ENOSPC);
	text_puts(&closed.text, "something");
	ck_assert_int_eq(out_finish(&closed), -EBADF);
	/* Nothing to say, nothing to fail. */
	ck_assert_int_eq(out_finish(&unused), 0);
}
END_TEST

START_TEST(nearest_word_is_found)
{
	static const char *const words[] = { "dry-run", "include", "exclude", "max-size" };
	static const struct {
		const char *typed, *word;
	} cases[] = {
		{ "dryrun", "dry-run" }, { "incldue", "include" }, { "exclude", "exclude" }, { "mx-size", "max-size" },
		{ "excl", "exclude" },	 { "zzz", NULL },	    { "", NULL },	       { "x", NULL },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct nearest nearest = { 0 };

		for (size_t j = 0; j < countof(words); j++)
			nearest_try(&nearest, cases[i].typed, words[j]);
		if (cases[i].word)
			ck_assert_str_eq(nearest.word, cases[i].word);
		else
			ck_assert_ptr_null(nearest.word);
	}
}
END_TEST

/* ---- progress ---- */

static struct progress halfway(void)
{
	struct progress progress = { 0 };
	struct dlk_event event = { .kind = DLK_EVENT_PROGRESS, .phase = DLK_PHASE_HASH, .step = 3, .total = 346000 };

	event.bytes_total = UINT64_C(2900) << 20;
	ck_assert(progress_take(&progress, &event));
	progress_sample(&progress, NS_PER_S);
	event.done = 146000;
	event.bytes = UINT64_C(1230) << 20;
	event.saved = UINT64_C(1200) << 20;
	ck_assert(!progress_take(&progress, &event));
	progress_sample(&progress, 11 * NS_PER_S);
	return progress;
}

START_TEST(progress_in_words)
{
	struct progress progress = halfway(), none = { 0 };
	struct text text = { 0 };

	progress_line(&text, &none);
	text_puts(&text, "\n");
	progress_line(&text, &progress);
	text_puts(&text, "\n");
	progress_draw(&text, &progress, 80);
	text_puts(&text, "\n");
	progress_draw(&text, &progress, 40);
	ck_assert_str_eq(text.at,
			 "starting\n"
			 "reading 3/3: 146,000 of 346,000 files, 1.2 GiB of 2.8 GiB, 123.0 MiB/s, 1.2 GiB found, about 0:13 left\n"
			 "Reading 3/3  42%  146k/346k files  1.20G/2.8G  123M/s    0:13 left  1.17G found\n"
			 "Reading 3/3  42%    0:13 left");
	text_free(&text);
}
END_TEST

/* A run that waits for another says so, in a log and on any terminal, and when it is stopped; then it goes on as ever. */
START_TEST(waiting_is_said)
{
	struct progress progress = { 0 };
	struct dlk_event event = { .kind = DLK_EVENT_PHASE, .phase = DLK_PHASE_WAIT, .path = "/srv" };
	struct text text = { 0 };

	ck_assert(progress_take(&progress, &event));
	progress_sample(&progress, NS_PER_S);
	progress_sample(&progress, 60 * NS_PER_S);
	progress_line(&text, &progress);
	text_puts(&text, "\n");
	progress_draw(&text, &progress, 80);
	text_puts(&text, "\n");
	progress_draw(&text, &progress, 24);
	ck_assert_str_eq(text.at, "waiting for another run, which holds the lock on these files\n"
				  "Waiting for another run, which holds the lock on these files\n"
				  "Waiting for another run");
	event.phase = DLK_PHASE_WALK;
	ck_assert(progress_take(&progress, &event));
	text.count = 0;
	progress_draw(&text, &progress, 80);
	ck_assert_str_eq(text.at, "Walking                   0 files");
	text_free(&text);
}
END_TEST

/* Whatever the figures, a line fits, and each field begins or ends where it did. */
START_TEST(progress_fits)
{
	static const uint64_t values[] = { 0, 1, 999, 1000, 9949, 9950, 999499, 999500, 1023 << 20, UINT64_MAX };
	struct text text = { 0 };

	for (size_t i = 0; i < countof(values) * countof(values); i++) {
		uint64_t x = values[i % countof(values)], y = values[i / countof(values)];
		struct progress progress = {
			.begun = true,
			.at = { .phase = DLK_PHASE_HASH, .step = 1, .done = u64_min(x, y), .total = y, .bytes = u64_min(x, y),
				.bytes_total = y, .saved = x },
			.files_rate = y,
			.bytes_rate = x,
			.left_ns = (int64_t)(x % (99 * 86400)) * NS_PER_S,
		};

		for (unsigned columns = 0; columns < 120; columns++) {
			text.count = 0;
			progress_draw(&text, &progress, columns);
			ck_assert_msg(text.count <= (columns > 1 ? columns - 1 : 0), "%u columns: %s", columns, text.at);
			ck_assert_msg(columns < 80 || !x || text.count == 79, "%s", text.at);
		}
	}
	text_free(&text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		json_is_valid_and_names_come_back,
		text_is_harmless,
		text_says_the_figures,
		verbose_lists_sets_and_why,
		verbose_names_files_kept_apart,
		page_is_harmless,
		colour_only_when_asked,
		print0_gives_raw_names,
		one_line_per_cause,
		a_link_that_is_not_permitted_has_two_reasons,
		verbose_complains_of_every_path,
		write_errors_are_remembered,
		nearest_word_is_found,
		progress_in_words,
		waiting_is_said,
		progress_fits,
	};

	return unit_run("report", tests, countof(tests));
}
