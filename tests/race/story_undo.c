/* SPDX-License-Identifier: MIT */
/* story_undo.c - an undo, and what others do in the middle of it */
#include "story.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

/* A writer that waits since before the exchange forces the undo; `deed` falls into it. */
static struct report undo_with(struct moment at, void (*act)(void *ctx), struct moment second, void (*act2)(void *ctx))
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make(write_in_place, TARGET);
	hooks_add(at_exchange, actor_go, writer);
	hooks_add(at, act, NULL);
	if (act2)
		hooks_add(second, act2, NULL);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	return report;
}

static void check_undo(struct report report, void (*check_name)(void))
{
	check_name();
	check_always(&report);
	check_name();
}

static void story_undo_save(void)
{
	check_undo(undo_with(at_undo, act_save, at_undo, NULL), check_saved);
}

static void story_undone_save(void)
{
	check_undo(undo_with(at_undone, act_save, at_undone, NULL), check_saved);
}

static void story_verify_save(void)
{
	check_undo(undo_with(at_verify, act_save, at_undo, NULL), check_saved);
}

/* 8, 9: two saves, each just before an exchange of ours: the loop ends, with the newer one at the name. */
static void story_undo_two_saves(void)
{
	check_undo(undo_with(at_undo, act_save, at_again, act_save_again), check_saved_again);
}

static void story_save_forces_undo_save(void)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_exchange, act_save, NULL);
	hooks_add(at_undo, act_save_again, NULL);
	struct report report = run_all();
	check_undo(report, check_saved_again);
}

static void story_undo_delete(void)
{
	check_undo(undo_with(at_undo, act_delete, at_undo, NULL), check_deleted);
}

static void story_undone_delete(void)
{
	check_undo(undo_with(at_undone, act_delete, at_undo, NULL), check_deleted);
}

static void story_undo_dir(void)
{
	check_undo(undo_with(at_undo, act_dir, at_undo, NULL), check_dir);
}

static void story_undo_symlink(void)
{
	check_undo(undo_with(at_undo, act_symlink, at_undo, NULL), check_symlink);
}

static void story_undo_fifo(void)
{
	check_undo(undo_with(at_undo, act_fifo, at_undo, NULL), check_fifo);
}

static void story_undo_recreate(void)
{
	check_undo(undo_with(at_undo, act_recreate, at_undo, NULL), check_recreated);
}

/* 5: moved away while T holds what a writer has written or will write: its bytes must be somewhere, and told. */
static void check_move_kept(struct report report)
{
	check(!exists(TARGET), "a name that was moved away came back");
	check(readable_somewhere(WRITTEN), "a write was lost with a moved name");
	check(begins_with("root/sub/moved", WRITTEN) || report.reasons[DLK_REASON_KEPT_ASIDE] == 1, "not told");
	check_always(&report);
	check(readable_somewhere(WRITTEN), "a write was lost by the next run");
}

static void story_verify_move(void)
{
	check_move_kept(undo_with(at_verify, act_move, at_undo, NULL));
}

static void story_undo_move(void)
{
	check_move_kept(undo_with(at_undo, act_move, at_undo, NULL));
}

/* 6: our link moved away, and a new file at the name: T was not superseded by it. */
static void act_move_and_create(void *ctx)
{
	act_move(ctx);
	make_file(TARGET, "created", 7);
}

static void story_verify_move_create(void)
{
	struct report report = undo_with(at_verify, act_move_and_create, at_undo, NULL);
	check_recreated();
	check(readable_somewhere(WRITTEN), "a write was lost with a moved name");
	check_always(&report);
	check(readable_somewhere(WRITTEN), "a write was lost by the next run");
}

/* 7: a save goes to T for a moment and back; a writer looked the name up in that moment, and has the stale file. */
static void story_stale_between(void)
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make_stale(write_other, TARGET);
	hooks_add(at_exchange, act_chmod, NULL);
	hooks_add(at_undo, act_save, NULL);
	hooks_add(at_undone, actor_look, writer);
	hooks_add(at_quiet, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check_saved();
	check(readable_somewhere(OTHER), "a write to the file that stood at the name was lost");
	check_always(&report);
	check(readable_somewhere(OTHER), "a write was lost by the next run");
}

/* All names for what is kept are taken: it stays where it is, and that name is told, not somebody else's. */
static void story_no_name_to_keep(void)
{
	field_make(SAME);
	for (int i = 0; i < 100; i++) {
		char path[64];
		snprintf(path, sizeof(path), TARGET ".dedupe-link-kept-%d", i);
		make_file(path, "a stranger's", 12);
	}
	hooks_install();
	struct actor *writer = actor_make(write_in_place, TARGET);
	hooks_add(at_exchange, actor_go, writer);
	hooks_add(at_verify, act_move, NULL);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check(report.kept_count == 1 && begins_with(report.kept[0], WRITTEN), "another name was told than what was kept has");
}

