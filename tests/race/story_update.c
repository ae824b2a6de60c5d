/* SPDX-License-Identifier: MIT */
/* story_update.c - what happens to the target, and to the keeper, while nothing has to be undone twice */
#include "story.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../../src/core/confirm.h"
#include "../../src/core/sift.h"
#include "../../src/sys/stamp.h"

/* ---- single stories ---- */

/* Nobody there: the file is linked, with no call more than the steps have. Else the moments above are not what they say. */
static void story_calm(void)
{
	field_make(SAME);
	hooks_install();
	struct report report = run_all();
	check(!report.result && report.tally.links_made == 1 && !report.tally.errors && !report.tally.weaker, "figures");
	check(one_file(KEEPER, TARGET), "not linked");
	check(hooks_count(CALL_EXCHANGE) == 1 && hooks_count(CALL_UNLINK) == 1, "calls");
	check_always(&report);
}

/* A writer that was there first says so and goes on when it is told to. */
static int there_first[2], go_on[2];

static void wait_to_go_on(void)
{
	char word;
	close(go_on[1]); /* so that the wait ends with the case, whatever becomes of it */
	if (write(there_first[1], "x", 1) != 1 || read(go_on[0], &word, 1) != 1)
		_exit(0);
}

static int keep_open(const char *path)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	wait_to_go_on();
	int r = pwrite(fd, WRITTEN, strlen(WRITTEN), 0) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* As before, but the open descriptor is gone and a shared mapping is left. */
static int write_by_map(const char *path)
{
	int fd = open(path, O_RDWR);
	if (fd < 0)
		return -errno;
	char *map = mmap(NULL, SAME, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return -errno;
	wait_to_go_on();
	memcpy(map, WRITTEN, strlen(WRITTEN));
	return msync(map, SAME, MS_SYNC) ? -errno : 0;
}

/* A writer that was there before us and writes after us: in use. */
static void do_held_by(int (*act)(const char *path))
{
	char word;
	field_make(SAME);
	hooks_install();
	must(pipe2(there_first, O_CLOEXEC), "pipe");
	must(pipe2(go_on, O_CLOEXEC), "pipe");
	struct actor *writer = actor_make(act, TARGET);
	close(there_first[1]);
	actor_send(writer);
	check(read(there_first[0], &word, 1) == 1, "set-up: no writer");
	struct report report = run_all();
	check(report.tally.skipped_in_use == 1 && !report.tally.links_made, "not told to be in use");
	must((int)write(go_on[1], "x", 1), "pipe");
	must(actor_join(writer), "writer");
	check_written();
	check_always(&report);
}

static void story_held_open(void)
{
	do_held_by(keep_open);
}

static void story_mapped(void)
{
	do_held_by(write_by_map);
}

/* 1: chmod looked the name up before the exchange, and comes to the old file during the grace. */
static char stale_name[TEXT];

static void look_up(void *ctx UNUSED)
{
	int fd = must(open(TARGET, O_PATH | O_NOFOLLOW), TARGET);
	snprintf(stale_name, sizeof(stale_name), "/proc/self/fd/%d", fd);
}

static void do_stale_chmod(struct moment at)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_exchange, look_up, NULL);
	hooks_add(at, act_chmod, stale_name);
	struct report report = run_all();
	check_mode();
	check_always(&report);
}

static void story_stale_chmod_verify(void)
{
	do_stale_chmod(at_verify);
}

static void story_stale_chmod_grace(void)
{
	do_stale_chmod(at_grace);
}

static void story_stale_chmod_reprobe(void)
{
	do_stale_chmod(at_reprobe);
}

static void story_stale_chmod_stamps(void)
{
	do_stale_chmod(at_stamps);
}

/* An update of the old file that moves nothing but its ctime: size, mtime and mode stay. */
static void act_stale_setxattr(void *ctx UNUSED)
{
	must(setxattr(stale_name, "user.colour", "blue", 4, 0), "setxattr");
}

static void story_stale_setxattr(void)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_exchange, look_up, NULL);
	hooks_add(at_grace, act_stale_setxattr, NULL);
	struct report report = run_all();
	check_xattr();
	check_always(&report);
}

/* 10: a writer through the new name breaks the keeper's lease during the grace: nothing is undone, its write is there. */
static void story_new_name(void)
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make(write_in_place, TARGET);
	hooks_add(at_grace, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check(report.tally.links_made == 1 && one_file(KEEPER, TARGET), "undone because of the keeper's lease");
	check_written();
	check_always(&report);
}

/* 14: the keeper's data is on disk before its other copy is given up. */
static unsigned free_syncs, leased_syncs; /* of the keeper, without its lease and with it */

