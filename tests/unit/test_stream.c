/* SPDX-License-Identifier: MIT */
/* All lines come out, whole and in order, whoever reads; nobody who puts one waits; what is lost is counted. */
#include "scratch.h"

#include <pthread.h>
#include <signal.h>

#include "../../src/cli/stream.h"

enum { LINES_MOST = 100000 };

/* Threads that cannot be had: the program is linked with --wrap=pthread_create. */
static bool threads = true;

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*start)(void *), void *ctx);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*start)(void *), void *ctx);

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*start)(void *), void *ctx)
{
	return threads ? __real_pthread_create(ret, attributes, start, ctx) : EAGAIN;
}

static void set_up(void)
{
	scratch_begin();
	must(!setenv("TMPDIR", top_path, 1));
	signal(SIGPIPE, SIG_IGN);
}

/* Line `number`, of a length of its own. */
static void line_of(uint64_t number, struct text *line)
{
	line->count = 0;
	text_printf(line, "%llu ", (unsigned long long)number);
	for (uint64_t i = mix64(number) % 60; i; i--)
		text_puts(line, "abc");
	text_puts(line, "\n");
}

static void put(struct stream *stream, uint64_t from, uint64_t to)
{
	struct text line = { 0 };
	for (uint64_t i = from; i < to; i++) {
		line_of(i, &line);
		stream_put(stream, &line);
	}
	text_free(&line);
}

/* Somebody who reads until the end, and checks that lines come whole and in order; some may be missing. */
struct reader {
	int fd;
	bool slow;
	struct text all;
	pthread_t thread;
};

static void *read_all(void *ctx)
{
	struct reader *reader = ctx;
	char piece[5000];
	ssize_t n;
	while ((n = read(reader->fd, piece, reader->slow ? 1 + draw(sizeof(piece)) : sizeof(piece))) > 0)
		text_add(&reader->all, piece, (size_t)n);
	close(reader->fd);
	return NULL;
}

static void reader_begin(struct reader *reader)
{
	must(!__real_pthread_create(&reader->thread, NULL, read_all, reader));
}

/* How many lines there were: each is line_of() its number, and numbers grow. */
static uint64_t reader_end(struct reader *reader, uint64_t *ret_last)
{
	struct text line = { 0 };
	uint64_t count = 0, last = 0;
	must(!pthread_join(reader->thread, NULL));
	for (const char *at = reader->all.at, *end = at + reader->all.count; at < end; at += line.count) {
		uint64_t number = strtoull(at, NULL, 10);
		must(!count++ || number > last);
		line_of(last = number, &line);
		must((size_t)(end - at) >= line.count && !memcmp(at, line.at, line.count));
	}
	text_free(&line);
	text_free(&reader->all);
	*ret_last = last;
	return count;
}

static void make_pipe(int *ret_write, struct reader *ret_reader)
{
	int ends[2];
	must(!pipe2(ends, O_CLOEXEC));
	*ret_write = ends[1];
	*ret_reader = (struct reader){ .fd = ends[0] };
}

static int end(struct stream *stream, int fd, uint64_t *ret_lost)
{
	int r = stream_end(stream, ret_lost);
	close(fd);
	return r;
}

START_TEST(lines_come_in_order)
{
	for (unsigned slow = 0; slow < 2; slow++) {
		struct stream stream;
		struct reader reader;
		uint64_t lost = 1, last;
		int fd;
		make_pipe(&fd, &reader);
		reader.slow = slow;
		reader_begin(&reader);
		stream_begin(&stream, fd);
		put(&stream, 0, LINES_MOST);
		ck_assert_int_eq(end(&stream, fd, &lost), 0);
		ck_assert_uint_eq(lost, 0);
		ck_assert_uint_eq(reader_end(&reader, &last), LINES_MOST);
	}
}
END_TEST

/* Nobody reads while ten times as much comes as memory holds; then somebody does, while more comes. */
START_TEST(nobody_waits_for_a_reader)
{
	struct stream stream;
	struct reader reader;
	uint64_t lost = 1, last;
	int fd;
	make_pipe(&fd, &reader);
	stream_begin(&stream, fd);
	put(&stream, 0, LINES_MOST); /* would never return */
	pthread_mutex_lock(&stream.mutex);
	ck_assert_int_ge(stream.spool, 0);
	ck_assert_uint_le(stream.waiting.count, STREAM_MEMORY);
	pthread_mutex_unlock(&stream.mutex);
	reader_begin(&reader);
	put(&stream, LINES_MOST, 2 * LINES_MOST);
	ck_assert_int_eq(end(&stream, fd, &lost), 0);
	ck_assert_uint_eq(lost, 0);
	ck_assert_uint_eq(reader_end(&reader, &last), 2 * LINES_MOST);
	ck_assert_uint_eq(last, 2 * LINES_MOST - 1);
}
END_TEST

