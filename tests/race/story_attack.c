/* SPDX-License-Identifier: MIT */
/* story_attack.c - planted temporary names; symlinks and special files put in the way (CVE-2011-3632 has more) */
#include "story.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "../../src/core/temp.h"
#include "../../src/sys/stamp.h"

/* ---- planted temporary names ---- */

static void act_plant(void *ctx)
{
	int dirfd;
	const char *name = hooks_last_link(&dirfd);
	must(linkat(AT_FDCWD, ctx, dirfd, name, 0), "plant");
}

/* The name we are about to make exists already: another is taken, the planted one stays. */
static void story_planted_stage(void)
{
	field_make(SAME);
	make_file("planted", "planted", 7);
	hooks_install();
	hooks_add(at_stage, act_plant, (void *)"planted");
	struct report report = run_all();
	check(report.tally.links_made == 1, "not linked");
	check(readable_somewhere("planted"), "what was planted is gone");
	check(temps_left() == 1, "a temporary name was left, or the planted one taken");
	check_always(&report);
}

static void act_replace_temp(void *ctx)
{
	int dirfd;
	const char *name = hooks_last_link(&dirfd);
	must(unlinkat(dirfd, name, 0), "plant");
	act_plant(ctx);
}

static void do_replaced_temp(struct moment at)
{
	field_make(SAME);
	make_file("planted", "planted", 7);
	hooks_install();
	hooks_add(at, act_replace_temp, (void *)"planted");
	struct report report = run_all();
	check(readable_somewhere("planted"), "what was planted is gone");
	check_always(&report);
	check(readable_somewhere("planted"), "what was planted is gone after the next run");
}

static void story_planted_look(void)
{
	do_replaced_temp(at_look);
	check(is_same(TARGET), "the target's name leads to what was planted");
}

/* After the exchange: what stands at T is not the old file, so it is not unlinked. */
static void story_planted_verify(void)
{
	do_replaced_temp(at_verify);
}

static void story_planted_grace(void)
{
	do_replaced_temp(at_grace);
}

/* A name that looks like ours, made by somebody else before we came. What it says is a lie. */
static void plant(const char *file, const char *keeper, const char *target, const char *name)
{
	struct stamp k, t;
	char planted[TEMP_ROOM], path[256];
	must(stamp_at(AT_FDCWD, keeper, &k), keeper);
	must(stamp_at(AT_FDCWD, target, &t), target);
	struct temp temp = {
		.run = 1,
		.keeper = temp_hash_number(k.ino),
		.version = temp_hash_number(stamp_fingerprint(&k)),
		.target = temp_hash_number(stamp_fingerprint(&t)),
		.name = temp_hash_name(name),
	};
	temp_write(&temp, planted);
	snprintf(path, sizeof(path), "root/sub/%s", planted);
	must(rename(file, path), "plant");
}

/*
 * In a directory like /tmp others may not touch our names, but may make their own. A planted name that says "I am the save
 * that came between" must not get its file to ours.
 */
static void story_planted_before_in_sticky(void)
{
	if (!is_root())
		skip("needs root");
	field_make(SAME);
	must(chmod("root/sub", 01777), "chmod");
	must(unlink(TARGET), "unlink");
	must(link(KEEPER, TARGET), "link");
	make_file("planted", "planted", 7);
	must(chown("planted", NOBODY, NOBODY), "chown");
	plant("planted", KEEPER, KEEPER, "name");
	hooks_install();
	struct report report = run_all();
	check(is_same(TARGET) && one_file(KEEPER, TARGET), "a stranger's file was put at our name");
	check(report.reasons[DLK_REASON_LEFTOVER] == 1 && readable_somewhere("planted"), "not kept and told");
	check_always(&report);
}

/* Nor another file of our own, of which they made a link: one that they may write. */
static void do_planted_link(mode_t mode, uid_t owner)
{
	field_make(SAME);
	must(chmod("root/sub", mode), "chmod");
	if (owner)
		must(chown("root/sub", owner, owner), "chown");
	must(unlink(TARGET), "unlink");
	must(link(KEEPER, TARGET), "link");
	make_file("log", "evil", 7);
	must(chmod("log", 0666), "chmod");
	must(link("log", "planted"), "link");
	plant("planted", KEEPER, KEEPER, "name");
	hooks_install();
	struct report report = run_all();
	check(is_same(TARGET) && one_file(KEEPER, TARGET), "a file that strangers may write was put at our name");
	check(report.reasons[DLK_REASON_LEFTOVER] == 1 && readable_somewhere("evil"), "not kept and told");
	check_always(&report);
	check(is_same(TARGET), "a file that strangers may write was put at our name by the next run");
}

static void story_planted_link_in_sticky(void)
{
	do_planted_link(01777, 0);
}

/* A group, or whom an ACL names: its mask stands in the group's bits. */
static void story_planted_link_in_group(void)
{
	do_planted_link(03770, 0);
}

static void story_planted_link_in_strangers(void)
{
	if (!is_root())
		skip("needs root");
	do_planted_link(01755, NOBODY);
}