static int count_sync(int fd)
{
	struct stamp synced, keeper;
	if (!stamp_fd(fd, &synced) && !stamp_at(AT_FDCWD, KEEPER, &keeper) && stamp_same_file(&synced, &keeper))
		*(fcntl(fd, F_GETLEASE) == F_RDLCK ? &leased_syncs : &free_syncs) += 1;
	return sys_kernel.fdatasync(fd);
}

static void sync_and_link(void (*check_syncs)(void *ctx))
{
	hooks_install();
	struct sys_calls table = *sys;
	table.fdatasync = count_sync;
	sys_replace(&table);
	hooks_add(at_exchange, check_syncs, NULL);
	struct report report = run_all();
	check(report.tally.links_made == 1, "not linked");
	check_always(&report);
}

/* What was written in the tick of the sync before the lease may have been written after it. */
static void check_synced_again(void *ctx UNUSED)
{
	check(leased_syncs == 1, "exchanged before the keeper was synced as it was compared");
}

static void story_sync(void)
{
	field_make(SAME);
	sync_and_link(check_synced_again);
}

static void check_synced_once(void *ctx UNUSED)
{
	check(free_syncs == 1 && !leased_syncs, "not synced once, before it was leased");
}

static void story_sync_old(void)
{
	struct stamp keeper;
	field_make(SAME);
	must(stamp_at(AT_FDCWD, KEEPER, &keeper), KEEPER);
	while (sys_kernel.wall() < keeper.ctime + 200 * NS_PER_MS)
		sys_kernel.sleep(10 * NS_PER_MS);
	sync_and_link(check_synced_once);
}

/* 8: between exchange and unlink others have the time that is promised. */
static int64_t exchanged, dropped;

static void note_exchange(void *ctx UNUSED)
{
	exchanged = sys_kernel.now();
}

static void note_drop(void *ctx UNUSED)
{
	dropped = sys_kernel.now();
}

static void story_grace(void)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_verify, note_exchange, NULL);
	hooks_add(at_drop, note_drop, NULL);
	struct report report = run_all();
	check(dropped - exchanged >= 4 * NS_PER_MS, "dropped before the grace was over");
	check_always(&report);
}

