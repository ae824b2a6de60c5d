/* SPDX-License-Identifier: MIT */
/* Files that are one to every comparison stay apart all the same where one of them would lose what protects it, or its readers, or no link can be made. */
#include "scratch.h"

#include <linux/magic.h>
#include <sys/mman.h>

#include "../../include/dedupe-link.h"
#include "../../src/core/temp.h"
#include "../../src/sys/idmap.h"
#include "../../src/sys/stamp.h"

/* What statx shall say of the file `marked`, and of the owner of all regular files: -1, what is true. */
static uint64_t marked, attributes;
static int64_t owner, group;

static int marking_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	int r = sys_kernel.statx(dirfd, path, flags, mask, ret);
	if (r || !S_ISREG(ret->stx_mode))
		return r;
	if (ret->stx_ino == marked)
		ret->stx_attributes |= attributes;
	ret->stx_uid = owner < 0 ? ret->stx_uid : (uint32_t)owner;
	ret->stx_gid = group < 0 ? ret->stx_gid : (uint32_t)group;
	return 0;
}

/* What the files of /proc shall hold: by their last names. "": there is none such; NULL: the kernel's own. */
struct proc {
	const char *uid_map, *gid_map, *overflowuid, *overflowgid;
};
static struct proc proc;

static const char *held(const char *path)
{
	const struct {
		const char *path, *text;
	} files[] = {
		{ "/proc/self/uid_map", proc.uid_map },
		{ "/proc/self/gid_map", proc.gid_map },
		{ "/proc/sys/kernel/overflowuid", proc.overflowuid },
		{ "/proc/sys/kernel/overflowgid", proc.overflowgid },
	};
	for (size_t i = 0; i < countof(files); i++)
		if (!strcmp(path, files[i].path))
			return files[i].text;
	return NULL;
}

