/* SPDX-License-Identifier: MIT */
/* Files that are one to every comparison stay apart all the same where one of them would lose what protects it, or its readers. */
#include "scratch.h"

#include "../../include/dedupe-link.h"
#include "../../src/core/temp.h"
#include "../../src/sys/stamp.h"

/* What statx shall say of the file `marked`. */
static uint64_t marked, attributes;

static int marking_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	int r = sys_kernel.statx(dirfd, path, flags, mask, ret);
	if (!r && ret->stx_ino == marked)
		ret->stx_attributes |= attributes;
	return r;
}

static uint64_t number_of(const char *name)
{
	struct stat st;
	must(!fstatat(top, name, &st, AT_SYMLINK_NOFOLLOW));
	return st.st_ino;
}

static void set_up(void)
{
	scratch_begin();
	scratch_text("a", "alike");
	scratch_text("b", "alike");
	table.statx = marking_statx;
	sys_replace(&table);
	marked = attributes = 0;
}

static struct dlk_tally run(unsigned respect, bool apply)
{
	const char *const paths[] = { top_path };
	struct dlk_options options;
	struct dlk_plan *plan;
	dlk_options_init(&options);
	options.respect = respect;
	options.will_apply = apply;
	must(!dlk_scan(&options, paths, 1, &plan));
	must(!apply || !dlk_apply(plan));
	struct dlk_tally tally = *dlk_plan_tally(plan);
	dlk_plan_free(plan);
	return tally;
}

static const uint64_t seals[] = { STATX_ATTR_ENCRYPTED, STATX_ATTR_VERITY };

START_TEST(no_word_makes_a_sealed_file_one_with_another)
{
	marked = number_of("b");
	for (size_t i = 0; i < countof(seals); i++) {
		attributes = seals[i];
		for (unsigned respect = 0; respect <= DLK_RESPECT_DEFAULT; respect += DLK_RESPECT_DEFAULT) {
			for (int apply = 0; apply < 2; apply++) {
				struct dlk_tally tally = run(respect, apply);
				ck_assert_uint_eq(tally.links_made, 0);
				ck_assert_uint_eq(tally.apart[0].files, 1);
				ck_assert_uint_eq(tally.errors + tally.skipped_refused + tally.skipped_changed, 0);
			}
		}
	}
	attributes = 0;
	ck_assert_uint_eq(run(DLK_RESPECT_DEFAULT, true).links_made, 1);
}
END_TEST

START_TEST(sealed_files_become_one_among_themselves)
{
	scratch_text("c", "alike");
	must(!linkat(top, "b", top, "d", 0));
	marked = number_of("b");
	attributes = STATX_ATTR_VERITY;
	struct dlk_tally tally = run(DLK_RESPECT_DEFAULT, true);
	ck_assert_uint_eq(tally.links_made, 1);
	ck_assert_uint_eq(tally.apart[0].files, 1);
	ck_assert_uint_eq(number_of("a"), number_of("c"));
	ck_assert_uint_eq(number_of("b"), marked);
}
END_TEST

static int replace(const char *src, const char *dst)
{
	return dlk_replace_at(top, src, top, dst, 0, NULL);
}

START_TEST(a_pair_that_differs_in_its_seal_is_refused)
{
	marked = number_of("b");
	for (size_t i = 0; i < countof(seals); i++) {
		attributes = seals[i];
		ck_assert_int_eq(replace("a", "b"), -EPERM);
		ck_assert_int_eq(replace("b", "a"), -EPERM);
	}
	attributes = 0;
	ck_assert_int_eq(replace("a", "b"), 0);
}
END_TEST

/* Between scan and apply somebody may encrypt nothing, but may put a file under fs-verity: that moves no mtime. */
START_TEST(what_was_sealed_since_the_scan_is_changed)
{
	const char *const paths[] = { top_path };
	struct dlk_options options;
	struct dlk_plan *plan;
	dlk_options_init(&options);
	options.will_apply = true;
	marked = number_of("b");
	must(!dlk_scan(&options, paths, 1, &plan));
	attributes = STATX_ATTR_VERITY;
	must(!dlk_apply(plan));
	ck_assert_uint_eq(dlk_plan_tally(plan)->links_made, 0);
	ck_assert_uint_eq(dlk_plan_tally(plan)->skipped_changed, 1);
	dlk_plan_free(plan);
}
END_TEST

/* What a run leaves that dies after the exchange: `name` is a link of the keeper, the old file stands beside it. */
static void leave_old_file(const char *name, const char *old, char ret_temp[TEMP_ROOM])
{
	struct stamp stamp;
	must(!stamp_at(top, old, &stamp));
	struct temp temp = {
		.run = 1,
		.keeper = temp_hash_number(number_of(name)),
		.target = temp_hash_number(stamp_fingerprint(&stamp)),
		.name = temp_hash_name(name),
	};
	temp_write(&temp, ret_temp);
	must(!renameat(top, old, top, ret_temp));
}

static struct dlk_tally recover(void)
{
	const char *const paths[] = { top_path };
	struct dlk_options options;
	struct dlk_tally tally;
	dlk_options_init(&options);
	must(!dlk_recover(&options, paths, 1, &tally));
	return tally;
}

START_TEST(recovery_drops_no_plain_file_for_a_sealed_one)
{
	char temp[TEMP_ROOM];
	marked = number_of("a");
	leave_old_file("a", "b", temp);
	for (size_t i = 0; i < countof(seals); i++) {
		attributes = seals[i];
		ck_assert_uint_eq(recover().recovered, 0);
		ck_assert_int_eq(faccessat(top, temp, F_OK, 0), 0);
	}
	attributes = 0;
	ck_assert_uint_eq(recover().recovered, 1);
	ck_assert_int_ne(faccessat(top, temp, F_OK, 0), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		no_word_makes_a_sealed_file_one_with_another,
		sealed_files_become_one_among_themselves,
		a_pair_that_differs_in_its_seal_is_refused,
		what_was_sealed_since_the_scan_is_changed,
		recovery_drops_no_plain_file_for_a_sealed_one,
	};
	return unit_run_in("apart", tests, countof(tests), set_up, scratch_end);
}