/* A second name of the target is in line; the first is undone because of a writer: so must the second be. */
static void story_two_names(void)
{
	field_make(SAME);
	must(link(TARGET, "root/sub/other"), "link");
	hooks_install();
	struct actor *writer = actor_make_stale(write_in_place, TARGET);
	must(link(KEEPER, "root/b-keeper"), "link");
	must(link(KEEPER, "root/c-keeper"), "link");
	hooks_add(at_exchange, actor_look, writer);
	hooks_add(at_grace, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check_written();
	check(begins_with("root/sub/other", WRITTEN), "the write does not show at the file's second name");
	check(report.tally.links_made == 0, "linked");
	check_always(&report);
}

/* A late opener of a file that lives on under another name: its own name lacks the write, which must be told. */
static void story_late_other_name(void)
{
	field_make(SAME);
	must(mkdir("elsewhere", 0755), "mkdir");
	must(link(TARGET, "elsewhere/other"), "link");
	must(link(KEEPER, "elsewhere/k1"), "link");
	must(link(KEEPER, "elsewhere/k2"), "link");
	hooks_install();
	struct actor *writer = actor_make_stale(write_in_place, TARGET);
	hooks_add(at_exchange, actor_look, writer);
	hooks_add(at_drop, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check(readable_somewhere(WRITTEN) && report.reasons[DLK_REASON_LATE_OPENER] == 1, "a late write was lost");
	check_always(&report);
}

static const struct sys_calls *hooked; /* the hooks' table, behind one of a story's own */

static int no_room(int dirfd, const char *path, int flags, mode_t mode)
{
	return flags & O_CREAT ? -ENOSPC : sys_kernel.openat(dirfd, path, flags, mode);
}

/* A late opener writes, where files are made by `openat`. */
static struct report run_with_late_opener(int (*openat)(int dirfd, const char *path, int flags, mode_t mode))
{
	field_make(SAME);
	hooks_install();
	hooked = sys;
	struct actor *writer = actor_make_stale(write_in_place, TARGET);
	struct sys_calls table = *sys;
	table.openat = openat;
	sys_replace(&table);
	hooks_add(at_exchange, actor_look, writer);
	hooks_add(at_drop, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	return report;
}

/* No room for a copy of what a late opener wrote: that is an error, and no name is told that is not there. */
static void story_late_no_room(void)
{
	struct report report = run_with_late_opener(no_room);
	check(report.tally.errors == 1 && report.error == ENOSPC, "not told as an error");
	for (unsigned i = 0; i < report.kept_count; i++)
		check(exists(report.kept[i]), "a name was told that is not there");
	check_always(&report);
}

static int short_names(int dirfd, const char *path, int flags, mode_t mode)
{
	return flags & O_CREAT && strlen(path) > 24 ? -ENAMETOOLONG : hooked->openat(dirfd, path, flags, mode);
}

/* Where names may have no 255 bytes the copy of what a late opener wrote gets a shorter one. */
static void story_late_short_names(void)
{
	struct report report = run_with_late_opener(short_names);
	check(!report.tally.errors && report.reasons[DLK_REASON_LATE_OPENER] == 1, "no copy was made");
	check(report.kept_count == 1 && begins_with(report.kept[0], WRITTEN), "a late write was lost");
	check_always(&report);
}

/* Who waits for a large file that we compare waits milliseconds. */
static void story_polled(void)
{
	field_make(12 * 1024 * 1024);
	hooks_install();
	hooks_slow_reads(10 * NS_PER_MS); /* some two seconds for all */
	struct actor *writer = actor_make(write_in_place, TARGET);
	hooks_add((struct moment)LINK_PHASE("tenth read", CALL_READ, BEFORE, 10), actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	if (actor_took(writer) > 500 * NS_PER_MS)
		again("a writer had to wait %lld ms for a comparison", (long long)(actor_took(writer) / NS_PER_MS));
	check_written();
	check(report.tally.skipped_in_use == 1 && !report.tally.links_made, "not told to be in use");
	check_always(&report);
}

static ino_t unreadable;

static void act_unreadable(void *ctx UNUSED)
{
	struct stat now;
	must(stat(TARGET, &now), TARGET);
	unreadable = now.st_ino;
}

static ssize_t read_what_can_be_read(int fd, void *buffer, size_t size, off_t offset)
{
	struct stat now;
	if (!fstat(fd, &now) && now.st_ino == unreadable)
		return -EIO;
	return hooked->pread(fd, buffer, size, offset);
}

/* Nor does who waits for a file that could not be read, and is compared no more. */
static void story_unreadable_polled(void)
{
	field_make(6 * 1024 * 1024);
	make_file("root/sub/other", "same", 6 * 1024 * 1024);
	hooks_install();
	hooks_slow_reads(10 * NS_PER_MS);
	hooked = sys;
	struct sys_calls table = *sys;
	table.pread = read_what_can_be_read;
	sys_replace(&table);
	hooks_add(at_begin, act_unreadable, NULL);
	struct actor *writer = actor_make(write_in_place, TARGET);
	hooks_add((struct moment)LINK_PHASE("tenth read", CALL_READ, BEFORE, 10), actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	if (actor_took(writer) > 300 * NS_PER_MS)
		again("a writer had to wait %lld ms for others' comparison", (long long)(actor_took(writer) / NS_PER_MS));
	check_written();
	check(report.tally.errors == 1 && report.error == EIO && report.tally.links_made == 1, "figures");
}

/* A keeper that cannot be read, or is wanted by a writer, is told itself; the others have another. */
static void check_others_linked(const struct report *report)
{
	check(one_file(TARGET, "root/sub/other") && !one_file(KEEPER, TARGET), "not linked without the keeper");
	check(report->tally.links_made == 1 && !report->tally.skipped_changed, "figures");
}

static void act_keeper_unreadable(void *ctx UNUSED)
{
	struct stat now;
	must(stat(KEEPER, &now), KEEPER);
	unreadable = now.st_ino;
}

static void story_keeper_unreadable(void)
{
	field_make(SAME);
	make_file("root/sub/other", "same", SAME);
	must(link(KEEPER, "root/b-keeper"), "link");
	hooks_install();
	hooked = sys;
	struct sys_calls table = *sys;
	table.pread = read_what_can_be_read;
	sys_replace(&table);
	hooks_add(at_begin, act_keeper_unreadable, NULL);
	struct report report = run_all();
	check_others_linked(&report);
	check(report.tally.errors == 1 && report.error == EIO && !strcmp(report.last_error, KEEPER), "the keeper is not told");
}

static void story_keeper_wanted(void)
{
	field_make(SAME);
	make_file("root/sub/other", "same", SAME);
	must(link(KEEPER, "root/b-keeper"), "link");
	hooks_install();
	hooks_slow_reads(10 * NS_PER_MS);
	struct actor *writer = actor_make(write_in_place, KEEPER);
	hooks_add(at_compare, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check(begins_with(KEEPER, WRITTEN), "what was written is lost");
	check_others_linked(&report);
	check(report.tally.skipped_in_use == 1 && !report.tally.errors, "the keeper is not told");
}

/* The file system says that the keeper has links enough, when one name of three has moved: only the others stay. */
static unsigned links_left;

static int link_until_full(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, int flags)
{
	if (!links_left)
		return -EMLINK;
	links_left--;
	return hooked->linkat(old_dirfd, old_path, new_dirfd, new_path, flags);
}

static void story_full_midway(void)
{
	field_make(SAME);
	must(link(TARGET, "root/sub/other"), "link");
	must(link(TARGET, "root/sub/third"), "link");
	for (unsigned i = 0; i < 3; i++) {
		char name[TEXT];
		snprintf(name, sizeof(name), "root/keeper-%u", i);
		must(link(KEEPER, name), "link");
	}
	hooks_install();
	hooked = sys;
	struct sys_calls table = *sys;
	table.linkat = link_until_full;
	sys_replace(&table);
	links_left = 1;
	struct report report = run_all();
	check(report.tally.links_made == 1 && report.tally.skipped_refused == 2 && report.reasons[DLK_REASON_LINK_LIMIT] == 2,
	      "names that moved are told as refused");
}

static int sync_slowly(int fd)
{
	int r = hooked->fdatasync(fd);
	sys_kernel.sleep(1000 * NS_PER_MS);
	return r;
}

/* Nor for a file to be synced, which may have much to write: neither who wants this one nor who wants its equal. */
static void do_sync_polled(size_t size, const char *path, unsigned nth)
{
	field_make(size);
	hooks_install();
	hooked = sys;
	struct sys_calls table = *sys;
	table.fdatasync = sync_slowly;
	sys_replace(&table);
	struct actor *writer = actor_make(write_in_place, path);
	hooks_add((struct moment)LINK_PHASE("sync", CALL_SYNC, AFTER, nth), actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	if (actor_took(writer) > 500 * NS_PER_MS)
		again("a writer had to wait %lld ms for a sync", (long long)(actor_took(writer) / NS_PER_MS));
	check(!report.tally.links_made && !report.tally.errors, "figures");
	if (strcmp(path, KEEPER))
		check_always(&report);
	check(begins_with(path, WRITTEN), "what was written is lost");
}

static void story_sync_polled(void)
{
	do_sync_polled(SAME, TARGET, 1);
}

static void story_sync_polled_keeper(void)
{
	do_sync_polled(SAME, KEEPER, 1);
}

/* Too large for a digest of the whole: who keeps is known only when all are compared, so both are synced. */
enum { LATE = 2 * SIFT_SMALL };

static void story_sync_polled_large(void)
{
	do_sync_polled(LATE, TARGET, 2);
}

static void story_sync_polled_large_keeper(void)
{
	do_sync_polled(LATE, KEEPER, 2);
}

/* Nor who comes to a file in its grace, for the keeper of the next set: it is opened next, and then synced. */
static struct actor *late_writer;
static bool exchanged_first, next_opened;

static void act_exchanged(void *ctx UNUSED)
{
	exchanged_first = true;
}

static int open_next(int dirfd, const char *path, int flags, mode_t mode)
{
	if (exchanged_first && !next_opened)
		actor_go(late_writer);
	next_opened = exchanged_first;
	return hooked->openat(dirfd, path, flags, mode);
}

static int sync_next_slowly(int fd)
{
	return (next_opened ? sync_slowly : hooked->fdatasync)(fd);
}

static void story_sync_polled_next(void)
{
	field_make(SAME);
	make_file("root/sub/z1", "next", SAME);
	make_file("root/sub/z2", "next", SAME);
	hooks_install();
	hooked = sys;
	struct sys_calls table = *sys;
	table.openat = open_next;
	table.fdatasync = sync_next_slowly;
	sys_replace(&table);
	late_writer = actor_make_stale(write_in_place, TARGET);
	hooks_add(at_exchange, actor_look, late_writer);
	hooks_add(at_verify, act_exchanged, NULL);
	struct report report = run_all();
	must(actor_join(late_writer), "writer");
	if (actor_took(late_writer) > 500 * NS_PER_MS)
		again("a writer had to wait %lld ms for another's sync", (long long)(actor_took(late_writer) / NS_PER_MS));
	check_written();
	check(report.tally.links_made == 1 && one_file("root/sub/z1", "root/sub/z2"), "figures");
	check_always(&report);
}

/* The name in the last line of a journal, below root/. */
static const char *last_name(int journal, const char *const *names, size_t count)
{
	char text[4096];
	ssize_t n = pread(journal, text, sizeof(text) - 1, 0);
	const char *last = names[0], *at = text, *found;
	text[n < 0 ? 0 : n] = '\0';
	for (size_t i = 0; i < count; i++) {
		found = strstr(text, names[i]);
		if (found > at) {
			at = found;
			last = names[i];
		}
	}
	return last;
}

/* A clock that stands still while `stopped_at` is not 0: a grace is 4 ms, and a busy disk takes longer to make a file. */
static int64_t stopped_at;

static int64_t now_or_then(void)
{
	return stopped_at ? stopped_at : hooked->now();
}

static void act_stop_clock(void *ctx UNUSED)
{
	stopped_at = hooked->now();
}

static void act_note_line(void *in_line)
{
	*(bool *)in_line |= temps_left() > 0;
}

static void act_start_clock(void *in_line)
{
	act_note_line(in_line);
	stopped_at = 0;
}

/* Who waits for a name whose journal is undone waits milliseconds, too, while a large file behind it is copied and compared. */
static void story_undo_polled(void)
{
	enum { LARGE = 6 * 1024 * 1024, READS = 2 * LARGE / CONFIRM_CHUNK, BEGIN = 4 /* the journal's own among them */ };
	static const char *const names[] = { "root/1-large-2", "root/2-large-2" }; /* linked in any order */
	bool in_line = false;
	field_make(SAME);
	must(unlink(TARGET), TARGET); /* no third name, whose turn may be any */
	make_file("root/1-large", "one", LARGE);
	make_file("root/1-large-2", "one", LARGE);
	make_file("root/2-large", "two", LARGE);
	make_file("root/2-large-2", "two", LARGE);
	int journal = must(open("journal", O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600), "journal");
	field_journal(journal);
	hooks_install();
	struct report report = run_all();
	check(report.tally.links_made == 2, "set-up: not linked");
	field_journal(0);
	const char *name = last_name(journal, names, countof(names)); /* the first to be undone */
	hooks_install();
	hooks_slow_reads(10 * NS_PER_MS);
	struct actor *writer = actor_make(write_in_place, name);
	hooked = sys;
	struct sys_calls table = *sys;
	table.now = now_or_then;
	sys_replace(&table);
	hooks_add((struct moment)UNDO_PHASE("exchange", CALL_EXCHANGE, AFTER, 1), act_stop_clock, NULL);
	for (unsigned i = 1; i <= BEGIN; i++)
		hooks_add((struct moment)UNDO_PHASE("first reads of the second", CALL_READ, BEFORE, READS + i),
			  i < BEGIN ? act_note_line : act_start_clock, &in_line);
	hooks_add((struct moment)UNDO_PHASE("tenth read of the second", CALL_READ, BEFORE, READS + 10), actor_go, writer);
	report = run_undo(journal);
	must(actor_join(writer), "writer");
	if (!in_line)
		again("the first was in line no more when the second was compared");
	if (actor_took(writer) > 500 * NS_PER_MS)
		again("a writer had to wait %lld ms for another file's comparison", (long long)(actor_took(writer) / NS_PER_MS));
	check(report.tally.restored == 2 && !one_file(names[0], "root/1-large") && !one_file(names[1], "root/2-large"), "not undone");
	check(begins_with(name, WRITTEN) && begins_with("root/1-large", "one") && begins_with("root/2-large", "two"), "content");
}

static void act_cut(void *ctx UNUSED)
{
	must(truncate(TARGET, 100), "truncate");
}

/* Shortened while it is read for its digest: an end of file before the end is no content. */
static void story_cut_while_hashed(void)
{
	field_make(SAME);
	must(truncate(KEEPER, 100), "truncate"); /* what it will be when cut */
	make_file("root/b", "same", SAME);
	hooks_install();
	hooks_add(at_hash_read, act_cut, NULL);
	struct report report = run_all();
	struct stat now;
	must(stat(TARGET, &now), TARGET);
	check(now.st_size == 100 && !report.tally.links_made, "a cut file was taken for what it was");
}

/* Grows for ever while it is read: we read what it was and no more. */
static void act_grow(void *ctx UNUSED)
{
	must(truncate(TARGET, (off_t)1 << 40), "truncate");
}

static void do_grow(struct moment at)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at, act_grow, NULL);
	struct report report = run_all();
	check(report.tally.bytes_read <= 8 * SAME && !report.tally.links_made, "read or linked a growing file");
	must(truncate(TARGET, SAME), "truncate");
	check(is_same(TARGET), "content");
	check_always(&report);
}

static void story_grows_while_hashed(void)
{
	do_grow(at_hash_read);
}

static void story_grows_before_compared(void)
{
	do_grow(at_begin);
}

/* What is swapped in before a file is read for its digest is a change, not an error. */
static void do_swapped_before_hashed(void (*act)(void *ctx), void (*check_name)(void))
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_hash, act, NULL);
	struct report report = run_all();
	check(!report.tally.errors && report.reasons[DLK_REASON_CHANGED] == 1, "not told as a change");
	check_name();
	check_always(&report);
}

static void story_fifo_before_hashed(void)
{
	do_swapped_before_hashed(act_fifo, check_fifo);
}

static void story_dir_before_hashed(void)
{
	do_swapped_before_hashed(act_dir, check_dir);
}

static void story_symlink_before_hashed(void)
{
	do_swapped_before_hashed(act_symlink, check_symlink);
}

/* ---- the keeper's side ---- */

static void act_keeper_save(void *ctx UNUSED)
{
	make_file("root/.new", "saved", 5);
	must(rename("root/.new", KEEPER), "rename");
}

static void do_keeper_saved(struct moment at)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at, act_keeper_save, NULL);
	struct report report = run_all();
	check(!report.result, "the run ended with an error");
	check(begins_with(KEEPER, "saved"), "a save over the keeper's name was lost");
	check(is_same(TARGET), "the target lost its content");
	check(!temps_left() && !kept_left(), "something was left that nobody needs");
	report = run_again();
	check(begins_with(KEEPER, "saved") && is_same(TARGET) && !temps_left(), "after the next run");
}

static void story_keeper_saved_stage(void)
{
	do_keeper_saved(at_stage);
}

static void story_keeper_saved_exchange(void)
{
	do_keeper_saved(at_exchange);
}

static void story_keeper_saved_verify(void)
{
	do_keeper_saved(at_verify);
}

static void story_keeper_saved_grace(void)
{
	do_keeper_saved(at_grace);
}

static void story_keeper_saved_look(void)
{
	do_keeper_saved(at_look);
}

/* Before it is opened the first name of the keeper is saved over: the file is found by its other name. */
static void story_keeper_saved_other_name(void)
{
	static const char other[] = "root/b-keeper";
	field_make(SAME);
	must(link(KEEPER, other), other);
	hooks_install();
	hooks_add(at_begin, act_keeper_save, NULL);
	struct report report = run_all();
	check(!report.result && report.tally.links_made == 1 && !report.tally.skipped_changed, "figures");
	check(begins_with(KEEPER, "saved"), "a save over the keeper's name was lost");
	check(is_same(TARGET) && one_file(other, TARGET), "not linked to the keeper's other name");
	check(!temps_left() && !kept_left(), "something was left that nobody needs");
}

/* The keeper's name is saved over, and then the exchange undone: T is the keeper's last link. */
static void story_undo_keeper_saved(void)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_exchange, act_chmod, NULL);
	hooks_add(at_verify, act_keeper_save, NULL);
	struct report report = run_all();
	check(!report.result && begins_with(KEEPER, "saved") && is_same(TARGET), "content");
	check_mode();
	check(!temps_left() && !kept_left(), "something was left that nobody needs");
}