/* The spool is emptied, and used again. */
START_TEST(a_reader_may_stop_and_go_on)
{
	struct stream stream;
	uint64_t lost = 1, next = 0, got = 0;
	int ends[2];
	must(!pipe2(ends, O_CLOEXEC));
	stream_begin(&stream, ends[1]);
	for (unsigned round = 0; round < 4; round++) {
		char piece[65536];
		uint64_t bytes = 0, want = 0;
		struct text line = { 0 };
		for (; bytes < 3 * STREAM_MEMORY; bytes += line.count) {
			line_of(next++, &line);
			stream_put(&stream, &line);
		}
		for (want = bytes; want; want -= (uint64_t)got) {
			ssize_t n = read(ends[0], piece, size_min(sizeof(piece), want));
			must(n > 0);
			got = (uint64_t)n;
		}
		ck_assert_int_eq(piece[got - 1], '\n');
		text_free(&line);
	}
	ck_assert_int_eq(end(&stream, ends[1], &lost), 0);
	ck_assert_uint_eq(lost, 0);
	ck_assert_int_eq(stream.spooled, 0);
	close(ends[0]);
}
END_TEST

/* Without room on disk lines are lost, whole ones, and counted; those that came are in order. */
START_TEST(what_is_lost_is_counted)
{
	struct stream stream;
	struct reader reader;
	uint64_t lost = 0, last;
	int fd;
	must(!setenv("TMPDIR", "/proc/no/such/place", 1));
	make_pipe(&fd, &reader);
	stream_begin(&stream, fd);
	put(&stream, 0, LINES_MOST);
	reader_begin(&reader);
	ck_assert_int_eq(end(&stream, fd, &lost), 0);
	ck_assert_uint_gt(lost, LINES_MOST / 2);
	ck_assert_uint_eq(reader_end(&reader, &last) + lost, LINES_MOST);
	/* A line for which there was no memory is one more. */
	struct text failed = { .failed = true };
	make_pipe(&fd, &reader);
	reader_begin(&reader);
	stream_begin(&stream, fd);
	stream_put(&stream, &failed);
	put(&stream, 0, 5);
	ck_assert_int_eq(end(&stream, fd, &lost), 0);
	ck_assert_uint_eq(lost, 1);
	ck_assert_uint_eq(reader_end(&reader, &last), 5);
}
END_TEST

START_TEST(errors_of_writing_are_returned)
{
	struct stream stream;
	uint64_t lost;
	int ends[2], full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	must(full >= 0 && !pipe2(ends, O_CLOEXEC));
	stream_begin(&stream, full);
	put(&stream, 0, LINES_MOST);
	ck_assert_int_eq(end(&stream, full, &lost), -ENOSPC);
	close(ends[0]);
	stream_begin(&stream, ends[1]);
	put(&stream, 0, LINES_MOST);
	ck_assert_int_eq(end(&stream, ends[1], &lost), -EPIPE);
}
END_TEST

START_TEST(without_a_thread_all_is_kept_until_the_end)
{
	struct stream stream;
	struct reader reader;
	uint64_t lost = 1, last;
	int fd;
	make_pipe(&fd, &reader);
	threads = false;
	stream_begin(&stream, fd);
	threads = true;
	put(&stream, 0, LINES_MOST);
	reader_begin(&reader);
	ck_assert_int_eq(end(&stream, fd, &lost), 0);
	ck_assert_uint_eq(lost, 0);
	ck_assert_uint_eq(reader_end(&reader, &last), LINES_MOST);
}
END_TEST

START_TEST(nothing_is_left_behind)
{
	unsigned before = scratch_descriptors();
	struct stream stream;
	struct reader reader;
	uint64_t lost, last;
	int fd;
	make_pipe(&fd, &reader);
	stream_begin(&stream, fd);
	put(&stream, 0, LINES_MOST);
	reader_begin(&reader);
	ck_assert_int_eq(end(&stream, fd, &lost), 0);
	reader_end(&reader, &last);
	ck_assert_uint_eq(scratch_descriptors(), before);
	ck_assert_int_eq(unlinkat(AT_FDCWD, top_path, AT_REMOVEDIR), 0); /* empty */
	must(!mkdir(top_path, 0700));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		lines_come_in_order,	 nobody_waits_for_a_reader,	 a_reader_may_stop_and_go_on,
		what_is_lost_is_counted, errors_of_writing_are_returned, without_a_thread_all_is_kept_until_the_end,
		nothing_is_left_behind,
	};
	return unit_run_in("stream", tests, countof(tests), set_up, scratch_end);
}
