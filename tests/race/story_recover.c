/* SPDX-License-Identifier: MIT */
/* story_recover.c - crashes, and others at work before and while the next run recovers */
#include "story.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../src/core/temp.h"

void do_crash(struct moment at)
{
	field_make(SAME);
	hooks_install();
	run_and_die(at);
	check(is_same(TARGET) && is_same(KEEPER), "a name lost its content in the crash");
	unsigned left = temps_left();
	struct report report = run_again();
	check(!report.result && !temps_left(), "a leftover was not cleared away");
	check(report.tally.recovered == left, "what was recovered was not counted");
	check(one_file(KEEPER, TARGET) && is_same(TARGET), "not linked by the next run");
	check_always(&report);
}

/* 2: a writer holds the old file since before the crash, and writes while recovery looks at it. */
static void do_recovery_stale(struct moment at)
{
	field_make(SAME);
	struct actor *writer = actor_make_stale(write_in_place, TARGET);
	actor_look(writer);
	hooks_install();
	run_and_die(at_verify);
	hooks_install();
	hooks_add(at, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check(readable_somewhere(WRITTEN), "a write was lost by recovery");
	check_always(&report);
	report = run_again();
	check_written();
	check(!temps_left(), "a leftover was not cleared away");
}

static void story_recover_stale_begin(void)
{
	do_recovery_stale(at_recover);
}

static void story_recover_stale_read(void)
{
	do_recovery_stale(at_recover_read);
}

static void story_recover_stale_grace(void)
{
	do_recovery_stale(at_recover_grace);
}

static void story_recover_stale_probe(void)
{
	do_recovery_stale(at_recover_probe);
}

/* 3: the old file has another name; that is no reason to forget what was written to it through this one. */
static void do_recovery_other_link(struct moment at)
{
	field_make(SAME);
	must(link(TARGET, "elsewhere"), "link");
	must(link(KEEPER, "k1"), "link");
	must(link(KEEPER, "k2"), "link");
	struct actor *writer = actor_make_stale(write_in_place, TARGET);
	actor_look(writer);
	hooks_install();
	run_and_die(at_verify);
	hooks_install();
	hooks_add(at, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	must(unlink("elsewhere"), "unlink");
	check_always(&report);
	report = run_again();
	check_written();
}

/* A recovery that trusts another link never comes to the grace. */
static void story_recover_other_link_begin(void)
{
	do_recovery_other_link(at_recover);
}

static void story_recover_other_link_grace(void)
{
	do_recovery_other_link(at_recover_grace);
}

/* 13: a save came between look and exchange, then the crash: it is in T, and belongs at the name. */
static void do_recovery_deed(void (*act)(void *ctx), struct moment at, struct moment died, void (*check_name)(void))
{
	field_make(SAME);
	hooks_install();
	hooks_add(at, act, NULL);
	run_and_die(died);
	struct report report = run_again();
	check_name();
	check_always(&report);
}

static void story_recover_save(void)
{
	do_recovery_deed(act_save, at_exchange, at_verify, check_saved);
}

/* The same, and before the next run somebody writes through the name: to put the save back would take that away. */
static void story_recover_save_write(void)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_exchange, act_save, NULL);
	run_and_die(at_verify);
	must(write_in_place(TARGET), "write");
	struct report report = run_again();
	check_written();
	check(readable_somewhere("saved") && report.reasons[DLK_REASON_LEFTOVER] == 1, "the save was not kept and told");
	check_always(&report);
	check_written();
}

/* The same with an attribute, which stamps do not show. */
static void story_recover_save_setxattr(void)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_exchange, act_save, NULL);
	run_and_die(at_verify);
	act_setxattr(NULL);
	struct report report = run_again();
	check_xattr();
	check(readable_somewhere("saved") && report.reasons[DLK_REASON_LEFTOVER] == 1, "the save was not kept and told");
	check_always(&report);
	check_xattr();
}

static void story_recover_chmod(void)
{
	do_recovery_deed(act_chmod, at_exchange, at_verify, check_mode);
}