/* As before, but a writer came to the keeper while it stood at the target's name: its write is told, at least. */
static void story_undo_keeper_saved_written(void)
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make_stale(write_in_place, TARGET);
	hooks_add(at_exchange, act_chmod, NULL);
	hooks_add(at_verify, act_keeper_save, NULL);
	hooks_add(at_undo, actor_look, writer);
	hooks_add(at_undone, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check(begins_with(KEEPER, "saved"), "content");
	check(readable_somewhere(WRITTEN), "row 15: a write to the keeper's last link was lost");
	check(report.reasons[DLK_REASON_KEPT_ASIDE] == 1, "row 15: not told");
}

static void do_keeper_written(struct moment at)
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make(write_in_place, KEEPER);
	hooks_add(at, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check(!report.result && begins_with(KEEPER, WRITTEN), "a write to the keeper was lost");
	check(is_same(TARGET) || one_file(KEEPER, TARGET), "the target is neither what it was nor a link");
	report = run_again();
	check(begins_with(KEEPER, WRITTEN) && !temps_left(), "after the next run");
	check(is_same(TARGET) || one_file(KEEPER, TARGET), "after the next run");
}

static void story_keeper_written_begin(void)
{
	do_keeper_written(at_begin);
}

static void story_keeper_written_compare(void)
{
	do_keeper_written(at_compare);
}

