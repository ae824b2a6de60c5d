/* SPDX-License-Identifier: MIT */
/* deeds.c - what others do to a name or a file, and what they must find afterwards */
#include "story.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- deeds: done in the middle of our run, by somebody who needs no lease ---- */

static void save_as(const char *text)
{
	make_file("root/sub/.new", text, strlen(text));
	must(rename("root/sub/.new", TARGET), "rename");
}

void act_save(void *ctx UNUSED)
{
	save_as("saved");
}

void act_save_again(void *ctx UNUSED)
{
	save_as("once more");
}

void check_saved(void)
{
	check(begins_with(TARGET, "saved"), "an atomic save was lost");
}

void check_saved_again(void)
{
	check(begins_with(TARGET, "once more"), "the newest save was lost");
}

void act_delete(void *ctx UNUSED)
{
	must(unlink(TARGET), "unlink");
}

void check_deleted(void)
{
	check(!exists(TARGET), "a deleted name came back");
}

void act_recreate(void *ctx)
{
	act_delete(ctx);
	make_file(TARGET, "created", 7);
}

void check_recreated(void)
{
	check(begins_with(TARGET, "created"), "a new file was lost");
}

void act_move(void *ctx UNUSED)
{
	must(rename(TARGET, "root/sub/moved"), "rename");
}

void check_moved(void)
{
	check(!exists(TARGET), "a name that was moved away came back");
	check(is_same("root/sub/moved"), "what was moved away is not what it was");
}

void act_chmod(void *ctx)
{
	must(chmod(ctx ? ctx : TARGET, 0600), "chmod");
}

void check_mode(void)
{
	struct stat now;
	must(stat(TARGET, &now), TARGET);
	check((now.st_mode & 07777) == 0600, "a chmod was lost");
}

static void act_chown(void *ctx UNUSED)
{
	must(chown(TARGET, NOBODY, NOBODY), "chown");
}

static void check_owner(void)
{
	struct stat now;
	must(stat(TARGET, &now), TARGET);
	check(now.st_uid == NOBODY && now.st_gid == NOBODY, "a chown was lost");
}

static void act_utime(void *ctx UNUSED)
{
	struct timespec times[2] = { { .tv_sec = 1234567 }, { .tv_sec = 1234567 } };
	must(utimensat(AT_FDCWD, TARGET, times, 0), "utimensat");
}

static void check_time(void)
{
	struct stat now;
	must(stat(TARGET, &now), TARGET);
	check(now.st_mtim.tv_sec == 1234567, "a change of the time was lost");
}

void act_setxattr(void *ctx UNUSED)
{
	must(setxattr(TARGET, "user.colour", "blue", 4, 0), "setxattr");
}

void check_xattr(void)
{
	char value[8];
	check(getxattr(TARGET, "user.colour", value, sizeof(value)) == 4, "a new attribute was lost");
}

void act_dir(void *ctx)
{
	act_delete(ctx);
	must(mkdir(TARGET, 0755), "mkdir");
}

mode_t type_of(const char *path)
{
	struct stat now;
	return lstat(path, &now) ? 0 : now.st_mode & S_IFMT;
}

void check_dir(void)
{
	check(type_of(TARGET) == S_IFDIR, "a directory is not where it was made");
}

void act_symlink(void *ctx UNUSED)
{
	must(symlink("../../" VICTIM, "root/sub/.new"), "symlink");
	must(rename("root/sub/.new", TARGET), "rename");
}

void check_symlink(void)
{
	check(type_of(TARGET) == S_IFLNK, "a symlink is not where it was made");
}

void act_fifo(void *ctx UNUSED)
{
	must(mkfifo("root/sub/.new", 0644), "mkfifo");
	must(rename("root/sub/.new", TARGET), "rename");
}

void check_fifo(void)
{
	check(type_of(TARGET) == S_IFIFO, "a FIFO is not where it was made");
}

void act_swap_parent(void *ctx UNUSED)
{
	must(rename("root/sub", "root/away"), "rename");
	must(symlink("../outside", "root/sub"), "symlink");
}

static void check_swapped_parent(void)
{
	check(type_of("root/sub") == S_IFLNK, "a symlink is not where it was made");
	check(is_same("root/away/name"), "a file was lost with its directory");
}

static const struct deed list[] = {
	{ "save", act_save, check_saved, false },
	{ "delete", act_delete, check_deleted, false },
	{ "recreate", act_recreate, check_recreated, false },
	{ "move", act_move, check_moved, false },
	{ "chmod", act_chmod, check_mode, true },
	{ "chown", act_chown, check_owner, true },
	{ "utime", act_utime, check_time, true },
	{ "setxattr", act_setxattr, check_xattr, true },
	{ "dir", act_dir, check_dir, false },
	{ "symlink", act_symlink, check_symlink, false },
	{ "fifo", act_fifo, check_fifo, false },
	{ "swap-parent", act_swap_parent, check_swapped_parent, false },
};

bool is_root(void)
{
	return geteuid() == 0;
}

static void skip_what_needs_root(const struct deed *deed)
{
	if (deed->act == act_chown && !is_root())
		skip("needs root");
}

void do_deed(const struct deed *deed, struct moment at, struct report (*run)(void))
{
	skip_what_needs_root(deed);
	field_make(SAME);
	hooks_install();
	hooks_add(at, deed->act, NULL);
	struct report report = run();
	deed->check_name();
	check_always(&report);
	if (!deed->meta)
		deed->check_name();
}

/* ---- writers: they need write access and so meet the lease ---- */

void check_written(void)
{
	check(begins_with(TARGET, WRITTEN), "a write was lost");
}

static void check_truncated(void)
{
	struct stat now;
	must(stat(TARGET, &now), TARGET);
	check(now.st_size == 0, "a truncation was lost");
}

static void check_appended(void)
{
	char end[sizeof(WRITTEN) - 1];
	int fd = must(open(TARGET, O_RDONLY), TARGET);
	ssize_t n = pread(fd, end, sizeof(end), SAME);
	close(fd);
	check(n == (ssize_t)sizeof(end) && !memcmp(end, WRITTEN, sizeof(end)), "an append was lost");
}

static const struct writing ways[] = {
	{ "write", write_in_place, check_written },
	{ "append", append_to, check_appended },
	{ "truncate", truncate_it, check_truncated },
};

void do_writing(const struct writing *writing, struct moment at, struct report (*run)(void))
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make(writing->act, TARGET);
	hooks_add(at, actor_go, writer);
	struct report report = run();
	must(actor_join(writer), "writer");
	writing->check_name();
	check_always(&report);
	writing->check_name();
}

/* Looked the name up before the exchange, asks for write access later: gets the old file. */
void do_stale(const struct writing *writing, struct moment at, bool noticed)
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make_stale(writing->act, TARGET);
	hooks_add(at_exchange, actor_look, writer);
	hooks_add(at, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	if (noticed) {
		writing->check_name();
		check(report.tally.skipped_in_use + report.tally.skipped_changed == 1, "not told");
	} else { /* too late to be undone: a copy, and a word about it */
		check(readable_somewhere(WRITTEN), "a late write was not rescued");
		check(report.reasons[DLK_REASON_LATE_OPENER] == 1, "a late opener was not told");
	}
	check_always(&report);
}

const struct deeds deeds = { list, countof(list) };
const struct writings writings = { ways, countof(ways) };