static void story_recover_saved_after(void)
{
	do_recovery_deed(act_save, at_verify, at_grace, check_saved);
}

static void story_recover_deleted_after(void)
{
	do_recovery_deed(act_delete, at_verify, at_grace, check_deleted);
	check(readable_somewhere("same"), "content");
}

static void story_recover_dir_after(void)
{
	do_recovery_deed(act_dir, at_verify, at_grace, check_dir);
}

/* The next run, in which something is done at the moment when it puts a save back. */
static struct report put_back_with(void (*act)(void *ctx))
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_exchange, act_save, NULL);
	run_and_die(at_verify);
	hooks_install();
	hooks_add((struct moment)RECOVER_PHASE("recover-exchange", CALL_EXCHANGE, BEFORE, 1), act, NULL);
	return run_all();
}

/* A save during the recovery that puts a save back. */
static void story_recover_save_save(void)
{
	struct report report = put_back_with(act_save_again);
	check_saved_again();
	check_always(&report);
	check_saved_again();
}

/* A change of the name's metadata at that moment: what came to have it stays at the name, and the save is kept. */
static void do_recovery_meta(void (*act)(void *ctx), void (*check_name)(void))
{
	struct report report = put_back_with(act);
	check_name();
	check(readable_somewhere("saved") && report.reasons[DLK_REASON_LEFTOVER] == 1, "the save was not kept and told");
	check_always(&report);
	check_name();
}

static void story_recover_save_chmod(void)
{
	do_recovery_meta(act_chmod, check_mode);
}

static void story_recover_save_xattr(void)
{
	do_recovery_meta(act_setxattr, check_xattr);
}