static void story_keeper_written_look(void)
{
	do_keeper_written(at_look);
}

static void story_keeper_written_exchange(void)
{
	do_keeper_written(at_exchange);
}

static void story_keeper_written_grace(void)
{
	do_keeper_written(at_grace);
}

/* An attribute the keeper got since it was compared must not come to the target with it. */
static void act_keeper_setxattr(void *ctx UNUSED)
{
	must(setxattr(KEEPER, "user.colour", "blue", 4, 0), "setxattr");
}

static void story_keeper_setxattr(void)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_stage, act_keeper_setxattr, NULL);
	struct report report = run_all();
	char value[8];
	check(!report.tally.links_made && getxattr(TARGET, "user.colour", value, sizeof(value)) < 0, "linked");
	check_always(&report);
}

static bool attribute_gone;

static void act_attribute_goes(void *ctx UNUSED)
{
	attribute_gone = true;
}

static ssize_t get_attribute(int fd, const char *name, void *value, size_t size)
{
	return attribute_gone ? -ENODATA : sys_kernel.fgetxattr(fd, name, value, size);
}

/* One that goes between being listed and being read is a change, no error. */
static void story_keeper_removexattr(void)
{
	field_make(SAME);
	must(setxattr(KEEPER, "user.colour", "blue", 4, 0), "setxattr");
	must(setxattr(TARGET, "user.colour", "blue", 4, 0), "setxattr");
	hooks_install();
	struct sys_calls table = *sys;
	table.fgetxattr = get_attribute;
	sys_replace(&table);
	hooks_add(at_stage, act_attribute_goes, NULL);
	struct report report = run_all();
	check(!report.tally.errors && report.tally.skipped_changed == 1, "not told as a change");
	check_xattr();
	check_always(&report);
}