static const struct sys_calls *hooked;

static int short_names(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, unsigned flags)
{
	bool aside = flags == RENAME_NOREPLACE;
	return aside && strlen(new_path) > 20 ? -ENAMETOOLONG : hooked->renameat2(old_dirfd, old_path, new_dirfd, new_path, flags);
}

/* Where names may have no 255 bytes what is kept gets a shorter one, which people understand all the same. */
static void story_kept_short_names(void)
{
	field_make(SAME);
	hooks_install();
	hooked = sys;
	struct sys_calls table = *sys;
	table.renameat2 = short_names;
	sys_replace(&table);
	struct actor *writer = actor_make(write_in_place, TARGET);
	hooks_add(at_exchange, actor_go, writer);
	hooks_add(at_verify, act_move, NULL);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check(report.kept_count == 1 && strstr(report.kept[0], "/n.dedupe-link-kept-"), "no name to understand");
	check(begins_with(report.kept[0], WRITTEN), "a write was lost");
	check_always(&report);
}

/* ---- what is needed no more is what was proven, and nothing else ---- */

/* D was moved away and T kept: what the mover has, or what was kept and told, has what another did to D. */
static const char *kept_path(const struct report *report)
{
	return report->kept_count ? report->kept[0] : "none";
}

static bool has_colour(const char *path)
{
	char value[8];
	return getxattr(path, "user.colour", value, sizeof(value)) == 4;
}

static bool has_mode(const char *path)
{
	struct stat now;
	return !lstat(path, &now) && (now.st_mode & 07777) == 0600;
}

/* An attribute that the exchange hides from all stamps. */
static void story_setxattr_move(void)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_exchange, act_setxattr, NULL);
	hooks_add(at_grace, act_move, NULL);
	struct report report = run_all();
	check_moved();
	check(has_colour("root/sub/moved") || has_colour(kept_path(&report)), "an attribute was lost with a moved name");
	check_always(&report);
}

/*
 * A chmod forces the undo; in it our link is moved away and another D made. The new D comes to T, goes back, and the old file comes
 * out as it was put: not as it was proven.
 */
static void story_chmod_move_create(void)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_exchange, act_chmod, NULL);
	hooks_add(at_undo, act_move_and_create, NULL);
	struct report report = run_all();
	check_recreated();
	check(is_same("root/sub/moved"), "what was moved away is not what it was");
	check(has_mode("root/sub/moved") || has_mode(kept_path(&report)), "a chmod was lost with a moved name");
	check_always(&report);
	check_recreated();
}

/* The same with a save instead of the chmod: it belongs to the name that was moved. */
static void story_save_move_create(void)
{
	field_make(SAME);
	hooks_install();
	hooks_add(at_exchange, act_save, NULL);
	hooks_add(at_undo, act_move_and_create, NULL);
	struct report report = run_all();
	check_recreated();
	check(begins_with("root/sub/moved", "saved") || begins_with(kept_path(&report), "saved"), "a save was lost with a moved name");
	check_always(&report);
	check_recreated();
	check(readable_somewhere("saved"), "a save was lost by the next run");
}

static const struct story stories[] = {
	{ "undo: save before it", story_verify_save, false },
	{ "undo: save at its exchange", story_undo_save, false },
	{ "undo: save after its exchange", story_undone_save, false },
	{ "rows 8 and 9: undo, two saves", story_undo_two_saves, false },
	{ "row 9: undo for a save, another save", story_save_forces_undo_save, false },
	{ "undo: delete at its exchange", story_undo_delete, false },
	{ "undo: delete after its exchange", story_undone_delete, false },
	{ "undo: recreate at its exchange", story_undo_recreate, false },
	{ "undo: directory at its exchange", story_undo_dir, false },
	{ "undo: symlink at its exchange", story_undo_symlink, false },
	{ "undo: fifo at its exchange", story_undo_fifo, false },
	{ "row 5: undo, moved before it", story_verify_move, false },
	{ "row 5: undo, moved at its exchange", story_undo_move, false },
	{ "row 6: undo, moved and created", story_verify_move_create, false },
	{ "row 7: undo, a stale file looked up", story_stale_between, false },
	{ "undo: no name left to keep it under", story_no_name_to_keep, false },
	{ "undo: short names", story_kept_short_names, false },
	{ "undo: setxattr, moved before it", story_setxattr_move, false },
	{ "undo: chmod, moved and created at its exchange", story_chmod_move_create, false },
	{ "undo: save, moved and created at its exchange", story_save_move_create, false },
};

const struct stories undo_stories = { stories, countof(stories) };
