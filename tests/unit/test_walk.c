/* SPDX-License-Identifier: MIT */
/* The walk finds every name once, under the root it belongs to, with few descriptors and few threads, and tells what it cannot. */
#include "pipeline.h"

#include <dirent.h>
#include <linux/openat2.h>
#include <sys/resource.h>

#include "../../src/core/recover.h"
#include "../../src/core/temp.h"

static struct pipeline pipeline;

static void set_up(void)
{
	scratch_begin();
	ck_assert_int_eq(fchdir(top), 0);
	pipeline_begin(&pipeline);
}

static void tear_down(void)
{
	pipeline_end(&pipeline);
	scratch_end();
}

static void again(void)
{
	pipeline_end(&pipeline);
	pipeline_begin(&pipeline);
}

/* ---- what must be found ---- */

static VEC(char *) expected;

static void expect(const char *path)
{
	must(!vec_push(&expected, strdup(path)));
}

static void expect_anew(void)
{
	for (size_t i = 0; i < expected.count; i++)
		free(expected.at[i]);
	expected.count = 0;
}

static int order_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The catalog's names, all of them, are those expected. */
static void check_found(void)
{
	uint32_t count = (uint32_t)pipeline.catalog.paths.count;
	char **found = calloc(count + 1, sizeof(*found));
	for (uint32_t i = 0; i < count; i++)
		found[i] = catalog_path_string(&pipeline.catalog, (struct path_id){ i });
	qsort(found, count, sizeof(*found), order_strings);
	if (expected.count)
		qsort(expected.at, expected.count, sizeof(*expected.at), order_strings);
	for (size_t i = 0; i < count && i < expected.count; i++)
		if (strcmp(found[i], expected.at[i]))
			ck_abort_msg("found %.300s, expected %.300s", found[i], expected.at[i]);
	ck_assert_uint_eq(count, expected.count);
	ck_assert_uint_eq(pipeline.walk.files, count);
	for (uint32_t i = 0; i < count; i++)
		free(found[i]);
	free(found);
}

/* Walks the roots with so many threads; nothing may be told. */
static void walk_quietly(const char *const *paths, size_t count, unsigned threads)
{
	pipeline.options.threads = threads;
	pipeline.options.min_size = 0;
	ck_assert_int_eq(pipeline_roots(&pipeline, paths, count), 0);
	ck_assert_int_eq(pipeline_walk(&pipeline), 0);
	if (pipeline.told.count)
		ck_abort_msg("told of %.300s: %s", pipeline.told.at[0].path, strerror(pipeline.told.at[0].error));
}

static void make_dir(const char *name)
{
	must(!mkdirat(top, name, 0755));
}

/* ---- roots ---- */

START_TEST(one_directory_is_one_root)
{
	static const char *const spellings[] = { "./d", "d", "d/", "d/.", "d/sub/..", "link", "link/", "./d" };
	make_dir("d");
	make_dir("d/sub");
	ck_assert_int_eq(symlinkat("d", top, "link"), 0);
	scratch_text("d/f", "x");
	walk_quietly(spellings, countof(spellings), 1);
	ck_assert_uint_eq(pipeline.roots.dirs.count, 1);
	expect("./d/f"); /* shown as it was given first */
	check_found();
	ck_assert_uint_eq(pipeline.walk.dirs, 2);
}
END_TEST

START_TEST(nested_roots_share_nothing)
{
	static const char *const orders[][3] = { { "d", "d/sub", "d/sub/deep" }, { "d/sub/deep", "d", "d/sub" } };
	make_dir("d");
	make_dir("d/sub");
	make_dir("d/sub/deep");
	scratch_text("d/f", "x");
	scratch_text("d/sub/f", "x");
	scratch_text("d/sub/deep/f", "x");
	for (size_t i = 0; i < countof(orders); i++) {
		again();
		expect_anew();
		walk_quietly(orders[i], 3, 4);
		expect("d/f");
		expect("d/sub/f");
		expect("d/sub/deep/f");
		check_found();
		ck_assert_uint_eq(pipeline.walk.dirs, 3);
		for (uint32_t p = 0; p < pipeline.catalog.paths.count; p++) {
			uint32_t dir = catalog_path(&pipeline.catalog, (struct path_id){ p })->dir;
			/* Each right below the root that lies nearest. */
			ck_assert_uint_eq(catalog_dir(&pipeline.catalog, (struct dir_id){ dir })->parent, ID_NONE);
		}
	}
}
END_TEST

START_TEST(file_roots_count_once)
{
	static const char *const paths[] = { "d/a", "d/link", "d", "./d/a", "d/b", "d//a", "d/../d/a" };
	make_dir("d");
	scratch_text("d/a", "x");
	scratch_text("d/b", "x");
	scratch_text("d/c", "x");
	ck_assert_int_eq(linkat(top, "d/a", top, "d/a2", 0), 0);
	ck_assert_int_eq(symlinkat("a", top, "d/link"), 0);
	walk_quietly(paths, countof(paths), 1);
	ck_assert_uint_eq(pipeline.roots.files.count, 2);
	expect("d/a");
	expect("d/b");
	expect("d/c");
	expect("d/a2");
	check_found();
	ck_assert_uint_eq(pipeline.catalog.inodes.count, 3);
}
END_TEST

/* What a symlink leads to is the file, wherever it is; the link itself would be lost if it were replaced. */
START_TEST(file_root_through_a_symlink_is_the_file)
{
	static const char *const paths[] = { "link" };
	char real[PATH_MAX + 8];
	make_dir("d");
	scratch_text("d/file", "x");
	ck_assert_int_eq(symlinkat("d/file", top, "link"), 0);
	walk_quietly(paths, 1, 1);
	must(realpath("d/file", real));
	expect(real);
	check_found();
}
END_TEST