/* Nor a mode: it was given to the keeper's name alone. */
static void story_keeper_chmod(void)
{
	struct stat now;
	field_make(SAME);
	hooks_install();
	hooks_add(at_stage, act_chmod, (void *)KEEPER);
	struct report report = run_all();
	must(stat(TARGET, &now), TARGET);
	check(!report.tally.links_made && (now.st_mode & 07777) != 0600, "linked");
	check_always(&report);
}

static nlink_t links_of(const char *path)
{
	struct stat now;
	must(stat(path, &now), path);
	return now.st_nlink;
}

static void act_link_keeper(void *ctx UNUSED)
{
	must(link(KEEPER, "elsewhere"), "link");
}

/* Others link the keeper, as cp -al does, between scan and apply: what would carry it over --max-links goes to another keeper. */
static void story_keeper_linked_to_its_limit(void)
{
	field_make(SAME);
	make_file("root/sub/name-2", "same", SAME);
	make_file("root/sub/name-3", "same", SAME);
	field_max_links(4);
	hooks_install();
	hooks_add(at_begin, act_link_keeper, NULL);
	struct report report = run_all();
	check(!report.result && !report.tally.errors, "the run ended with an error");
	check(links_of(KEEPER) == 4, "the keeper has more links than it may have, or less");
	check(report.tally.links_made == 2 && report.reasons[DLK_REASON_LINK_LIMIT] == 1, "not told as the limit of links");
	check_always(&report);
	check(links_of(KEEPER) == 4, "the keeper has more links after the next run");
}