static int holding_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	const char *text = held(path);
	if (!text)
		return sys_kernel.openat(dirfd, path, flags, mode);
	int fd = *text ? memfd_create("proc", MFD_CLOEXEC) : -ENOENT;
	must(!*text || write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
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
	proc = (struct proc){ 0 };
	owner = group = -1;
	table.statx = marking_statx;
	table.openat = holding_openat;
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

static uint64_t links_tried;

static int64_t told_type, told_length;

static int telling_fstatfs(int fd, struct statfs *ret)
{
	int r = sys_kernel.fstatfs(fd, ret);
	ret->f_type = (__typeof__(ret->f_type))told_type;
	ret->f_namelen = (__typeof__(ret->f_namelen))told_length;
	return r;
}

static int refusing_linkat(int from, const char *old, int to, const char *new, int flags)
{
	(void)from, (void)old, (void)to, (void)new, (void)flags;
	links_tried++;
	return -EPERM;
}

/* A dry run that promised what link(2) refuses would be no dry run; nor is it trouble that somebody could do something about. */
START_TEST(where_no_links_can_be_made_none_is_promised)
{
	static const int64_t told[][2] = { { MSDOS_SUPER_MAGIC, 255 }, { MINIX_SUPER_MAGIC2, 30 }, { AFFS_SUPER_MAGIC, TEMP_LENGTH - 1 } };
	table.fstatfs = telling_fstatfs;
	table.linkat = refusing_linkat;
	sys_replace(&table);
	for (size_t i = 0; i < 2 * countof(told); i++) {
		told_type = told[i / 2][0];
		told_length = told[i / 2][1];
		struct dlk_tally tally = run(DLK_RESPECT_DEFAULT, i % 2);
		ck_assert_uint_eq(tally.links_made + tally.sets + tally.bytes_saved + tally.errors, 0);
		ck_assert_uint_eq(tally.skipped_refused, 2);
	}
	ck_assert_uint_eq(links_tried, 0);
}
END_TEST

START_TEST(names_that_are_just_long_enough_will_do)
{
	static const int64_t lengths[] = { TEMP_LENGTH, 0 /* not told */ };
	table.fstatfs = telling_fstatfs;
	sys_replace(&table);
	for (size_t i = 0; i < countof(lengths); i++) {
		told_type = MINIX3_SUPER_MAGIC;
		told_length = lengths[i];
		ck_assert_uint_eq(run(DLK_RESPECT_DEFAULT, false).links_made, 1);
	}
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

/* ---- owners that a user namespace hides ---- */

#define ALL "         0          0 4294967295\n"
#define ONE "         0       1000          1\n"
#define MANY "         0     100000      65536\n"

static const struct {
	struct proc proc;
	struct idmap want;
} maps[] = {
	{ { ALL, ALL, "65534\n", "65534\n" }, { false, false, 0, 0 } },
	{ { ONE, ALL, "65534\n", "65534\n" }, { true, false, 65534, 0 } },
	{ { ALL, ONE, "1\n", "99\n" }, { false, true, 0, 99 } },
	{ { MANY, MANY, "77\n", "88\n" }, { true, true, 77, 88 } }, /* both have a number inside */
	{ { MANY, MANY, "", "" }, { true, true, 65534, 65534 } },
	{ { MANY, MANY, "x\n", "4294967294\n" }, { true, true, 65534, UINT32_MAX - 1 } },
	{ { ALL ONE, "         0          0 4294967294\n", NULL, "5" }, { false, true, 0, 5 } },
	{ { "         1          0 4294967294\n", "         0          1 4294967295\n", "4", "5" }, { true, true, 4, 5 } },
	{ { "\n", ALL, "4", "5" }, { true, false, 4, 0 } }, /* nothing mapped yet */
	{ { "", "", "4", "5" }, { false, false, 0, 0 } },   /* a kernel without user namespaces */
};

START_TEST(a_map_that_leaves_out_ids_hides_owners)
{
	for (size_t i = 0; i < countof(maps); i++) {
		struct idmap idmap;
		proc = maps[i].proc;
		idmap_read(&idmap);
		const struct idmap *want = &maps[i].want;
		ck_assert_msg(idmap.hides_users == want->hides_users && idmap.hides_groups == want->hides_groups &&
			      idmap.user == want->user && idmap.group == want->group, "map %zu", i);
	}
}
END_TEST

static int no_faccessat(int dirfd UNUSED, const char *path UNUSED, int mode UNUSED, int flags UNUSED)
{
	return -ENOENT;
}

static int no_openat(int dirfd UNUSED, const char *path UNUSED, int flags UNUSED, mode_t mode UNUSED)
{
	return -EMFILE;
}

START_TEST(what_cannot_be_found_out_is_hidden)
{
	struct idmap idmap;
	proc = (struct proc){ "", "", "", "" };
	table.faccessat = no_faccessat; /* no /proc at all */
	for (int i = 0; i < 2; i++) {
		idmap_read(&idmap);
		ck_assert(idmap.hides_users && idmap.hides_groups);
		ck_assert(idmap_hides(&idmap, 65534, 0) && idmap_hides(&idmap, 0, 65534) && !idmap_hides(&idmap, 0, 0));
		table.openat = no_openat;
	}
}
END_TEST

/* In a namespace as containers have it: the files' user or group is shown as the overflow id. */
static void hide(int64_t uid, int64_t gid)
{
	proc = (struct proc){ MANY, MANY, "65534\n", "65533\n" };
	owner = uid;
	group = gid;
}

START_TEST(files_of_the_hidden_stay_apart_while_owners_count)
{
	static const struct {
		int64_t uid, gid;
		bool hidden;
	} owners[] = { { 65534, 0, true }, { 0, 65533, true }, { 65534, 65533, true }, { 65533, 65534, false } };
	scratch_text("c", "alike");
	for (size_t i = 0; i < countof(owners); i++) {
		hide(owners[i].uid, owners[i].gid);
		for (int apply = 0; apply < 1 + owners[i].hidden; apply++) {
			struct dlk_tally tally = run(DLK_RESPECT_DEFAULT, apply);
			ck_assert_uint_eq(tally.links_made, owners[i].hidden ? 0 : 2);
			ck_assert_uint_eq(tally.apart[DLK_RESPECT_OWNER].files, owners[i].hidden ? 2 : 0);
			ck_assert_uint_eq(tally.errors + tally.skipped_refused + tally.skipped_changed, 0);
		}
	}
	hide(65534, 65533);
	proc.uid_map = proc.gid_map = ALL;
	ck_assert_uint_eq(run(DLK_RESPECT_DEFAULT, false).links_made, 2);
	hide(65534, 65533);
	ck_assert_uint_eq(run(DLK_RESPECT_DEFAULT & ~DLK_RESPECT_OWNER, true).links_made, 2);
}
END_TEST

START_TEST(recovery_touches_no_file_of_the_hidden)
{
	static const int64_t owners[][2] = { { 65534, 0 }, { 0, 65533 } };
	char temp[TEMP_ROOM];
	for (size_t i = 0; i < countof(owners); i++) {
		scratch_text("old", "alike");
		hide(owners[i][0], owners[i][1]);
		leave_old_file("a", "old", temp);
		ck_assert_uint_eq(recover().recovered, 0);
		ck_assert_int_eq(faccessat(top, temp, F_OK, 0), 0);
		proc.uid_map = proc.gid_map = ALL;
		ck_assert_uint_eq(recover().recovered, 1);
		ck_assert_int_ne(faccessat(top, temp, F_OK, 0), 0);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		no_word_makes_a_sealed_file_one_with_another,
		where_no_links_can_be_made_none_is_promised,
		names_that_are_just_long_enough_will_do,
		sealed_files_become_one_among_themselves,
		a_pair_that_differs_in_its_seal_is_refused,
		what_was_sealed_since_the_scan_is_changed,
		recovery_drops_no_plain_file_for_a_sealed_one,
		a_map_that_leaves_out_ids_hides_owners,
		what_cannot_be_found_out_is_hidden,
		files_of_the_hidden_stay_apart_while_owners_count,
		recovery_touches_no_file_of_the_hidden,
	};
	return unit_run_in("apart", tests, countof(tests), set_up, scratch_end);
}