/* A writer comes through the name at the moment a save is put back there: it has the keeper, and must not be left with it. */
static void story_recover_save_open(void)
{
	struct actor *writer;
	field_make(SAME);
	writer = actor_make(write_in_place, TARGET);
	hooks_install();
	hooks_add(at_exchange, act_save, NULL);
	run_and_die(at_verify);
	hooks_install();
	hooks_add((struct moment)RECOVER_PHASE("recover-exchange", CALL_EXCHANGE, BEFORE, 1), actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check_written();
	check(readable_somewhere("saved"), "the save is gone");
	check_always(&report);
	report = run_again();
	check_written();
	check(readable_somewhere("saved"), "the save is gone after the next run");
}

/* Changed between recovery's look and its lease; most telling under AddressSanitizer. */
static void do_recovery_chmod(unsigned lease)
{
	field_make(SAME);
	hooks_install();
	run_and_die(at_verify);
	hooks_install();
	hooks_add((struct moment)RECOVER_PHASE("recover-lease", CALL_LEASE, BEFORE, lease), act_chmod, NULL);
	struct report report = run_all();
	check_mode();
	check_always(&report);
	check_mode();
}

static void story_recover_chmod_lease_1(void)
{
	do_recovery_chmod(1);
}

static void story_recover_chmod_lease_2(void)
{
	do_recovery_chmod(2);
}

/* The directory of a leftover is moved away between walk and recovery: a change, no error. */
static void act_move_dir(void *ctx UNUSED)
{
	must(rename("root/sub", "root/moved"), "rename");
}

static void story_recover_dir_moved(void)
{
	field_make(SAME);
	hooks_install();
	run_and_die(at_verify);
	hooks_install();
	hooks_add(at_recover, act_move_dir, NULL);
	struct report report = run_all();
	check(!report.result && !report.tally.errors, "an error");
	must(rename("root/moved", "root/sub"), "rename");
	report = run_again();
	check(report.tally.recovered == 1 && !temps_left() && is_same(TARGET), "not recovered by the run after that");
	check_always(&report);
}

/* The old file's bytes changed in T without a change of stamps (a lying clock, a mapping): bytes decide, not stamps. */
static void story_recover_changed_bytes(void)
{
	field_make(SAME);
	hooks_install();
	run_and_die(at_verify);
	DIR *dir = opendir("root/sub");
	struct dirent *entry;
	struct temp temp;
	check(dir != NULL, "set-up: root/sub");
	while ((entry = readdir(dir))) {
		if (!temp_parse(entry->d_name, strlen(entry->d_name), &temp))
			continue;
		char path[512];
		snprintf(path, sizeof(path), "root/sub/%s", entry->d_name);
		must(write_and_put_time_back(path), path);
	}
	closedir(dir);
	struct report report = run_again();
	check(readable_somewhere(WRITTEN), "a write was lost by recovery");
	check(report.reasons[DLK_REASON_LEFTOVER] == 1 || begins_with(TARGET, WRITTEN), "neither put back nor told");
	check_always(&report);
	check(readable_somewhere(WRITTEN), "a write was lost by recovery");
}

/* The keeper got another mode, by its own name, after the crash: the old file is the only one that has what the target had. */
static void story_recover_keeper_chmod(void)
{
	field_make(SAME);
	hooks_install();
	run_and_die(at_verify);
	must(chmod(KEEPER, 0600), "chmod");
	struct report report = run_again();
	check(report.reasons[DLK_REASON_LEFTOVER] == 1 && temps_left() == 1, "the only file with the target's mode was dropped");
}

static void act_chmod_elsewhere(void *ctx UNUSED)
{
	must(chmod("elsewhere", 0600), "chmod");
}

/* A chmod breaks no lease: that of the old file, by another name of it, is seen by its stamps after the grace. */
static void story_recover_chmod_grace(void)
{
	field_make(SAME);
	must(link(TARGET, "elsewhere"), "link");
	must(link(KEEPER, "k1"), "link");
	must(link(KEEPER, "k2"), "link");
	hooks_install();
	run_and_die(at_verify);
	hooks_install();
	hooks_add(at_recover_grace, act_chmod_elsewhere, NULL);
	struct report report = run_all();
	check(report.reasons[DLK_REASON_LEFTOVER] == 1 && temps_left() == 1, "a chmod was lost by recovery");
}

static const struct story stories[] = {
	{ "row 2: recovery, stale write at begin", story_recover_stale_begin, false },
	{ "row 2: recovery, stale write at read", story_recover_stale_read, false },
	{ "row 2: recovery, stale write at grace", story_recover_stale_grace, false },
	{ "row 2: recovery, stale write at probe", story_recover_stale_probe, false },
	{ "row 3: recovery, the old file has another link, at begin", story_recover_other_link_begin, false },
	{ "row 3: recovery, the old file has another link, at grace", story_recover_other_link_grace, false },
	{ "recovery, keeper chmod after the crash", story_recover_keeper_chmod, false },
	{ "recovery, the old file's other name chmod at grace", story_recover_chmod_grace, false },
	{ "row 13: recovery, save before the crash", story_recover_save, false },
	{ "recovery, save before and write after the crash", story_recover_save_write, false },
	{ "recovery, save before and setxattr after the crash", story_recover_save_setxattr, false },
	{ "recovery, chmod before the crash", story_recover_chmod, false },
	{ "recovery, save after the exchange", story_recover_saved_after, false },
	{ "recovery, delete after the exchange", story_recover_deleted_after, false },
	{ "recovery, directory after the exchange", story_recover_dir_after, false },
	{ "recovery, save while a save is put back", story_recover_save_save, false },
	{ "recovery, write while a save is put back", story_recover_save_open, false },
	{ "recovery, chmod while a save is put back", story_recover_save_chmod, false },
	{ "recovery, setxattr while a save is put back", story_recover_save_xattr, false },
	{ "recovery, chmod at its first lease", story_recover_chmod_lease_1, false },
	{ "recovery, chmod at its second lease", story_recover_chmod_lease_2, false },
	{ "recovery, directory moved since the walk", story_recover_dir_moved, false },
	{ "recovery, bytes changed and stamps put back", story_recover_changed_bytes, false },
};

const struct stories recover_stories = { stories, countof(stories) };