START_TEST(unusable_roots_are_told)
{
	static const struct {
		const char *path;
		int error;
		bool odd; /* neither directory nor regular file */
	} bad[] = { { "missing", ENOENT, false }, { "fifo", ENOTDIR, true }, { "broken", ENOENT, false },
		    { "loop", ELOOP, false },	  { "file/", ENOTDIR, false }, { "", ENOENT, false },
		    { "/dev/null", ENOTDIR, true } };
	const char *paths[countof(bad) + 1];
	ck_assert_int_eq(mkfifoat(top, "fifo", 0644), 0);
	ck_assert_int_eq(symlinkat("nowhere", top, "broken"), 0);
	ck_assert_int_eq(symlinkat("loop", top, "loop"), 0);
	scratch_text("file", "x");
	for (size_t i = 0; i < countof(bad); i++)
		paths[i] = bad[i].path;
	for (size_t more = 0; more < 2; more++) {
		again();
		paths[countof(bad)] = "file";
		ck_assert_int_eq(pipeline_roots(&pipeline, paths, countof(bad) + more), more ? 0 : -ENOENT);
		ck_assert_uint_eq(pipeline.tally.errors, countof(bad));
		for (size_t i = 0; i < countof(bad); i++) {
			ck_assert_str_eq(pipeline.told.at[i].path, bad[i].path);
			ck_assert_int_eq(pipeline.told.at[i].error, bad[i].error);
			ck_assert_int_eq(pipeline.told.at[i].stage, DLK_STAGE_ROOT);
			ck_assert_int_eq(pipeline.told.at[i].reason, bad[i].odd ? DLK_REASON_NOT_REGULAR : DLK_REASON_NONE);
		}
	}
}
END_TEST

START_TEST(swapped_root_is_not_opened)
{
	static const char *const paths[] = { "d", "e" };
	make_dir("d");
	make_dir("e");
	scratch_text("d/f", "x");
	scratch_text("e/f", "x");
	ck_assert_int_eq(pipeline_roots(&pipeline, paths, 2), 0);
	ck_assert_int_eq(renameat(top, "d", top, "gone"), 0);
	make_dir("d");
	scratch_text("d/other", "x");
	int fd = -1;
	ck_assert_int_eq(roots_open(&pipeline.catalog, 0, &pipeline.roots.dirs.at[0].stamp, true, &fd), -ESTALE);
	ck_assert_int_eq(fd, -1);
	pipeline.options.min_size = 0;
	ck_assert_int_eq(pipeline_walk(&pipeline), 0);
	ck_assert_uint_eq(pipeline.told.count, 1);
	ck_assert_int_eq(pipeline.told.at[0].error, ESTALE);
	expect("e/f");
	check_found();
}
END_TEST

/* Lookups by halving, against looking at each. */
START_TEST(roots_are_known_again)
{
	enum { COUNT = 40 };
	const char *paths[2 * COUNT];
	char names[2 * COUNT][32];
	for (unsigned i = 0; i < COUNT; i++) {
		sprintf(names[i], "d%u", i);
		make_dir(names[i]);
		sprintf(names[COUNT + i], "d%u/f", i);
		scratch_text(names[COUNT + i], "x");
	}
	size_t count = 0;
	for (unsigned i = 0; i < COUNT; i += 2) {
		paths[count++] = names[i];
		paths[count++] = names[COUNT + i + 1];
	}
	ck_assert_int_eq(pipeline_roots(&pipeline, paths, count), 0);
	for (unsigned i = 0; i < COUNT; i++) {
		struct stamp stamp;
		must(!stamp_at(top, names[i], &stamp));
		must(roots_has_dir(&pipeline.roots, &stamp) == (i % 2 == 0));
		must(roots_has_file(&pipeline.roots, &stamp, "f") == (i % 2 == 1));
		must(!roots_has_file(&pipeline.roots, &stamp, "g"));
		stamp.ino ^= UINT64_C(1) << 40;
		must(!roots_has_dir(&pipeline.roots, &stamp) && !roots_has_file(&pipeline.roots, &stamp, "f"));
	}
}
END_TEST

/* ---- the tree ---- */

/* A random tree below `path`, and what of it is to be found under the options at hand. */
static void grow(const char *path, unsigned depth, unsigned *left)
{
	unsigned entries = (unsigned)draw(9);
	for (unsigned i = 0; i < entries && *left; i++) {
		static const char *const forms[] = { "a", "b.o", "c ", "d\n", "e\xff" };
		char name[32], below[1024];
		snprintf(name, sizeof(name), "%u%s", i, forms[draw(countof(forms))]);
		if (draw(2)) /* the number behind */
			snprintf(name, sizeof(name), "a%u", i);
		must((size_t)snprintf(below, sizeof(below), "%s/%s", path, name) < sizeof(below));
		(*left)--;
		switch (draw(8)) {
		case 0:
			must(!symlinkat(draw(2) ? ".." : "nowhere", top, below));
			break;
		case 1:
			must(!mkfifoat(top, below, 0644));
			break;
		case 2:
		case 3:
		case 4:
			make_dir(below);
			if (depth < 12)
				grow(below, depth + 1, left);
			break;
		default:
			scratch_write(below, "0123456789", draw(10), false);
		}
	}
}

/* The obvious way: readdir, recursion, one file at a time. Asks the rules as the walk should. */
static void look(const struct rule *rule, const char *path, const char *relative, unsigned depth)
{
	DIR *dir = opendir(path);
	must(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		char below[2048], further[2048];
		struct stat status;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		snprintf(further, sizeof(further), "%s%s%s", relative, *relative ? "/" : "", entry->d_name);
		must(!lstat(below, &status));
		if (S_ISDIR(status.st_mode)) {
			if (depth + 1 < pipeline.options.max_depth && rule_enters_dir(rule, further, entry->d_name))
				look(rule, below, further, depth + 1);
		} else if (S_ISREG(status.st_mode) && rule_takes_file(rule, further, entry->d_name) &&
			   rule_takes_size(rule, (uint64_t)status.st_size)) {
			expect(below);
		}
	}
	closedir(dir);
}