/* A planted name of another kind than a file. */
static void story_planted_before_dir(void)
{
	field_make(SAME);
	must(mkdir("planted", 0755), "mkdir");
	plant("planted", KEEPER, TARGET, "name");
	hooks_install();
	struct report report = run_all();
	check(report.tally.links_made == 1 && temps_left() == 1, "linked, and the directory left");
	check_always(&report);
}

static void story_planted_before_symlink(void)
{
	field_make(SAME);
	must(symlink("../../" VICTIM, "planted"), "symlink");
	plant("planted", KEEPER, TARGET, "name");
	hooks_install();
	struct report report = run_all();
	check(report.tally.links_made == 1 && temps_left() == 1, "linked, and the symlink left");
	check_always(&report);
}

/* ---- symlinks and special files put in the way; CVE-2011-3632 has more ---- */

static void act_keeper_symlink(void *ctx UNUSED)
{
	must(symlink("../" VICTIM, "root/.new"), "symlink");
	must(rename("root/.new", KEEPER), "rename");
}

/* Opened or read, even if nothing else happens to it: a device would mind. */
static void do_not_even_opened(struct moment at, void (*act)(void *ctx))
{
	field_make(SAME);
	int watch = must(inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify");
	must(inotify_add_watch(watch, VICTIM, IN_OPEN | IN_ACCESS | IN_ATTRIB), "inotify");
	hooks_install();
	hooks_add(at, act, NULL);
	struct report report = run_all();
	char event[512];
	check(read(watch, event, sizeof(event)) < 0, "a file outside the roots was opened through a symlink");
	close(watch);
	if (act == act_keeper_symlink)
		check(type_of(KEEPER) == S_IFLNK && is_same(TARGET) && !report.tally.links_made, "linked");
	else
		check_always(&report);
}

static void story_symlink_hash(void)
{
	do_not_even_opened(at_hash, act_symlink);
}

static void story_symlink_begin(void)
{
	do_not_even_opened(at_begin, act_symlink);
}

static void story_keeper_symlink_hash(void)
{
	do_not_even_opened(at_hash, act_keeper_symlink);
}

static void story_keeper_symlink_begin(void)
{
	do_not_even_opened(at_begin, act_keeper_symlink);
}

static void story_swapped_parent_hash(void)
{
	do_not_even_opened(at_hash, act_swap_parent);
}

static void story_swapped_parent_begin(void)
{
	do_not_even_opened(at_begin, act_swap_parent);
}

/* A directory becomes a symlink between being seen in a listing and being entered. */
static void story_swapped_while_walked(void)
{
	do_not_even_opened(at_listed, act_swap_parent);
}

/* Without openat2 (before Linux 5.6, or under a filter) the same. */
static int no_openat2(int dirfd, const char *path, const struct open_how *how)
{
	(void)dirfd, (void)path, (void)how;
	return -ENOSYS;
}

static void do_without_openat2(struct moment at)
{
	field_make(SAME);
	int watch = must(inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify");
	must(inotify_add_watch(watch, VICTIM, IN_OPEN | IN_ACCESS | IN_ATTRIB), "inotify");
	hooks_install();
	struct sys_calls table = *sys;
	table.openat2 = no_openat2;
	sys_replace(&table);
	hooks_add(at, act_swap_parent, NULL);
	struct report report = run_all();
	char event[512];
	check(read(watch, event, sizeof(event)) < 0, "a file outside the roots was opened through a symlink");
	close(watch);
	check_always(&report);
}

static void story_no_openat2_walked(void)
{
	do_without_openat2(at_listed);
}

static void story_no_openat2_begin(void)
{
	do_without_openat2(at_begin);
}

static const struct story stories[] = {
	{ "planted at stage", story_planted_stage, false },
	{ "planted at look", story_planted_look, false },
	{ "planted at verify", story_planted_verify, false },
	{ "planted at grace", story_planted_grace, false },
	{ "planted before, in a sticky directory", story_planted_before_in_sticky, false },
	{ "planted before, a link, in a sticky directory", story_planted_link_in_sticky, false },
	{ "planted before, a link, in a group's directory", story_planted_link_in_group, false },
	{ "planted before, a link, in a stranger's directory", story_planted_link_in_strangers, false },
	{ "planted before, a directory", story_planted_before_dir, false },
	{ "planted before, a symlink", story_planted_before_symlink, false },
	{ "not opened: symlink at hash", story_symlink_hash, false },
	{ "not opened: symlink at begin", story_symlink_begin, false },
	{ "not opened: keeper a symlink at hash", story_keeper_symlink_hash, false },
	{ "not opened: keeper a symlink at begin", story_keeper_symlink_begin, false },
	{ "not opened: parent swapped at hash", story_swapped_parent_hash, false },
	{ "not opened: parent swapped at begin", story_swapped_parent_begin, false },
	{ "not opened: parent swapped while walked", story_swapped_while_walked, false },
	{ "no openat2: parent swapped while walked", story_no_openat2_walked, false },
	{ "no openat2: parent swapped at begin", story_no_openat2_begin, false },
};

const struct stories attack_stories = { stories, countof(stories) };