static void act_link_keeper_twice(void *ctx)
{
	act_link_keeper(ctx);
	must(link(KEEPER, "elsewhere-2"), "link");
}

/* There is room for one more: a file with two names does not move in part, but keeps for those behind it. */
static void story_keeper_linked_another_keeps(void)
{
	field_make(SAME);
	make_file("root/b", "same", SAME);
	must(link("root/b", "root/b-2"), "link");
	field_max_links(5);
	must(link(KEEPER, "root/a-keeper-2"), "link"); /* as many as the other has, so that the older one keeps */
	hooks_install();
	hooks_add(at_begin, act_link_keeper_twice, NULL);
	struct report report = run_all();
	check(!report.result && !report.tally.errors, "the run ended with an error");
	check(links_of(KEEPER) == 4 && links_of("root/b") == 3, "not linked to the other keeper");
	check(report.tally.links_made == 1 && one_file("root/b", TARGET), "not linked to the other keeper");
	check_always(&report);
	check(links_of(KEEPER) == 4 && links_of("root/b") == 3, "other links after the next run");
}

static void act_chmod_keeper(void *ctx UNUSED)
{
	must(chmod(KEEPER, 0600), "chmod");
}

/* The keeper of two targets gets another mode after the look: it is no equal of the second one any more. */
static void story_keeper_chmod_two_targets(void)
{
	field_make(SAME);
	make_file("root/b", "same", SAME);
	hooks_install();
	hooks_add(at_exchange, act_chmod_keeper, NULL);
	struct report report = run_all();
	check(!report.result && !report.tally.errors, "the run ended with an error");
	check(report.tally.links_made == 1 && one_file(KEEPER, "root/b"), "not the first alone");
	struct stat second;
	must(stat(TARGET, &second), "stat");
	check((second.st_mode & 07777) == 0644, "a file got the mode that was meant for another");
}