static ssize_t untyped_getdents(int fd, void *buffer, size_t size)
{
	ssize_t filled = sys_kernel.getdents(fd, buffer, size);
	for (ssize_t at = 0; at < filled;) {
		struct dirent64 *entry = (void *)((char *)buffer + at);
		entry->d_type = DT_UNKNOWN;
		at += entry->d_reclen;
	}
	return filled;
}

/* Options and threads of all kinds, and a file system that does not tell types. */
START_TEST(every_name_is_found_once)
{
	static const struct dlk_filter none[1], bases[] = { { DLK_EXCLUDE, DLK_GLOB, "*.o" }, { DLK_EXCLUDE, DLK_GLOB, "a1/" } },
					paths[] = { { DLK_INCLUDE, DLK_GLOB, "t/a*/**" },
						    { DLK_EXCLUDE, DLK_REGEX, "a[0-3]/[^/]*[24]$" } };
	static const struct {
		const struct dlk_filter *filters;
		size_t count;
	} rules[] = { { none, 0 }, { bases, 2 }, { paths, 2 } };
	static const unsigned threads[] = { 1, 2, 16, 0 };
	size_t found = 0;
	for (unsigned round = 0; round < 36; round++) {
		unsigned left = 400;
		char root[8];
		draw_state = 30 + round / 4;
		snprintf(root, sizeof(root), "t%u", round / 4);
		if (round % 4 == 0) {
			make_dir(root);
			for (unsigned i = 0; i < 6; i++) {
				char below[16];
				snprintf(below, sizeof(below), "%s/a%u", root, 90 + i);
				make_dir(below);
				grow(below, 1, &left);
			}
		}
		again();
		expect_anew();
		pipeline.options.filters = rules[round % 3].filters;
		pipeline.options.filter_count = rules[round % 3].count;
		pipeline.options.max_depth = round % 5 ? UINT_MAX : 1 + round % 4;
		pipeline.options.max_size = round % 2 ? 7 : UINT64_MAX;
		table.getdents = round % 7 == 6 ? untyped_getdents : sys_kernel.getdents;
		sys_replace(&table);
		walk_quietly((const char *const[]){ root }, 1, threads[round % 4]);
		sys_replace(NULL);
		look(pipeline.rule, root, "", 0);
		check_found();
		ck_assert_uint_eq(pipeline.fresh, pipeline.catalog.inodes.count);
		found += expected.count;
	}
	ck_assert_uint_gt(found, 1000);
}
END_TEST

START_TEST(no_depth_takes_only_file_roots)
{
	static const char *const paths[] = { "d", "f" };
	make_dir("d");
	scratch_text("d/g", "x");
	scratch_text("f", "x");
	pipeline.options.max_depth = 0;
	walk_quietly(paths, 2, 1);
	expect("f");
	check_found();
}
END_TEST

START_TEST(links_are_names_of_one_inode)
{
	enum { LINKS = 500 };
	char name[32];
	make_dir("d");
	make_dir("e");
	scratch_text("d/f", "x");
	expect("d/f");
	for (unsigned i = 0; i < LINKS; i++) {
		snprintf(name, sizeof(name), "%s/l%u", i % 2 ? "d" : "e", i);
		must(!linkat(top, "d/f", top, name, 0));
		expect(name);
	}
	walk_quietly((const char *const[]){ "d", "e" }, 2, 4);
	check_found();
	ck_assert_uint_eq(pipeline.fresh, 1);
	ck_assert_uint_eq(catalog_inode(&pipeline.catalog, (struct inode_id){ 0 })->names, LINKS + 1);
}
END_TEST

/* ---- what is mounted on files ---- */

static int table_error;
static unsigned looks; /* at names of the file */

static int fake_table_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	if (!strcmp(path, "/proc/self/mountinfo"))
		return table_error ? table_error : openat(top, "mountinfo", O_RDONLY | O_CLOEXEC);
	return sys_kernel.openat(dirfd, path, flags, mode);
}

static int count_looks(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	looks += path[0] == 'l';
	return sys_kernel.statx(dirfd, path, flags, mask, ret);
}

/* Below such a mount the entries of links tell nothing. Each is looked at, elsewhere about the first few hundred. */
START_TEST(entries_are_true_unless_files_are_mounted_on)
{
	enum { LINKS = 1000 };
	static const struct {
		const char *root, *point, *type;
		unsigned parent; /* this mount's id plus this */
		int error;       /* of opening the table */
		bool looked_at;
	} mounts[] = {
		{ "/some/file", "d/l0", "ext4", 0, 0, true },
		{ "net:[1]", "d/l0", "nsfs", 0, 0, true },
		{ "/", "d/l0", "fuse.export", 0, 0, true },
		{ "/", "d/l0", "ext4", 0, 0, false },
		{ "/some", "d", "ext4", 0, 0, false },
		{ "/", "d", "fuse", 0, 0, false },
		{ "/some/file", "d/l0", "ext4", 1, 0, false },
		{ "/some/file", "d/gone", "ext4", 0, 0, false },
		{ "/some/file", "d/l0", "ext4", 0, -ENOENT, false },
		{ "/some", "d", "ext4", 0, -EMFILE, true },
	};
	struct stamp stamp;
	char name[32], text[512];
	make_dir("d");
	scratch_text("d/l0", "x");
	for (unsigned i = 1; i < LINKS; i++) {
		snprintf(name, sizeof(name), "d/l%u", i);
		must(!linkat(top, "d/l0", top, name, 0));
	}
	must(!stamp_fd(top, &stamp));
	table.openat = fake_table_openat;
	table.statx = count_looks;
	sys_replace(&table);
	for (size_t i = 0; i < countof(mounts); i++) {
		again();
		snprintf(text, sizeof(text), "%llu %llu 0:1 %s %s/%s rw - %s none rw\n", (unsigned long long)stamp.mount + 7,
			 (unsigned long long)stamp.mount + mounts[i].parent, mounts[i].root, top_path, mounts[i].point,
			 mounts[i].type);
		scratch_text("mountinfo", text);
		table_error = mounts[i].error;
		looks = 0;
		walk_quietly((const char *const[]){ "d" }, 1, 1);
		bool looked_at = mounts[i].looked_at || !pipeline.catalog.domains.at[0].dirent_ino_true;
		ck_assert_uint_eq(pipeline.walk.files, LINKS);
		if ((looks == LINKS) != looked_at)
			ck_abort_msg("%u looks: %s on %s", looks, mounts[i].root, mounts[i].point);
	}
}
END_TEST

