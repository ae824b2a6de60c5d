/* SPDX-License-Identifier: MIT */
/* Files stand in a class exactly when they are alike, are read no more than needed, and what cannot be read is told. */
#include "pipeline.h"

#include <sys/resource.h>
#include <sys/xattr.h>

static struct pipeline pipeline;

static void set_up(void)
{
	scratch_begin();
	pipeline_begin(&pipeline);
}

static void tear_down(void)
{
	pipeline_end(&pipeline);
	scratch_end();
}

/* Begins anew in the same directory. */
static void again(void)
{
	pipeline_end(&pipeline);
	pipeline_begin(&pipeline);
}

/* ---- files drawn, and their classes the plain way ---- */

enum { FILES_MOST = 3000, SIZE_MOST = 200000 };

struct file {
	char *bytes;
	size_t size;
	int xattr;   /* 0: none; else its value */
	bool sparse;
};

static struct file files[FILES_MOST];
static uint32_t file_count;

static void name_of(uint32_t number, char *ret)
{
	sprintf(ret, "d%u/f%u", number % 7, number);
}

static void write_files(void)
{
	char name[64];
	for (uint32_t d = 0; d < 7; d++) {
		sprintf(name, "d%u", d);
		must(!mkdirat(top, name, 0755));
	}
	for (uint32_t i = 0; i < file_count; i++) {
		name_of(i, name);
		scratch_write(name, files[i].bytes, files[i].size, files[i].sparse);
		if (files[i].xattr) {
			int fd = scratch_open(name);
			char value = (char)files[i].xattr;
			must(!fsetxattr(fd, "user.v", &value, 1, 0));
			close(fd);
		}
		if (i % 5 == 0) { /* another name, that must not make it a class by itself */
			char other[80];
			sprintf(other, "%s.link", name);
			must(!linkat(top, name, top, other, 0));
		}
	}
}

static void free_files(void)
{
	for (uint32_t i = 0; i < file_count; i++)
		free(files[i].bytes);
	file_count = 0;
}

/* Sizes on both sides of every bound that sifting knows. */
static const size_t sizes[] = { 0,     1,	4095,  4096,	      4097,	     8191,  8192,	 8193,
				65535, SIFT_SMALL, 65537, SIFT_SMALL + 4096, 131071, 131072, SIZE_MOST };

/* Copies of earlier files, some with one byte changed where a level would or would not see it. */
static void draw_files(uint32_t count)
{
	for (file_count = 0; file_count < count; file_count++) {
		struct file *file = &files[file_count];
		size_t size = sizes[draw(countof(sizes))];
		*file = (struct file){ .bytes = malloc(SIZE_MOST), .size = size, .sparse = draw(2) };
		file->xattr = draw(5) ? 0 : 1 + (int)draw(2);
		memset(file->bytes, 'x', SIZE_MOST);
		if (size > 20000 && draw(2))
			memset(file->bytes + 5000, 0, 14000); /* a hole perhaps */
		if (size > 150000 && draw(2))
			memset(file->bytes + 65536, 0, 65536); /* a whole block of the digest */
		if (!size || draw(3) == 0)
			continue;
		const size_t places[] = { 0, size - 1, size / 2, 4095, 4096, size - 4096, size - 4097, 65535, 65536 };
		size_t place = places[draw(countof(places))];
		if (place < size)
			file->bytes[place] = (char)('a' + draw(2));
	}
}

