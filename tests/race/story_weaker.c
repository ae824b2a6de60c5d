/* SPDX-License-Identifier: MIT */
/* story_weaker.c - without leases, and without exchange: less is promised, and what is promised is kept */
#include "story.h"

#include <errno.h>
#include <stdio.h>

static void calm_and_weaker(void)
{
	struct report report = run_all();
	check(!report.result && report.tally.links_made == 1, "not linked");
	check(report.tally.weaker == 1 && report.reasons[DLK_REASON_WEAKER] == 1, "the weaker guarantee was not counted");
	check(one_file(KEEPER, TARGET), "not linked");
	check_always(&report);
}

static void do_refused(enum call call, int error)
{
	field_make(SAME);
	hooks_install();
	hooks_refuse(call, error);
	calm_and_weaker();
}

static void story_no_lease_eacces(void)
{
	do_refused(CALL_LEASE, -EACCES);
}

static void story_no_lease_einval(void)
{
	do_refused(CALL_LEASE, -EINVAL);
}

static void story_no_exchange_einval(void)
{
	do_refused(CALL_EXCHANGE, -EINVAL);
}

static void story_no_exchange_enosys(void)
{
	do_refused(CALL_EXCHANGE, -ENOSYS);
}

/* EAGAIN is an answer, not a lack: in use. */
static void story_lease_eagain(void)
{
	field_make(SAME);
	hooks_install();
	hooks_refuse(CALL_LEASE, -EAGAIN);
	struct report report = run_all();
	check(!report.tally.links_made && report.tally.skipped_in_use >= 1, "linked, or not told to be in use");
	check(is_same(TARGET), "content");
}

static void do_without(enum call lack, int (*act)(const char *path), struct moment at, bool stale, struct moment looked)
{
	field_make(SAME);
	hooks_install();
	hooks_refuse(lack, -EINVAL);
	struct actor *writer = stale ? actor_make_stale(act, TARGET) : actor_make(act, TARGET);
	if (stale)
		hooks_add(looked, actor_look, writer);
	hooks_add(at, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check_written();
	hooks_refuse(lack, 0);
	check_always(&report);
	check_written();
}

static void story_no_lease_write_compare(void)
{
	do_without(CALL_LEASE, write_in_place, at_compare, false, at_compare);
}

static void story_no_lease_write_look(void)
{
	do_without(CALL_LEASE, write_in_place, at_look, false, at_compare);
}

static void story_no_lease_write_exchange(void)
{
	do_without(CALL_LEASE, write_in_place, at_exchange, false, at_compare);
}

static void story_no_lease_stale_verify(void)
{
	do_without(CALL_LEASE, write_in_place, at_verify, true, at_exchange);
}

static void story_no_lease_stale_grace(void)
{
	do_without(CALL_LEASE, write_in_place, at_grace, true, at_exchange);
}

/* Without leases and with the time put back only the second comparison sees it. */
static void story_no_lease_time_put_back(void)
{
	do_without(CALL_LEASE, write_and_put_time_back, at_exchange, false, at_compare);
}

static void story_no_exchange_write_over(void)
{
	do_without(CALL_EXCHANGE, write_in_place, at_over, false, at_over);
}

static void story_no_exchange_stale_grace(void)
{
	do_without(CALL_EXCHANGE, write_in_place, at_grace, true, at_over);
}

static void do_deed_without_exchange(struct moment at, void (*act)(void *ctx), void (*check_name)(void))
{
	field_make(SAME);
	hooks_install();
	hooks_refuse(CALL_EXCHANGE, -EINVAL);
	hooks_add(at, act, NULL);
	struct report report = run_all();
	check_name();
	hooks_refuse(CALL_EXCHANGE, 0);
	check_always(&report);
}

static void story_no_exchange_save(void)
{
	do_deed_without_exchange(at_overed, act_save, check_saved);
}

static void story_no_exchange_delete(void)
{
	do_deed_without_exchange(at_grace, act_delete, check_deleted);
}

static void story_no_exchange_chmod(void)
{
	do_deed_without_exchange(at_over, act_chmod, check_mode);
}

static int rename_gone(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, unsigned flags)
{
	(void)old_dirfd, (void)old_path, (void)new_dirfd, (void)new_path;
	return flags & RENAME_EXCHANGE ? -EINVAL : -ENOENT;
}

static int unlink_fails_once(int dirfd, const char *path, int flags)
{
	static bool failed;
	if (!failed) {
		failed = true;
		return -EIO;
	}
	return sys_kernel.unlinkat(dirfd, path, flags);
}

/* The name went before the rename, and the old file's second name cannot be unlinked: that is left, and told. */
static void story_no_exchange_left(void)
{
	field_make(SAME);
	hooks_install();
	struct sys_calls table = *sys;
	table.renameat2 = rename_gone;
	table.unlinkat = unlink_fails_once;
	sys_replace(&table);
	struct report report = run_all();
	check(temps_left() == 1, "set-up: nothing was left");
	check(report.tally.errors == 1 && report.error == EIO, "a temporary name was left, and nobody was told");
	check_always(&report);
	check(!temps_left() && one_file(KEEPER, TARGET), "after the next run");
}

static const struct story stories[] = {
	{ "no lease: EACCES", story_no_lease_eacces, false },
	{ "no lease: EINVAL", story_no_lease_einval, false },
	{ "no lease: EAGAIN", story_lease_eagain, false },
	{ "no lease: write at compare", story_no_lease_write_compare, false },
	{ "no lease: write at look", story_no_lease_write_look, false },
	{ "no lease: write at exchange", story_no_lease_write_exchange, false },
	{ "no lease: stale write at verify", story_no_lease_stale_verify, false },
	{ "no lease: stale write at grace", story_no_lease_stale_grace, false },
	{ "no lease: write at exchange, time put back", story_no_lease_time_put_back, false },
	{ "no exchange: EINVAL", story_no_exchange_einval, false },
	{ "no exchange: ENOSYS", story_no_exchange_enosys, false },
	{ "no exchange: write at rename", story_no_exchange_write_over, false },
	{ "no exchange: stale write at grace", story_no_exchange_stale_grace, false },
	{ "no exchange: save after rename", story_no_exchange_save, false },
	{ "no exchange: delete at grace", story_no_exchange_delete, false },
	{ "no exchange: chmod at rename", story_no_exchange_chmod, false },
	{ "no exchange: a name that cannot be unlinked", story_no_exchange_left, false },
};

const struct stories weaker_stories = { stories, countof(stories) };