START_TEST(temporary_names_are_kept_apart)
{
	static const char temp[] = ".dedupe-link-0123456789ABCDEFGHIJKLMNOPQRSTUVWXY", almost[] = ".dedupe-link-x";
	char name[80];
	for (unsigned only = 0; only < 2; only++) {
		again();
		expect_anew();
		if (!only) {
			make_dir("d");
			make_dir("d/sub");
		}
		scratch_text("d/f", "x");
		snprintf(name, sizeof(name), "d/sub/%s", temp);
		scratch_text(name, "x");
		snprintf(name, sizeof(name), "d/%s", almost);
		scratch_text(name, "x");
		pipeline.walk.temps_only = only;
		walk_quietly((const char *const[]){ "d" }, 1, 1);
		if (!only) {
			expect(name);
			expect("d/f");
		}
		check_found();
		ck_assert_uint_eq(pipeline.walk.temps.count, 1);
		ck_assert_str_eq(arena_at(&pipeline.catalog.names, pipeline.walk.temps.at[0].name), temp);
		struct text text = { 0 };
		catalog_dir_text(&pipeline.catalog, pipeline.walk.temps.at[0].dir, &text);
		ck_assert_str_eq(text.at, "d/sub");
		text_free(&text);
	}
}
END_TEST

/* ---- little of everything ---- */