static bool alike_whole(const struct file *a, const struct file *b)
{
	return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

static bool alike_at_ends(const struct file *a, const struct file *b)
{
	return a->size == b->size && a->size > SIFT_SMALL && !memcmp(a->bytes, b->bytes, SIFT_END) &&
	       !memcmp(a->bytes + a->size - SIFT_END, b->bytes + b->size - SIFT_END, SIFT_END);
}

/* Numbers classes by their first file. Returns how many stand in class[]: the smallest file number; alone: ID_NONE. */
static void classify(bool (*alike)(const struct file *, const struct file *), uint32_t *class)
{
	for (uint32_t i = 0; i < file_count; i++)
		class[i] = ID_NONE;
	for (uint32_t i = 0; i < file_count; i++)
		for (uint32_t j = i + 1; class[i] == ID_NONE && j < file_count; j++)
			if (class[j] == ID_NONE && alike(&files[i], &files[j])) {
				for (uint32_t k = j; k < file_count; k++)
					if (alike(&files[i], &files[k]))
						class[k] = i;
				class[i] = i;
			}
}

static uint32_t size_of_class(const uint32_t *class, uint32_t number)
{
	uint32_t size = 0;
	for (uint32_t i = 0; i < file_count; i++)
		size += class[i] == number;
	return size;
}

struct naive {
	uint32_t class[FILES_MOST];
	bool undecided[FILES_MOST];
};

/* What sifting promises: whole files, but where it will be applied large ones by their ends, if they are few. */
static void classify_naively(struct naive *naive, bool will_apply)
{
	static uint32_t ends[FILES_MOST];
	classify(alike_whole, naive->class);
	classify(alike_at_ends, ends);
	for (uint32_t i = 0; i < file_count; i++) {
		naive->undecided[i] = will_apply && ends[i] != ID_NONE && size_of_class(ends, ends[i]) <= SIFT_UNDECIDED;
		if (naive->undecided[i])
			naive->class[i] = ends[i];
	}
}

static uint32_t file_of(struct inode_id inode)
{
	struct path_id path = { catalog_inode(&pipeline.catalog, inode)->first_path };
	return (uint32_t)strtoul(catalog_name(&pipeline.catalog, path) + 1, NULL, 10);
}

static void compare_classes(const struct naive *naive)
{
	static uint32_t got[FILES_MOST], xattrs[FILES_MOST];
	uint32_t in_class = 0;
	for (uint32_t i = 0; i < file_count; i++)
		got[i] = ID_NONE;
	for (uint32_t c = 0; c < pipeline.sift.classes.count; c++) {
		const struct sift_class *class = &pipeline.sift.classes.at[c];
		must(class->count >= 2);
		for (uint32_t i = 0; i < class->count; i++) {
			const struct sift_member *member = &pipeline.sift.members.at[class->first + i];
			uint32_t file = file_of(member->inode);
			must(got[file] == ID_NONE);
			must(class->decided == !naive->undecided[file]);
			got[file] = c;
			xattrs[file] = class->decided ? member->xattrs : 0;
		}
	}
	for (uint32_t i = 0; i < file_count; i++) {
		must((got[i] == ID_NONE) == (naive->class[i] == ID_NONE));
		in_class += got[i] != ID_NONE;
		for (uint32_t j = 0; j < i; j++) {
			if (got[i] == ID_NONE || got[j] == ID_NONE)
				continue;
			must((got[i] == got[j]) == (naive->class[i] == naive->class[j]));
			if (got[i] == got[j] && !naive->undecided[i])
				must((xattrs[i] == xattrs[j]) == (files[i].xattr == files[j].xattr));
		}
		must(naive->undecided[i] || got[i] == ID_NONE || !xattrs[i] == !files[i].xattr);
	}
	must(pipeline.sift.members.count == in_class);
	must(!pipeline.told.count);
}

static bool has_user_xattrs(void)
{
	scratch_text("probe", "x");
	int fd = scratch_open("probe");
	bool has = !fsetxattr(fd, "user.v", "x", 1, 0);
	close(fd);
	unlinkat(top, "probe", 0);
	return has;
}

static void sift_all_ways(void)
{
	static struct naive naive;
	static const unsigned threads[] = { 1, 2, 8, 0 };
	static const size_t batches[] = { 1, 0, 50, 0 };
	for (unsigned will_apply = 0; will_apply < 2; will_apply++) {
		classify_naively(&naive, will_apply);
		for (size_t t = 0; t < countof(threads); t++) {
			again();
			pipeline.options.min_size = 0;
			pipeline.options.threads = threads[t];
			pipeline.options.will_apply = will_apply;
			pipeline.sift.batch = batches[t];
			ck_assert_int_eq(pipeline_find(&pipeline), 0);
			ck_assert_int_eq(pipeline_sift(&pipeline), 0);
			compare_classes(&naive);
		}
	}
}

START_TEST(classes_are_those_of_memcmp)
{
	draw_state = 5;
	draw_files(400);
	if (!has_user_xattrs())
		for (uint32_t i = 0; i < file_count; i++)
			files[i].xattr = 0;
	write_files();
	sift_all_ways();
	ck_assert_uint_gt(pipeline.sift.classes.count, 20);
	free_files();
}
END_TEST

/* One size, many contents: the piles of the sort are deep, and most files have several equals. */
START_TEST(many_files_of_one_size)
{
	for (file_count = 0; file_count < FILES_MOST; file_count++) {
		char digits[16];
		snprintf(digits, sizeof(digits), "%08u", (unsigned)draw(FILES_MOST / 3));
		files[file_count] = (struct file){ .bytes = strdup(digits), .size = 8 };
	}
	write_files();
	sift_all_ways();
	free_files();
}
END_TEST

/* Groups of large files alike at both ends: up to 32 are left to the comparison, of 33 each is read whole. */
START_TEST(few_large_ones_are_left_to_the_comparison)
{
	enum { SIZE = SIFT_SMALL + 1 };
	for (uint32_t count = SIFT_UNDECIDED - 1; count <= SIFT_UNDECIDED + 1; count++) {
		char name[16];
		char *bytes = calloc(1, SIZE);
		bytes[SIZE / 2] = 1; /* the last one differs in the middle */
		for (uint32_t i = 0; i < count; i++) {
			bytes[SIZE / 2] = (char)(i == 0);
			snprintf(name, sizeof(name), "f%u", i);
			memset(bytes, 'x', SIFT_END);
			scratch_write(name, bytes, SIZE, false);
		}
		free(bytes);
		again();
		pipeline.options.will_apply = true;
		ck_assert_int_eq(pipeline_find(&pipeline), 0);
		ck_assert_int_eq(pipeline_sift(&pipeline), 0);
		bool few = count <= SIFT_UNDECIDED;
		ck_assert_uint_eq(pipeline.sift.classes.count, 1);
		ck_assert_int_eq(pipeline.sift.classes.at[0].decided, !few);
		ck_assert_uint_eq(pipeline.sift.classes.at[0].count, few ? count : count - 1);
		ck_assert_uint_eq(pipeline.sift.bytes_read,
				  (uint64_t)count * 2 * SIFT_END + (few ? 0 : (uint64_t)count * SIZE));
	}
}
END_TEST

/* Each level reads only those that were alike so far. */
START_TEST(bytes_are_read_level_by_level)
{
	enum { SIZE = 300000 };
	static char bytes[SIZE];
	static const struct {
		const char *name;
		size_t change; /* SIZE: none */
	} large[] = { { "a", SIZE }, { "b", SIZE }, { "c", SIZE - 4097 }, { "d", SIZE - 4096 }, { "e", SIZE - 1 },
		      { "f", 4095 }, { "g", 0 } };
	memset(bytes, 'x', SIZE);
	for (size_t i = 0; i < countof(large); i++) {
		if (large[i].change < SIZE)
			bytes[large[i].change] = (char)('A' + i);
		scratch_write(large[i].name, bytes, SIZE, false);
		if (large[i].change < SIZE)
			bytes[large[i].change] = 'x';
	}
	scratch_write("small1", bytes, SIFT_SMALL, false);
	scratch_write("small2", bytes, SIFT_SMALL, false);
	scratch_write("alone", bytes, 12345, false);
	ck_assert_int_eq(pipeline_find(&pipeline), 0);
	ck_assert_int_eq(pipeline_sift(&pipeline), 0);
	/* Heads of all seven; tails of five; a, b and c whole; the small ones whole; that without an equal size not at all. */
	ck_assert_uint_eq(pipeline.sift.bytes_read, 7 * 4096 + 5 * 4096 + 3 * SIZE + 2 * SIFT_SMALL);
	ck_assert_uint_eq(pipeline.sift.classes.count, 2);
	for (size_t c = 0; c < 2; c++)
		ck_assert_uint_eq(pipeline.sift.classes.at[c].count, 2);
}
END_TEST

/* ---- holes ---- */

static void digest_of(const char *name, uint64_t size, struct digest *ret, uint64_t *ret_read)
{
	static char buffer[DIGEST_BUFFER];
	int fd = scratch_open(name);
	*ret_read = 0;
	must(!digest_file(&pipeline.key, fd, size, buffer, NULL, ret_read, ret));
	close(fd);
}

/* Whatever the layout, equal bytes have equal digests, and others have others. */
START_TEST(holes_are_the_zeros_they_are)
{
	enum { SIZE = 700000, VARIANTS = 200 };
	static char contents[VARIANTS][SIZE];
	static struct digest digests[VARIANTS][2];
	uint64_t equal = 0, read;
	ck_assert_int_eq(digest_key_make(&pipeline.key), 0);
	draw_state = 9;
	for (unsigned v = 0; v < VARIANTS; v++) {
		uint64_t parts = draw(4);
		/* Few places and values, so that variants meet. */
		for (uint64_t p = 0; p < parts; p++)
			memset(contents[v] + draw(10) * 65536, (int)draw(2) + 1, draw(2) ? 65536 : 4096);
		for (unsigned sparse = 0; sparse < 2; sparse++) {
			scratch_write("f", contents[v], SIZE, sparse);
			digest_of("f", SIZE, &digests[v][sparse], &read);
			must(read <= SIZE);
		}
		must(digest_equal(&digests[v][0], &digests[v][1]));
		for (unsigned w = 0; w < v; w++) {
			bool same = !memcmp(contents[v], contents[w], SIZE);
			must(digest_equal(&digests[v][0], &digests[w][0]) == same);
			equal += same;
		}
	}
	ck_assert_uint_gt(equal, 100);
}
END_TEST

START_TEST(large_holes_are_not_read)
{
	const uint64_t size = UINT64_C(1) << 34;
	for (unsigned i = 0; i < 3; i++) {
		const char *const names[] = { "a", "b", "c" };
		int fd = openat(top, names[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (ftruncate(fd, (off_t)size)) {
			close(fd);
			unit_skip("no file of 16 GiB in %s", top_path);
					return;
		}
		ck_assert_int_eq(pwrite(fd, i == 2 ? "y" : "x", 1, (off_t)size / 2), 1);
		close(fd);
	}
	ck_assert_int_eq(pipeline_find(&pipeline), 0);
	ck_assert_int_eq(pipeline_sift(&pipeline), 0);
	ck_assert_uint_eq(pipeline.sift.classes.count, 1);
	ck_assert_uint_eq(pipeline.sift.classes.at[0].count, 2);
	ck_assert_uint_lt(pipeline.sift.bytes_read, 1 << 20);
}
END_TEST

/* With the published secret anybody could make files whose digests agree. */
START_TEST(every_run_has_a_secret_of_its_own)
{
	struct digest_key keys[2];
	struct digest digests[2];
	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(digest_key_make(&keys[i]), 0);
		digest_bytes(&keys[i], "same", 4, &digests[i]);
	}
	ck_assert(!digest_equal(&digests[0], &digests[1]));
	ck_assert(memcmp(&keys[0], &keys[1], sizeof(keys[0])));
}
END_TEST

/* ---- files that change between walk and sift ---- */

/* Four pairs of every size, so that whatever goes leaves its partner without an equal. */
static void write_pairs(size_t size)
{
	char *bytes = malloc(size), name[16];
	for (unsigned i = 0; i < 8; i++) {
		memset(bytes, 'a' + (int)i / 2, size);
		snprintf(name, sizeof(name), "f%u", i);
		scratch_write(name, bytes, size, false);
	}
	free(bytes);
}

static bool stands_in_class(uint32_t file)
{
	for (size_t i = 0; i < pipeline.sift.members.count; i++)
		if (file_of(pipeline.sift.members.at[i].inode) == file)
			return true;
	return false;
}

static void shorten(const char *name, size_t size)
{
	int fd = openat(top, name, O_WRONLY | O_CLOEXEC);
	must(fd >= 0 && !ftruncate(fd, (off_t)size));
	close(fd);
}

static void replace_with_other(const char *name, mode_t mode)
{
	must(!unlinkat(top, name, 0));
	if (S_ISDIR(mode))
		must(!mkdirat(top, name, 0755));
	else if (S_ISFIFO(mode))
		must(!mkfifoat(top, name, 0644));
	else if (S_ISLNK(mode))
		must(!symlinkat("f7", top, name));
}

/* Gone, shorter, a directory, a FIFO, a symlink: left and told, whatever the level that meets it; the rest is as before. */
START_TEST(changed_files_are_told_and_left_out)
{
	static const size_t bounds[] = { 10, SIFT_SMALL, SIFT_SMALL + 1, 5 << 20 };
	for (size_t s = 0; s < countof(bounds); s++) {
		for (unsigned deed = 0; deed < 5; deed++) {
			again();
			write_pairs(bounds[s]);
			ck_assert_int_eq(pipeline_find(&pipeline), 0);
			if (deed == 0)
				shorten("f0", bounds[s] - 1);
			else
				replace_with_other("f0", deed == 1 ? 0 : deed == 2 ? S_IFDIR : deed == 3 ? S_IFIFO : S_IFLNK);
			ck_assert_int_eq(pipeline_sift(&pipeline), 0);
			ck_assert(!stands_in_class(0));
			ck_assert(!stands_in_class(1));
			for (uint32_t i = 2; i < 8; i++)
				ck_assert(stands_in_class(i));
			ck_assert_uint_eq(pipeline.tally.skipped_changed, 1);
			ck_assert_uint_eq(pipeline.tally.errors, 0);
			ck_assert_uint_eq(pipeline_told(&pipeline, DLK_EVENT_SKIP, "/f0"), 1);
			ck_assert_uint_eq(pipeline.told.count, 1);
			ck_assert_int_eq(pipeline.told.at[0].stage, DLK_STAGE_HASH);
			ck_assert_int_eq(pipeline.told.at[0].reason, DLK_REASON_CHANGED);
			unlinkat(top, "f0", deed == 2 ? AT_REMOVEDIR : 0);
		}
	}
}
END_TEST

/* A file of which one name went, or leads to another file by now, is found by its other. */
START_TEST(another_name_will_do)
{
	static const char *const names[] = { "f0", "g0" };
	for (unsigned i = 0; i < countof(names); i++) {
		again();
		write_pairs(100);
		must(!linkat(top, "f0", top, "g0", 0));
		ck_assert_int_eq(pipeline_find(&pipeline), 0);
		must(!unlinkat(top, names[i], 0));
		ck_assert_int_eq(pipeline_sift(&pipeline), 0);
		ck_assert_uint_eq(pipeline.told.count, 0);
		ck_assert_uint_eq(pipeline.sift.classes.count, 4);
		ck_assert_uint_eq(pipeline.sift.members.count, 8);
		unlinkat(top, "f0", 0);
		unlinkat(top, "g0", 0);
	}
}
END_TEST

/* ---- errors ---- */

static struct {
	uint64_t ino;
	int error; /* 0: the end of the file */
	off_t from;
	unsigned fired; /* atomic */
} fault;

static uint64_t ino_of(int fd)
{
	struct stat status;
	return fstat(fd, &status) ? 0 : status.st_ino;
}

static ssize_t faulty_pread(int fd, void *buffer, size_t size, off_t offset)
{
	if (offset + (off_t)size > fault.from && ino_of(fd) == fault.ino) {
		__atomic_add_fetch(&fault.fired, 1, __ATOMIC_RELAXED);
		return fault.error;
	}
	return sys_kernel.pread(fd, buffer, size, offset);
}

/* At the head, the tail and in the midst: an error is told once, the end of a file is a change, and neither is equal. */
START_TEST(read_errors_are_told_and_left_out)
{
	enum { SIZE = 1 << 20 };
	static const off_t places[] = { 0, SIZE / 2, SIZE - 1 };
	static const int errors[] = { -EIO, -ESTALE, 0, -EBADMSG };
	write_pairs(SIZE);
	table.pread = faulty_pread;
	for (size_t p = 0; p < countof(places); p++) {
		for (size_t e = 0; e < countof(errors); e++) {
			again();
			ck_assert_int_eq(pipeline_find(&pipeline), 0);
			int fd = scratch_open("f5");
			fault.ino = ino_of(fd);
			close(fd);
			fault.from = places[p];
			fault.error = errors[e];
			fault.fired = 0;
			sys_replace(&table);
			ck_assert_int_eq(pipeline_sift(&pipeline), 0);
			sys_replace(NULL);
			ck_assert_uint_eq(fault.fired, 1);
			ck_assert(!stands_in_class(5) && !stands_in_class(4));
			ck_assert_uint_eq(pipeline.sift.members.count, 6);
			bool change = errors[e] == 0 || errors[e] == -ESTALE;
			ck_assert_uint_eq(pipeline.told.count, 1);
			ck_assert_uint_eq(pipeline.tally.skipped_changed, change);
			ck_assert_uint_eq(pipeline.tally.errors, !change);
			ck_assert_int_eq(pipeline.told.at[0].error, change ? 0 : -errors[e]);
			ck_assert_int_eq(pipeline.told.at[0].stage, DLK_STAGE_HASH);
			ck_assert(strstr(pipeline.told.at[0].path, "/f5"));
		}
	}
}
END_TEST

static ssize_t short_pread(int fd, void *buffer, size_t size, off_t offset)
{
	size_t some = size > 3 ? size / 3 : size;
	return sys_kernel.pread(fd, buffer, some, offset);
}

START_TEST(short_reads_change_nothing)
{
	write_pairs(300000);
	table.pread = short_pread;
	sys_replace(&table);
	ck_assert_int_eq(pipeline_find(&pipeline), 0);
	ck_assert_int_eq(pipeline_sift(&pipeline), 0);
	sys_replace(NULL);
	ck_assert_uint_eq(pipeline.sift.classes.count, 4);
	ck_assert_uint_eq(pipeline.sift.members.count, 8);
	ck_assert_uint_eq(pipeline.sift.bytes_read, 8 * (300000 + 2 * 4096));
}
END_TEST

static ssize_t unlisted_xattrs(int fd, char *list, size_t size)
{
	return ino_of(fd) == fault.ino ? -EIO : sys_kernel.flistxattr(fd, list, size);
}

/* Attributes that cannot be read are not equal ones. */
START_TEST(unreadable_attributes_are_told)
{
	write_pairs(100);
	int fd = scratch_open("f0");
	fault.ino = ino_of(fd);
	close(fd);
	table.flistxattr = unlisted_xattrs;
	sys_replace(&table);
	ck_assert_int_eq(pipeline_find(&pipeline), 0);
	ck_assert_int_eq(pipeline_sift(&pipeline), 0);
	sys_replace(NULL);
	ck_assert(!stands_in_class(0) && !stands_in_class(1));
	ck_assert_uint_eq(pipeline.tally.errors, 1);
}
END_TEST

START_TEST(stop_ends_it)
{
	static volatile int stop;
	write_pairs(100);
	pipeline.options.stop = &stop;
	ck_assert_int_eq(pipeline_find(&pipeline), 0);
	stop = 1;
	ck_assert_int_eq(pipeline_sift(&pipeline), -ECANCELED);
}
END_TEST

/* ---- how far it is ---- */

struct watched {
	struct dlk_event last;
	unsigned events, steps;
};

static void watch(void *ctx, const struct dlk_event *event)
{
	struct watched *watched = ctx;
	struct dlk_event *last = &watched->last;
	must(event->kind == DLK_EVENT_PROGRESS && event->phase == DLK_PHASE_HASH);
	must(event->done <= event->total && event->bytes <= event->bytes_total && event->saved >= last->saved);
	if (watched->events++ && event->step == last->step) {
		must(event->done >= last->done && event->bytes >= last->bytes);
		must(event->total == last->total && event->bytes_total == last->bytes_total);
	} else {
		must(!event->step || event->step > last->step);
		watched->steps++;
	}
	*last = *event;
}

/* However many batches there are, and however much of a level is known, what is told never goes back and comes to its end. */
START_TEST(progress_never_goes_back)
{
	static const struct {
		size_t batch;
		unsigned steps;
	} ways[] = { { 0, 3 }, { 400, 3 }, { 60, 1 }, { 7, 1 }, { 1, 1 } };
	draw_state = 23;
	draw_files(400);
	for (uint32_t i = 0; i < file_count; i++)
		files[i].xattr = 0;
	write_files();
	for (size_t i = 0; i < countof(ways); i++) {
		struct watched watched = { 0 };
		again();
		pipeline.options.threads = 1;
		pipeline.sift.batch = ways[i].batch;
		ck_assert_int_eq(pipeline_find(&pipeline), 0);
		pipeline.tell.observe = watch;
		pipeline.tell.ctx = &watched;
		ck_assert_int_eq(pipeline_sift(&pipeline), 0);
		ck_assert_uint_eq(watched.steps, ways[i].steps);
		ck_assert_uint_eq(watched.last.step, ways[i].steps == 3 ? 3 : 0);
		ck_assert_uint_eq(watched.last.done, watched.last.total);
		ck_assert_uint_eq(watched.last.bytes, watched.last.bytes_total);
		ck_assert_uint_gt(watched.last.saved, 0);
	}
	free_files();
}
END_TEST

/* ---- directories that are open already ---- */

static struct sys_calls counting;
static unsigned dirs_opened; /* atomic */

static int openat2_counted(int dirfd, const char *path, const struct open_how *how)
{
	__atomic_add_fetch(&dirs_opened, 1, __ATOMIC_RELAXED);
	return sys_kernel.openat2(dirfd, path, how);
}

/* What the walk left open is not opened again; the result is that without, and nothing stays open. */
START_TEST(directories_left_open_serve_the_readers)
{
	static struct naive naive;
	unsigned before = scratch_descriptors();
	draw_state = 23;
	draw_files(300);
	for (uint32_t i = 0; i < file_count; i++)
		files[i].xattr = 0;
	write_files();
	classify_naively(&naive, false);
	counting = sys_kernel;
	counting.openat2 = openat2_counted;
	for (unsigned kept = 0; kept < 2; kept++) {
		again();
		pipeline.options.min_size = 0;
		pipeline.walk.kept = kept ? &pipeline.kept : NULL;
		ck_assert_int_eq(pipeline_find(&pipeline), 0);
		sys_replace(&counting);
		dirs_opened = 0;
		ck_assert_int_eq(pipeline_sift(&pipeline), 0);
		sys_replace(NULL);
		ck_assert_int_eq(dirs_opened > 0, !kept);
		compare_classes(&naive);
	}
	ck_assert_uint_gt(scratch_descriptors(), before);
	reach_kept_free(&pipeline.kept);
	ck_assert_uint_eq(scratch_descriptors(), before);
	free_files();
}
END_TEST

/* ---- little of everything ---- */

START_TEST(threads_that_cannot_be_had_are_done_without)
{
	for (int left = 0; left < 4; left++) {
		again();
		write_pairs(SIFT_SMALL + 1);
		ck_assert_int_eq(pipeline_find(&pipeline), 0);
		pipeline.options.threads = 8;
		threads_left = left;
		ck_assert_int_eq(pipeline_sift(&pipeline), 0);
		threads_left = -1;
		ck_assert_uint_eq(pipeline.sift.classes.count, 4);
		ck_assert_uint_eq(pipeline.sift.members.count, 8);
	}
}
END_TEST

START_TEST(few_descriptors_are_enough)
{
	struct rlimit few = { 20, 20 };
	draw_state = 17;
	draw_files(60);
	for (uint32_t i = 0; i < file_count; i++)
		files[i].xattr = 0;
	write_files();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	sift_all_ways();
	free_files();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		classes_are_those_of_memcmp,
		many_files_of_one_size,
		few_large_ones_are_left_to_the_comparison,
		bytes_are_read_level_by_level,
		holes_are_the_zeros_they_are,
		large_holes_are_not_read,
		every_run_has_a_secret_of_its_own,
		changed_files_are_told_and_left_out,
		another_name_will_do,
		read_errors_are_told_and_left_out,
		short_reads_change_nothing,
		unreadable_attributes_are_told,
		stop_ends_it,
		progress_never_goes_back,
		directories_left_open_serve_the_readers,
		threads_that_cannot_be_had_are_done_without,
		few_descriptors_are_enough,
	};
	return unit_run_in("sift", tests, countof(tests), set_up, tear_down);
}