/* A child that was forked meanwhile keeps our descriptors open, but not our leases: nobody waits for it. */
static void act_fork(void *child)
{
	pid_t pid = must(fork(), "fork");
	if (!pid) {
		pause();
		_exit(0);
	}
	*(pid_t *)child = pid;
}

static void story_forked(void)
{
	pid_t child = 0;
	field_make(SAME);
	hooks_install();
	hooks_add(at_verify, act_fork, &child);
	struct report report = run_all();
	check(report.tally.links_made == 1, "not linked");
	int fd = open(KEEPER, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	check(fd >= 0, "a lease outlives the run");
	close(fd);
	kill(child, SIGKILL); /* it keeps the lock too, which is as it should be: flock(2) */
	must(waitpid(child, NULL, 0), "waitpid");
	check_always(&report);
}

static const struct story stories[] = {
	{ "calm", story_calm, false },
	{ "held open by a writer", story_held_open, false },
	{ "mapped by a writer", story_mapped, false },
	{ "row 1: stale chmod at verify", story_stale_chmod_verify, false },
	{ "row 1: stale chmod at grace", story_stale_chmod_grace, false },
	{ "row 1: stale chmod at reprobe", story_stale_chmod_reprobe, false },
	{ "row 1: stale chmod at stamps", story_stale_chmod_stamps, false },
	{ "stale setxattr at grace", story_stale_setxattr, false },
	{ "row 10: write through the new name", story_new_name, false },
	{ "row 14: sync before exchange", story_sync, false },
	{ "row 14: sync before the lease", story_sync_old, false },
	{ "grace", story_grace, false },
	{ "stale write, target of two names", story_two_names, false },
	{ "late write, target lives on elsewhere", story_late_other_name, false },
	{ "late write, no room for a copy", story_late_no_room, false },
	{ "late write, short names", story_late_short_names, false },
	{ "write while a large file is compared", story_polled, false },
	{ "write while others are compared, unreadable itself", story_unreadable_polled, false },
	{ "keeper of three unreadable", story_keeper_unreadable, false },
	{ "keeper of three wanted while it is compared", story_keeper_wanted, false },
	{ "keeper full midway", story_full_midway, false },
	{ "write while the keeper is synced", story_sync_polled, false },
	{ "write to the keeper while it is synced", story_sync_polled_keeper, false },
	{ "stale write while the next keeper is synced", story_sync_polled_next, false },
	{ "write while one of a class is synced", story_sync_polled_large, false },
	{ "write to one of a class while it is synced", story_sync_polled_large_keeper, false },
	{ "write while a large file is undone", story_undo_polled, false },
	{ "cut while hashed", story_cut_while_hashed, false },
	{ "grows while hashed", story_grows_while_hashed, false },
	{ "grows before compared", story_grows_before_compared, false },
	{ "fifo before it is hashed", story_fifo_before_hashed, false },
	{ "directory before it is hashed", story_dir_before_hashed, false },
	{ "symlink before it is hashed", story_symlink_before_hashed, false },
	{ "keeper saved at begin, of two names", story_keeper_saved_other_name, false },
	{ "keeper saved at stage", story_keeper_saved_stage, false },
	{ "keeper saved at look", story_keeper_saved_look, false },
	{ "undo: keeper saved", story_undo_keeper_saved, false },
	{ "keeper chmod at exchange, of two targets", story_keeper_chmod_two_targets, false },
	{ "row 15: undo, keeper saved, written through D", story_undo_keeper_saved_written, false },
	{ "keeper saved at exchange", story_keeper_saved_exchange, false },
	{ "keeper saved at verify", story_keeper_saved_verify, false },
	{ "keeper saved at grace", story_keeper_saved_grace, false },
	{ "keeper chmod at stage", story_keeper_chmod, false },
	{ "keeper linked by others, to its limit", story_keeper_linked_to_its_limit, false },
	{ "keeper linked by others, another keeps", story_keeper_linked_another_keeps, false },
	{ "forked meanwhile", story_forked, false },
	{ "keeper setxattr at stage", story_keeper_setxattr, false },
	{ "keeper removexattr at stage, between list and read", story_keeper_removexattr, false },
	{ "keeper written at begin", story_keeper_written_begin, false },
	{ "keeper written at compare", story_keeper_written_compare, false },
	{ "keeper written at look", story_keeper_written_look, false },
	{ "keeper written at exchange", story_keeper_written_exchange, false },
	{ "keeper written at grace", story_keeper_written_grace, false },
};

const struct stories update_stories = { stories, countof(stories) };