static void limit_descriptors(rlim_t count)
{
	struct rlimit limit = { count, count };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A spine with teeth: at each level two leaves, three directories with a file, and the way on among them. */
static void make_comb(unsigned depth, const char *spine)
{
	static char path[200000];
	int at = dup(top);
	strcpy(path, "comb");
	must(!mkdirat(top, "comb", 0755));
	for (unsigned level = 0; level < depth; level++) {
		int next = openat(at, level ? spine : "comb", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		must(next >= 0);
		close(at);
		at = next;
		if (level)
			sprintf(path + strlen(path), "/%s", spine);
		size_t length = strlen(path);
		for (unsigned tooth = 0; tooth < 5; tooth++) {
			char name[16];
			snprintf(name, sizeof(name), tooth < 3 ? "%c%u" : "%c%u/f", (char)(tooth % 2 ? 'a' : 'z'), tooth);
			if (tooth >= 3) {
				name[2] = '\0';
				must(!mkdirat(at, name, 0755));
				name[2] = '/';
			}
			int fd = openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
			must(fd >= 0);
			close(fd);
			sprintf(path + length, "/%s", name);
			expect(path);
			path[length] = '\0';
		}
		must(!mkdirat(at, spine, 0755));
	}
	close(at);
}

/* 40 descriptors, whatever the depth and however many walkers; the same with the paths that rules ask for. */
START_TEST(deep_trees_need_few_descriptors)
{
	static const unsigned threads[] = { 1, 2, 16, 0 };
	static const struct dlk_filter filter = { DLK_EXCLUDE, DLK_REGEX, "^never$" };
	make_comb(400, "m");
	limit_descriptors(40);
	for (unsigned i = 0; i < 8; i++) {
		again();
		pipeline.options.filters = &filter;
		pipeline.options.filter_count = i / 4;
		walk_quietly((const char *const[]){ "comb" }, 1, threads[i % 4]);
		check_found();
		ck_assert_uint_eq(pipeline.walk.dirs, 400 * 3 + 1);
	}
}
END_TEST

/* More roots than descriptors, with something below each. One that was swapped meanwhile is told, and no other. */
START_TEST(many_roots_need_few_descriptors)
{
	enum { COUNT = 120 };
	static const unsigned threads[] = { 1, 2, 16, 0 };
	static char names[COUNT][16];
	const char *paths[COUNT];
	for (unsigned i = 0; i < COUNT; i++) {
		char below[32];
		sprintf(names[i], "d%u", i);
		paths[i] = names[i];
		make_dir(names[i]);
		for (unsigned j = 0; j < 3; j++) {
			snprintf(below, sizeof(below), "d%u/s%u", i, j);
			make_dir(below);
			strcat(below, "/f");
			scratch_text(below, "x");
			expect(below);
		}
	}
	limit_descriptors(40);
	for (unsigned i = 0; i < 8; i++) {
		again();
		pipeline.walk.kept = i / 4 ? &pipeline.kept : NULL;
		walk_quietly(paths, COUNT, threads[i % 4]);
		check_found();
		ck_assert_uint_eq(pipeline.walk.dirs, 4 * COUNT);
	}
	for (unsigned i = 0; i < COUNT; i += COUNT - 1) {
		again();
		ck_assert_int_eq(pipeline_roots(&pipeline, paths, COUNT), 0);
		ck_assert_int_eq(renameat(top, names[i], top, "gone"), 0);
		make_dir(names[i]);
		ck_assert_int_eq(pipeline_walk(&pipeline), 0);
		ck_assert_uint_eq(pipeline.told.count, 1);
		ck_assert_str_eq(pipeline.told.at[0].path, names[i]);
		ck_assert_int_eq(pipeline.told.at[0].error, ESTALE);
		ck_assert_int_eq(pipeline.told.at[0].stage, DLK_STAGE_ROOT);
		ck_assert_uint_eq(pipeline.walk.files, 3 * (COUNT - 1));
		ck_assert_uint_eq(pipeline.walk.dirs, 4 * (COUNT - 1));
		must(!unlinkat(top, names[i], AT_REMOVEDIR) && !renameat(top, "gone", top, names[i]));
	}
}
END_TEST

/* Stretches of the way down are longer than a path may be. */
START_TEST(long_names_and_deep_trees)
{
	char spine[256];
	memset(spine, 's', 255);
	spine[255] = '\0';
	make_comb(150, spine);
	limit_descriptors(40);
	for (unsigned threads = 1; threads < 10; threads += 4) {
		again();
		walk_quietly((const char *const[]){ "comb" }, 1, threads);
		check_found();
		ck_assert_int_eq(pipeline_sift(&pipeline), 0);
		ck_assert_uint_eq(pipeline.told.count, 0);
		ck_assert_uint_eq(pipeline.sift.members.count, expected.count);
	}
}
END_TEST

/* Highest number of descriptors open at once, as the table sees it. */
static int open_now, open_most;

static int count_open(int fd)
{
	if (fd >= 0) {
		int now = __atomic_add_fetch(&open_now, 1, __ATOMIC_RELAXED);
		int most = __atomic_load_n(&open_most, __ATOMIC_RELAXED);
		while (now > most && !__atomic_compare_exchange_n(&open_most, &most, now, false, __ATOMIC_RELAXED,
								  __ATOMIC_RELAXED))
			;
	}
	return fd;
}

static int counting_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return count_open(sys_kernel.openat(dirfd, path, flags, mode));
}

static int counting_openat2(int dirfd, const char *path, const struct open_how *how)
{
	return count_open(sys_kernel.openat2(dirfd, path, how));
}

static int counting_close(int fd)
{
	__atomic_sub_fetch(&open_now, 1, __ATOMIC_RELAXED);
	return sys_kernel.close(fd);
}

/* With plenty of descriptors it does not take them all: other programs on the machine need some. */
START_TEST(descriptors_are_bounded)
{
	make_comb(1500, "m");
	table.openat = counting_openat;
	table.openat2 = counting_openat2;
	table.close = counting_close;
	sys_replace(&table);
	walk_quietly((const char *const[]){ "comb" }, 1, 16);
	sys_replace(NULL);
	check_found();
	ck_assert_int_eq(open_now, 0);
	ck_assert_int_le(open_most, 512 + 16 * 4 + 8);
}
END_TEST

START_TEST(threads_that_cannot_be_had_are_done_without)
{
	char name[32];
	make_comb(50, "m");
	make_dir("comb/wide"); /* more than the batches in flight can hold */
	for (unsigned i = 0; i < 14000; i++) {
		snprintf(name, sizeof(name), "comb/wide/%u", i);
		must(!mknodat(top, name, S_IFREG | 0644, 0));
		expect(name);
	}
	for (int left = 0; left < 4; left++) {
		again();
		threads_left = left;
		walk_quietly((const char *const[]){ "comb" }, 1, 8);
		threads_left = -1;
		check_found();
	}
}
END_TEST

static ssize_t slow_getdents(int fd, void *buffer, size_t size)
{
	usleep(10000);
	return sys_kernel.getdents(fd, buffer, size);
}

/* On slow storage each walker gets a few directories and then waits, with what it found, until there is more to do. */
START_TEST(many_walkers_leave_room_for_each_other)
{
	char name[32];
	make_dir("wide");
	for (unsigned i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "wide/%u", i);
		make_dir(name);
		strcat(name, "/f");
		must(!mknodat(top, name, S_IFREG | 0644, 0));
		expect(name);
	}
	table.getdents = slow_getdents;
	sys_replace(&table);
	walk_quietly((const char *const[]){ "wide" }, 1, 200);
	sys_replace(NULL);
	check_found();
}
END_TEST

/* ---- trouble ---- */

static const char *faulty_name;
static int faulty_error;

static bool ends_in_faulty(const char *path)
{
	const char *slash = strrchr(path, '/');
	return !strcmp(slash ? slash + 1 : path, faulty_name);
}

static int faulty_openat2(int dirfd, const char *path, const struct open_how *how)
{
	return ends_in_faulty(path) ? faulty_error : sys_kernel.openat2(dirfd, path, how);
}

static int faulty_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	return ends_in_faulty(path) ? faulty_error : sys_kernel.statx(dirfd, path, flags, mask, ret);
}

static void make_trouble_tree(void)
{
	make_dir("d");
	make_dir("d/bad");
	make_dir("d/good");
	scratch_text("d/bad/f", "x");
	scratch_text("d/good/f", "x");
	scratch_text("d/g", "x");
	scratch_text("d/h", "x");
}

/* Not to be opened: told, but not when it is simply gone or another thing by now. The rest is found. */
START_TEST(unreadable_directories_are_told)
{
	static const struct {
		int error;
		bool told;
	} errors[] = { { -EACCES, true }, { -EIO, true }, { -EMFILE, true }, { -ENOENT, false }, { -ELOOP, false },
		       { -ENOTDIR, false } };
	make_trouble_tree();
	table.openat2 = faulty_openat2;
	sys_replace(&table);
	faulty_name = "bad";
	expect("d/good/f");
	expect("d/g");
	expect("d/h");
	for (size_t i = 0; i < countof(errors); i++) {
		again();
		faulty_error = errors[i].error;
		ck_assert_int_eq(pipeline_roots(&pipeline, (const char *const[]){ "d" }, 1), 0);
		ck_assert_int_eq(pipeline_walk(&pipeline), 0);
		check_found();
		ck_assert_uint_eq(pipeline.told.count, errors[i].told);
		ck_assert_uint_eq(pipeline.tally.errors, errors[i].told);
		if (errors[i].told) {
			ck_assert_str_eq(pipeline.told.at[0].path, "d/bad");
			ck_assert_int_eq(pipeline.told.at[0].error, -errors[i].error);
			ck_assert_int_eq(pipeline.told.at[0].stage, DLK_STAGE_WALK);
		}
	}
}
END_TEST

START_TEST(unreadable_files_are_told)
{
	make_trouble_tree();
	table.statx = faulty_statx;
	sys_replace(&table);
	faulty_name = "h";
	expect("d/bad/f");
	expect("d/good/f");
	expect("d/g");
	for (unsigned gone = 0; gone < 2; gone++) {
		again();
		faulty_error = gone ? -ENOENT : -EIO;
		ck_assert_int_eq(pipeline_roots(&pipeline, (const char *const[]){ "d" }, 1), 0);
		ck_assert_int_eq(pipeline_walk(&pipeline), 0);
		check_found();
		ck_assert_uint_eq(pipeline.tally.errors, !gone);
		ck_assert_uint_eq(pipeline_told(&pipeline, DLK_EVENT_ERROR, "d/h"), !gone);
	}
}
END_TEST

static unsigned getdents_calls;
static ino_t torn_ino;

/* Entries come at first, of which none says that it is the last, then an error. sys_descriptors reads /proc/self/fd by the same call. */
static ssize_t torn_getdents(int fd, void *buffer, size_t size)
{
	struct stat status;
	must(!fstat(fd, &status));
	if (status.st_ino == torn_ino && getdents_calls++)
		return -EIO;
	ssize_t filled = sys_kernel.getdents(fd, buffer, size);
	for (ssize_t at = 0; status.st_ino == torn_ino && at < filled;) {
		struct dirent64 *entry = (void *)((char *)buffer + at);
		entry->d_off = 1 + at;
		at += entry->d_reclen;
	}
	return filled;
}

START_TEST(torn_directory_is_told)
{
	make_trouble_tree();
	table.getdents = torn_getdents;
	pipeline.options.threads = 1;
	struct stat status;
	ck_assert_int_eq(fstatat(top, "d/good", &status, 0), 0);
	torn_ino = status.st_ino;
	ck_assert_int_eq(pipeline_roots(&pipeline, (const char *const[]){ "d/good" }, 1), 0);
	sys_replace(&table);
	ck_assert_int_eq(pipeline_walk(&pipeline), 0);
	sys_replace(NULL);
	expect("d/good/f");
	check_found();
	ck_assert_uint_eq(pipeline.tally.errors, 1);
	ck_assert_str_eq(pipeline.told.at[0].path, "d/good");
	ck_assert_int_eq(pipeline.told.at[0].error, EIO);
}
END_TEST

/* Between opening a directory and reading it, it is removed. */
static ssize_t late_getdents(int fd, void *buffer, size_t size)
{
	static bool done; /* atomic: any walker may come here */
	struct stat status;
	must(!fstat(fd, &status));
	if (status.st_ino == torn_ino && !__atomic_exchange_n(&done, true, __ATOMIC_RELAXED)) {
		must(!unlinkat(top, "d/good/f", 0));
		must(!unlinkat(top, "d/good", AT_REMOVEDIR));
	}
	return sys_kernel.getdents(fd, buffer, size);
}

START_TEST(directory_removed_while_it_is_walked_is_no_error)
{
	struct stat status;
	make_trouble_tree();
	table.getdents = late_getdents;
	must(!fstatat(top, "d/good", &status, 0));
	torn_ino = status.st_ino;
	sys_replace(&table);
	walk_quietly((const char *const[]){ "d" }, 1, 2);
	sys_replace(NULL);
	expect("d/bad/f");
	expect("d/g");
	expect("d/h");
	check_found();
	ck_assert_int_ne(fstatat(top, "d/good", &status, 0), 0);
}
END_TEST

/* Between reading the entry and opening it, a directory becomes a symlink to another tree. */
static int swapping_openat2(int dirfd, const char *path, const struct open_how *how)
{
	static bool done; /* atomic: any walker may come here */
	if (ends_in_faulty(path) && !__atomic_exchange_n(&done, true, __ATOMIC_RELAXED)) {
		must(!renameat(top, "d/bad", top, "away"));
		must(!symlinkat("../secret", top, "d/bad"));
	}
	return sys_kernel.openat2(dirfd, path, how);
}

START_TEST(directory_swapped_for_a_symlink_is_not_entered)
{
	make_trouble_tree();
	make_dir("secret");
	scratch_text("secret/key", "x");
	table.openat2 = swapping_openat2;
	faulty_name = "bad";
	sys_replace(&table);
	walk_quietly((const char *const[]){ "d" }, 1, 2);
	sys_replace(NULL);
	expect("d/good/f");
	expect("d/g");
	expect("d/h");
	check_found();
}
END_TEST

static int full_house(void *ctx, struct inode_id inode, const struct stamp *stamp UNUSED)
{
	(void)ctx;
	return inode.v == 1 ? -ENOMEM : 0;
}

START_TEST(the_owner_and_stop_end_it)
{
	static volatile int stop = 1;
	make_comb(30, "m");
	ck_assert_int_eq(pipeline_roots(&pipeline, (const char *const[]){ "comb" }, 1), 0);
	pipeline.walk.fresh = full_house;
	pipeline.walk.catalog = &pipeline.catalog;
	pipeline.walk.roots = &pipeline.roots;
	pipeline.walk.rule = pipeline.rule;
	pipeline.walk.tell = &pipeline.tell;
	pipeline.walk.options = &pipeline.options;
	pipeline.options.min_size = 0;
	rule_free(pipeline.rule);
	ck_assert_int_eq(rule_compile(&pipeline.options, &pipeline.rule), 0);
	pipeline.walk.rule = pipeline.rule;
	ck_assert_int_eq(walk_run(&pipeline.walk), -ENOMEM);
	again();
	pipeline.options.stop = &stop;
	ck_assert_int_eq(pipeline_roots(&pipeline, (const char *const[]){ "comb" }, 1), 0);
	ck_assert_int_eq(pipeline_walk(&pipeline), -ECANCELED);
}
END_TEST

/* ---- very long names ---- */

/*
 * Names of more than 255 bytes: exFAT, NTFS and others allow 255 UTF-16 units, 765 bytes of UTF-8, and a FUSE server may
 * give up to 4095 since Linux 6.15. Here each component is shown with bytes behind it that every call takes off again.
 */
enum { PADDING = 740 };

static dev_t top_dev;

static ssize_t long_getdents(int fd, void *buffer, size_t size)
{
	_Alignas(struct dirent64) char small[1024];
	struct stat status;
	must(!fstat(fd, &status));
	if (status.st_dev != top_dev) /* sys_descriptors reads /proc/self/fd by the same call */
		return sys_kernel.getdents(fd, buffer, size);
	ssize_t filled = sys_kernel.getdents(fd, small, sizeof(small)), out = 0;
	for (ssize_t at = 0; at < filled;) {
		const struct dirent64 *entry = (const void *)(small + at);
		size_t length = strlen(entry->d_name), padding = entry->d_name[0] == '.' ? 0 : PADDING;
		size_t room = (offsetof(struct dirent64, d_name) + length + padding + 8) / 8 * 8;
		must((size_t)out + room <= size);
		struct dirent64 *shown = (void *)((char *)buffer + out);
		memcpy(shown, entry, offsetof(struct dirent64, d_name));
		shown->d_reclen = (unsigned short)room;
		char *name = (char *)shown + offsetof(struct dirent64, d_name);
		memcpy(name, entry->d_name, length);
		memset(name + length, 1, padding);
		name[length + padding] = '\0';
		at += entry->d_reclen;
		out += (ssize_t)room;
	}
	return filled < 0 ? filled : out;
}

static const char *unpadded(const char *path, char ret[PATH_MAX])
{
	size_t length = 0;
	for (; *path; path++)
		if (*path != 1)
			ret[length++] = *path;
	must(length < PATH_MAX);
	ret[length] = '\0';
	return ret;
}

static int long_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	char real[PATH_MAX];
	return strlen(path) < PATH_MAX ? sys_kernel.openat(dirfd, unpadded(path, real), flags, mode) : -ENAMETOOLONG;
}

static int long_openat2(int dirfd, const char *path, const struct open_how *how)
{
	char real[PATH_MAX];
	return strlen(path) < PATH_MAX ? sys_kernel.openat2(dirfd, unpadded(path, real), how) : -ENAMETOOLONG;
}

static int long_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	char real[PATH_MAX];
	return sys_kernel.statx(dirfd, unpadded(path, real), flags, mask, ret);
}

/* The expected paths with the bytes behind each component below the root. */
static void pad_expected(void)
{
	for (size_t i = 0; i < expected.count; i++) {
		struct text text = { 0 };
		size_t components = 0;
		for (const char *at = expected.at[i];; at++) {
			if (*at == '/' || !*at) {
				for (unsigned n = 0; components && n < PADDING; n++)
					text_add(&text, "\1", 1);
				components++;
			}
			if (!*at)
				break;
			text_add(&text, at, 1);
		}
		free(expected.at[i]);
		expected.at[i] = text.at;
	}
}

START_TEST(names_beyond_255_bytes_are_taken)
{
	static const struct dlk_filter filter = { DLK_EXCLUDE, DLK_REGEX, "^never$" };
	struct stat status;
	ck_assert_int_eq(fstat(top, &status), 0);
	top_dev = status.st_dev;
	make_comb(60, "m");
	pad_expected();
	limit_descriptors(40);
	table.getdents = long_getdents;
	table.openat = long_openat;
	table.openat2 = long_openat2;
	table.statx = long_statx;
	for (unsigned i = 0; i < 6; i++) {
		again();
		pipeline.options.filters = &filter;
		pipeline.options.filter_count = i % 2;
		pipeline.options.min_size = 0;
		ck_assert_int_eq(pipeline_roots(&pipeline, (const char *const[]){ "comb" }, 1), 0);
		pipeline.options.threads = 1 + i * 3;
		sys_replace(&table);
		ck_assert_int_eq(pipeline_walk(&pipeline), 0);
		ck_assert_int_eq(pipeline_sift(&pipeline), 0);
		sys_replace(NULL);
		check_found();
		ck_assert_uint_eq(pipeline.told.count, 0);
		ck_assert_uint_eq(pipeline.sift.members.count, expected.count);
	}
}
END_TEST

/* A leftover whose victim has such a name: what it says of it is a hash, the name itself is read from the directory. */
START_TEST(recovery_takes_names_beyond_255_bytes)
{
	static char victim[2 + PADDING];
	struct confirm confirm;
	struct stat status;
	char temp[TEMP_ROOM], path[TEMP_ROOM + 2];
	make_dir("d");
	scratch_text("d/f", "x");
	ck_assert_int_eq(fstatat(top, "d/f", &status, 0), 0);
	top_dev = status.st_dev;
	victim[0] = 'f';
	memset(victim + 1, 1, PADDING);
	temp_write(&(struct temp){ .keeper = temp_hash_number(status.st_ino), .name = temp_hash_name(victim) }, temp);
	snprintf(path, sizeof(path), "d/%s", temp);
	ck_assert_int_eq(linkat(top, "d/f", top, path, 0), 0);
	table.getdents = long_getdents;
	table.openat = long_openat;
	table.openat2 = long_openat2;
	table.statx = long_statx;
	ck_assert_int_eq(pipeline_roots(&pipeline, (const char *const[]){ "d" }, 1), 0);
	ck_assert_int_eq(confirm_init(&confirm, &pipeline.options), 0);
	sys_replace(&table);
	ck_assert_int_eq(pipeline_walk(&pipeline), 0);
	lease_signal_begin();
	ck_assert_int_eq(recover_run(&pipeline.walk, &confirm, &pipeline.tell, NULL), 0);
	lease_signal_end();
	sys_replace(NULL);
	confirm_free(&confirm);
	ck_assert_uint_eq(pipeline.tally.recovered, 1);
	ck_assert_uint_eq(pipeline_told(&pipeline, DLK_EVENT_ERROR, NULL), 0);
	ck_assert_int_eq(faccessat(top, path, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	ck_assert_int_eq(fstatat(top, "d/f", &status, 0), 0);
	ck_assert_uint_eq(status.st_nlink, 1);
}
END_TEST

static unsigned getdents_calls; /* atomic */

static ssize_t counted_getdents(int fd, void *buffer, size_t size)
{
	__atomic_add_fetch(&getdents_calls, 1, __ATOMIC_RELAXED);
	return sys_kernel.getdents(fd, buffer, size);
}

/* Whoever may write to a directory can plant as many as he likes. All are kept, since nothing proves what they are. */
START_TEST(leftovers_of_a_directory_are_sought_in_one_reading)
{
	enum { EACH = 200 };
	static const char *const dirs[] = { "d", "e" };
	struct confirm confirm;
	for (size_t i = 0; i < countof(dirs); i++) {
		make_dir(dirs[i]);
		for (uint64_t n = 0; n < EACH; n++) {
			char temp[TEMP_ROOM], path[TEMP_ROOM + 2];
			temp_write(&(struct temp){ .serial = n, .name = mix64(n / 2) }, temp);
			snprintf(path, sizeof(path), "%s/%s", dirs[i], temp);
			scratch_text(path, "planted");
		}
	}
	ck_assert_int_eq(pipeline_find(&pipeline), 0);
	ck_assert_int_eq(confirm_init(&confirm, &pipeline.options), 0);
	table.getdents = counted_getdents;
	sys_replace(&table);
	lease_signal_begin();
	ck_assert_int_eq(recover_run(&pipeline.walk, &confirm, &pipeline.tell, NULL), 0);
	lease_signal_end();
	sys_replace(NULL);
	confirm_free(&confirm);
	ck_assert_uint_eq(pipeline_told(&pipeline, DLK_EVENT_NOTE, NULL), EACH * countof(dirs));
	ck_assert_uint_le(getdents_calls, 4 * countof(dirs));
}
END_TEST

/* Nor can they have a large file of theirs read as often as it has links: the rest is left to further runs. */
START_TEST(links_of_one_file_are_compared_so_often_only)
{
	enum { PLANTED = 200, SIZE = 4096, OFTEN = 64 /* as core/recover.c has it */ };
	static const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	static char bytes[SIZE];
	struct confirm confirm;
	struct stamp now;
	scratch_write("d", bytes, SIZE, false);
	scratch_write("x", bytes, SIZE, false);
	must(!utimensat(top, "x", old, 0));
	must(!stamp_at(top, "x", &now));
	for (uint64_t n = 0; n < PLANTED; n++) {
		char temp[TEMP_ROOM];
		temp_write(&(struct temp){ .serial = n, .target = temp_hash_number(stamp_fingerprint(&now)), .name = temp_hash_name("d") },
			   temp);
		must(!linkat(top, "x", top, temp, 0));
	}
	ck_assert_int_eq(pipeline_find(&pipeline), 0);
	ck_assert_int_eq(confirm_init(&confirm, &pipeline.options), 0);
	lease_signal_begin();
	ck_assert_int_eq(recover_run(&pipeline.walk, &confirm, &pipeline.tell, NULL), 0);
	lease_signal_end();
	ck_assert_uint_eq(confirm.bytes_read, 2 * SIZE * OFTEN);
	confirm_free(&confirm);
	ck_assert_uint_eq(pipeline.tally.recovered, OFTEN);
	ck_assert_uint_eq(pipeline.tally.skipped_in_use, PLANTED - OFTEN);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_directory_is_one_root,
		nested_roots_share_nothing,
		file_roots_count_once,
		file_root_through_a_symlink_is_the_file,
		unusable_roots_are_told,
		swapped_root_is_not_opened,
		roots_are_known_again,
		every_name_is_found_once,
		no_depth_takes_only_file_roots,
		links_are_names_of_one_inode,
		entries_are_true_unless_files_are_mounted_on,
		temporary_names_are_kept_apart,
		deep_trees_need_few_descriptors,
		many_roots_need_few_descriptors,
		long_names_and_deep_trees,
		descriptors_are_bounded,
		threads_that_cannot_be_had_are_done_without,
		many_walkers_leave_room_for_each_other,
		unreadable_directories_are_told,
		unreadable_files_are_told,
		torn_directory_is_told,
		directory_removed_while_it_is_walked_is_no_error,
		directory_swapped_for_a_symlink_is_not_entered,
		the_owner_and_stop_end_it,
		names_beyond_255_bytes_are_taken,
		recovery_takes_names_beyond_255_bytes,
		leftovers_of_a_directory_are_sought_in_one_reading,
		links_of_one_file_are_compared_so_often_only,
	};
	return unit_run_in("walk", tests, countof(tests), set_up, tear_down);
}
