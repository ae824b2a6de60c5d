/* SPDX-License-Identifier: MIT */
/*
 * maketrees.c - make the trees that the bench runs on, the same everywhere
 *
 *	maketrees [-s SEED] [-x SCALE] KIND DIR
 *
 * The one idea: a file's bytes are a function of (seed, content number, size), so a copy is the same number
 * again, a tree is described by a few loops, and two machines that use one seed get the same bytes under the same
 * names. Nothing is stored and nothing is downloaded.
 *
 * The last line of output is a JSON object: names, inodes and bytes made, `contents` (inodes that are left when
 * every duplicate has been linked and no link limit is in the way) and `recipe`, a checksum over everything made
 * in its order, which must agree wherever the same tree was made.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK         (1 << 20)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* What is in a file: the stream of number `id`, after a header shared by many, with one word altered at the end. */
struct content {
	uint64_t id;
	uint64_t size;
	unsigned header; /* 0: none, else which of the shared headers it begins with */
	uint64_t twist;  /* 0: none, else mixed into eight bytes at twist_at */
	uint64_t twist_at;
};

struct maker {
	int root;
	int folder; /* where files are being made */
	uint64_t seed;
	uint64_t dice; /* state of the dice that shape the tree */
	uint64_t next_id;
	uint64_t names, inodes, contents, bytes, recipe;
	double scale;
	char *block;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "maketrees: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- dice ------------------------------------------------------------------------------------------------ */

/* The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the output depends on every one of the input. */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t roll(struct maker *m, uint64_t below)
{
	m->dice += 0x9e3779b97f4a7c15u;
	return mix(m->dice) % below;
}

static bool chance(struct maker *m, unsigned permille)
{
	return roll(m, 1000) < permille;
}

/*
 * File sizes are close to log-normal. Powers of two with a linear step between them stand in for the logarithm, so
 * that no floating point of this or that machine can change a tree: four dice make a bell, 2^16 of it one doubling.
 */
static uint64_t bell_size(struct maker *m, uint64_t median, uint64_t most)
{
	const uint64_t die = 1 << 18;
	int64_t bell = (int64_t)(roll(m, die) + roll(m, die) + roll(m, die) + roll(m, die)) - (int64_t)(2 * die);
	uint64_t part = (1 << 16) + (uint64_t)(bell & 0xffff);
	int doublings = (int)(bell >> 16);
	uint64_t size = doublings >= 0 ? (median * part >> 16) << doublings : (median * part >> 16) >> -doublings;

	return size < 16 ? 16 : size > most ? most : size;
}

static uint64_t scaled(const struct maker *m, uint64_t count)
{
	uint64_t n = (uint64_t)((double)count * m->scale);

	return n ? n : 1;
}

/* ---- folders and files ----------------------------------------------------------------------------------- */

static void note(struct maker *m, const char *name, uint64_t a, uint64_t b)
{
	uint64_t sum = mix(m->recipe ^ mix(a) ^ (b << 1));

	for (const char *c = name; *c; c++)
		sum = (sum ^ (unsigned char)*c) * 0x100000001b3u;
	m->recipe = sum;
}

/* Makes the folder with all above it, and files go there from now on. */
__attribute__((format(printf, 2, 3))) static void folder(struct maker *m, const char *format, ...)
{
	char path[512];
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdirat(m->root, path, 0755) && errno != EEXIST)
			die(path);
		*slash = '/';
	}
	if (mkdirat(m->root, path, 0755) && errno != EEXIST)
		die(path);
	if (m->folder >= 0)
		close(m->folder);
	m->folder = openat(m->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->folder < 0)
		die(path);
	note(m, path, 0, 0);
}

static void fill_words(char *to, size_t count, uint64_t key, uint64_t from)
{
	for (size_t i = 0; i < count; i += 8) {
		uint64_t word = mix(key + (from + i) * 0x9e3779b97f4a7c15u);

		memcpy(to + i, &word, 8); /* the block has room past any count */
	}
}

/* Bytes [at, at + count) of the content into the block. `at` is a multiple of the block's size. */
static void fill(struct maker *m, const struct content *c, uint64_t at, size_t count)
{
	uint64_t header = c->header ? 256 + c->header * 64 : 0;

	fill_words(m->block, count, mix(m->seed ^ c->id << 1), at);
	if (at == 0 && header && c->size >= header + 16) /* as a licence that many sources begin with */
		fill_words(m->block, header, mix(m->seed + c->header), 0);
	if (c->twist && c->twist_at >= at && c->twist_at + 8 <= at + count) {
		uint64_t word;

		memcpy(&word, m->block + (c->twist_at - at), 8);
		word ^= mix(c->twist);
		memcpy(m->block + (c->twist_at - at), &word, 8);
	}
}

static void write_all(struct maker *m, int fd, const struct content *c, const char *name)
{
	for (uint64_t at = 0; at < c->size; at += BLOCK) {
		size_t count = c->size - at < BLOCK ? (size_t)(c->size - at) : BLOCK;

		fill(m, c, at, count);
		if (write(fd, m->block, count) != (ssize_t)count)
			die(name);
	}
}

enum novelty { NEW_CONTENT, COPY };

__attribute__((format(printf, 4, 5))) static void file(struct maker *m, const struct content *c, enum novelty novelty,
						       const char *format, ...)
{
	char name[256];
	va_list args;
	int fd;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	fd = openat(m->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		die(name);
	write_all(m, fd, c, name);
	/* A copy has a time of its own, as after a download; hash order keeps times from being sorted like names. */
	time_t when = 1577836800 + (time_t)(mix(m->names) % 94608000);
	struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
	if (futimens(fd, times))
		die(name);
	close(fd);
	m->names++;
	m->inodes++;
	m->contents += novelty == NEW_CONTENT;
	m->bytes += c->size;
	note(m, name, c->id ^ c->twist << 20, c->size);
}

static struct content fresh(struct maker *m, uint64_t size)
{
	return (struct content){.id = m->next_id++, .size = size};
}

/* ---- photos: camera folders, copied to backups, some retouched ------------------------------------------------ */

static void photo_copies(struct maker *m, const struct content *shots, uint64_t count)
{
	for (uint64_t i = 0; i < count * 5 / 9; i++) {
		if (i % 250 == 0)
			folder(m, "Pictures/Backup of phone %u", (unsigned)(i / 250));
		file(m, &shots[i * 9 / 5], COPY, "IMG_%04u (1).jpg", (unsigned)(i % 10000));
	}
	for (uint64_t i = 0; i < count / 9; i++) {
		/* retouched in place: same size, another byte in the head, in the middle or at the very end */
		struct content c = shots[roll(m, count)];
		uint64_t spots[] = {1024, c.size / 2 & ~7u, c.size - 8};

		if (i % 250 == 0)
			folder(m, "Pictures/Retouched/%u", (unsigned)(i / 250));
		c.twist = i + 1;
		c.twist_at = spots[i % 3] / BLOCK == (spots[i % 3] + 7) / BLOCK ? spots[i % 3] : 1024;
		file(m, &c, NEW_CONTENT, "edit %u.jpg", (unsigned)i);
	}
}

static void make_photos(struct maker *m)
{
	uint64_t count = scaled(m, 900);
	struct content *shots = calloc(count, sizeof(*shots));

	if (!shots)
		die("memory");
	for (uint64_t i = 0; i < count; i++) {
		if (i % 100 == 0)
			folder(m, "DCIM/%03uCANON", (unsigned)(100 + i / 100 % 900));
		shots[i] = fresh(m, 1500000 + roll(m, 3600000));
		shots[i].header = 1;
		file(m, &shots[i], NEW_CONTENT, "IMG_%05u.JPG", (unsigned)i);
	}
	photo_copies(m, shots, count);
	folder(m, "DCIM/raw"); /* uncompressed raw files all have one size */
	for (uint64_t i = 0; i < scaled(m, 40); i++) {
		struct content c = fresh(m, 12 << 20);

		c.header = 2;
		file(m, &c, NEW_CONTENT, "RAW_%05u.NEF", (unsigned)i);
	}
	free(shots);
}

/* ---- source: two versions of a large source tree ---------------------------------------------------------------- */

static struct content source_content(struct maker *m)
{
	struct content c = fresh(m, bell_size(m, 4500, 400000));

	/* What generators and templates write comes in like sizes: real trees have some four comparisons a file. */
	if (chance(m, 200))
		c.size = (c.size + 31) & ~(uint64_t)31;
	if (c.size > 1024)
		c.header = 1 + (unsigned)roll(m, 8);
	return c;
}

static void source_folder(struct maker *m, const char *top, uint64_t i)
{
	uint64_t d = i / 14;

	folder(m, "%s/part%02u/module%02u/unit%u", top, (unsigned)(d / 200), (unsigned)(d / 8 % 25), (unsigned)(d % 8));
}

static void source_tree(struct maker *m, const char *top, struct content *files, const bool *known, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		if (i % 14 == 0)
			source_folder(m, top, i);
		file(m, &files[i], known[i] ? COPY : NEW_CONTENT, "file_%02u.c", (unsigned)(i % 14));
	}
}

static void make_source(struct maker *m)
{
	uint64_t count = scaled(m, 40000);
	struct content *files = calloc(count, sizeof(*files));
	bool *known = calloc(count, sizeof(*known));

	if (!files || !known)
		die("memory");
	for (uint64_t i = 0; i < count; i++) {
		known[i] = i && chance(m, 30); /* some files are in the tree twice */
		files[i] = known[i] ? files[roll(m, i)] : source_content(m);
	}
	source_tree(m, "project-1.0", files, known, count);
	for (uint64_t i = 0; i < count; i++) {
		known[i] = !chance(m, 120);
		if (!known[i] && chance(m, 500)) /* edited without a change of size */
			files[i].id = m->next_id++;
		else if (!known[i])
			files[i] = source_content(m);
	}
	source_tree(m, "project-1.1", files, known, count);
	free(files);
	free(known);
}

/* ---- npm: two projects with nearly the same modules, some nested ------------------------------------------------ */

struct package {
	uint64_t dice; /* what its files are made from: the same dice, the same package */
	unsigned files;
	bool made;
};

static void npm_package(struct maker *m, struct package *p, const char *project, const char *parent, unsigned number)
{
	uint64_t kept = m->dice, id = p->dice << 20;

	m->dice = p->dice;
	folder(m, "%s/node_modules/%spackage-%u/lib", project, parent, number);
	for (unsigned i = 0; i < p->files; i++) {
		struct content c = {.id = id + i + 1, .size = bell_size(m, 1500, 200000)};

		if (i == 2)
			folder(m, "%s/node_modules/%spackage-%u", project, parent, number);
		if (i == 3)
			file(m, &c, p->made ? COPY : NEW_CONTENT, "package.json");
		else
			file(m, &c, p->made ? COPY : NEW_CONTENT, "part_%u.js", i);
	}
	p->made = true;
	m->dice = kept;
}

static void npm_project(struct maker *m, struct package *packages, uint64_t count, const char *project)
{
	char parent[64];

	for (uint64_t i = 0; i < count; i++) {
		npm_package(m, &packages[i], project, "", (unsigned)i);
		if (i && chance(m, 150)) { /* another package needs this one in a version of its own */
			snprintf(parent, sizeof(parent), "package-%u/node_modules/", (unsigned)i);
			npm_package(m, &packages[roll(m, i)], project, parent, 99999);
		}
	}
}

static void make_npm(struct maker *m)
{
	uint64_t count = scaled(m, 1250);
	struct package *packages = calloc(count, sizeof(*packages));

	if (!packages)
		die("memory");
	for (uint64_t i = 0; i < count; i++)
		packages[i] = (struct package){.dice = m->next_id++, .files = 4 + (unsigned)roll(m, 17)};
	npm_project(m, packages, count, "app-one");
	for (uint64_t i = 0; i < count; i++)
		if (chance(m, 150)) /* an upgrade since */
			packages[i] = (struct package){.dice = m->next_id++, .files = 4 + (unsigned)roll(m, 17)};
	npm_project(m, packages, count, "app-two");
	free(packages);
}

/* ---- snapshots: twenty nights of cp -al, 2 % copied anew and 0.5 % changed each night --------------------------- */

static void relink(struct maker *m, int from, unsigned number)
{
	char name[64];

	snprintf(name, sizeof(name), "file_%02u.c", number);
	if (linkat(from, name, m->folder, name, 0))
		die(name);
	m->names++;
	note(m, name, 1, 0);
}

static void snapshot_night(struct maker *m, unsigned night, struct content *files, uint64_t count)
{
	char top[32];
	int from = -1;

	for (uint64_t i = 0; i < count; i++) {
		if (i % 14 == 0) {
			snprintf(top, sizeof(top), "snapshot.%02u", night - 1);
			source_folder(m, top, i);
			if (from >= 0)
				close(from);
			from = dup(m->folder);
			snprintf(top, sizeof(top), "snapshot.%02u", night);
			source_folder(m, top, i);
		}
		if (chance(m, 5)) {
			files[i] = source_content(m);
			file(m, &files[i], NEW_CONTENT, "file_%02u.c", (unsigned)(i % 14));
		} else if (chance(m, 20)) {
			file(m, &files[i], COPY, "file_%02u.c", (unsigned)(i % 14));
		} else {
			relink(m, from, (unsigned)(i % 14));
		}
	}
	close(from);
}

static void make_snapshots(struct maker *m)
{
	uint64_t count = scaled(m, 70000);
	struct content *files = calloc(count, sizeof(*files));
	bool *known = calloc(count, sizeof(*known));

	if (!files || !known)
		die("memory");
	for (uint64_t i = 0; i < count; i++)
		files[i] = source_content(m);
	source_tree(m, "snapshot.00", files, known, count);
	for (unsigned night = 1; night < 20; night++)
		snapshot_night(m, night, files, count);
	free(files);
	free(known);
}

/* ---- the extremes --------------------------------------------------------------------------------------------- */

/* 100,000 different files of one size; a tenth differ only in the middle, a tenth only in the last eight bytes. */
static void make_oneclass(struct maker *m)
{
	struct content base = fresh(m, 4000);

	for (uint64_t i = 0; i < scaled(m, 100000); i++) {
		struct content c = base;

		if (i % 1000 == 0)
			folder(m, "class/%03u", (unsigned)(i / 1000));
		c.twist = i + 1;
		c.twist_at = i % 10 == 0 ? 3992 : i % 10 == 1 ? 2000 : 0;
		file(m, &c, NEW_CONTENT, "%06u.dat", (unsigned)i);
	}
}

/* More identical files than one inode can have names on ext4 (65,000). */
static void make_manylinks(struct maker *m)
{
	struct content c = fresh(m, 600);

	for (uint64_t i = 0; i < scaled(m, 65010); i++) {
		if (i % 1000 == 0)
			folder(m, "same/%03u", (unsigned)(i / 1000));
		file(m, &c, i ? COPY : NEW_CONTENT, "%06u.txt", (unsigned)i);
	}
}

/* One inode with 64,000 names, and ten copies of it. */
static void make_onelink(struct maker *m)
{
	struct content c = fresh(m, 600);
	int first = -1;

	for (uint64_t i = 0; i < scaled(m, 64000); i++) {
		char name[32];

		if (i % 1000 == 0)
			folder(m, "one/%03u", (unsigned)(i / 1000));
		if (i == 0) {
			file(m, &c, NEW_CONTENT, "000000.txt");
			first = dup(m->folder);
			continue;
		}
		snprintf(name, sizeof(name), "%06u.txt", (unsigned)i);
		if (linkat(first, "000000.txt", m->folder, name, 0))
			die(name);
		m->names++;
		note(m, name, 1, 0);
	}
	close(first);
	folder(m, "copies");
	for (unsigned i = 0; i < 10; i++)
		file(m, &c, COPY, "copy %u.txt", i);
}

/* Files of 24 to 1000 bytes, a tenth of them copies: hundreds of sizes, so every file has others of its size. */
static void make_tiny(struct maker *m)
{
	uint64_t count = scaled(m, 1000000), first = m->next_id;

	m->next_id += count;
	for (uint64_t i = 0; i < count; i++) {
		bool copy = i % 10 == 9;
		uint64_t id =
		    copy ? i / 20 * 10 + 3 : i; /* an earlier file, far away in a large tree; each is taken twice */
		struct content c = {.id = first + id, .size = 24 + mix(m->seed ^ id) % 977};
		if (i % 500 == 0)
			folder(m, "tiny/%03u/%03u", (unsigned)(i / 500 / 100), (unsigned)(i / 500 % 100));
		file(m, &c, copy ? COPY : NEW_CONTENT, "%08u.txt", (unsigned)i);
	}
}

/* A million names in one directory, of twenty inodes. */
static void make_bigdir(struct maker *m)
{
	uint64_t count = scaled(m, 1000000);

	folder(m, "big");
	for (uint64_t i = 0; i < count; i++) {
		char name[32], first[32];
		struct content c = {.id = m->next_id + i % 20, .size = 600};

		if (i < 20) {
			file(m, &c, NEW_CONTENT, "%07u", (unsigned)i);
			continue;
		}
		snprintf(first, sizeof(first), "%07u", (unsigned)(i % 20));
		snprintf(name, sizeof(name), "%07u", (unsigned)i);
		if (linkat(m->folder, first, m->folder, name, 0))
			die(name);
		m->names++;
		note(m, name, 1, i % 20);
	}
}

/* Three pairs of 512 MiB: equal, different in the last bytes, different in the first. */
static void make_huge(struct maker *m)
{
	uint64_t size = scaled(m, 512) << 20;
	static const char *const names[] = {"equal", "last byte", "first byte"};

	folder(m, "huge");
	for (unsigned pair = 0; pair < ARRAY_SIZE(names); pair++) {
		struct content c = fresh(m, size + pair * 4096);

		file(m, &c, NEW_CONTENT, "%s, one.img", names[pair]);
		c.twist = pair;
		c.twist_at = pair == 1 ? c.size - 8 : 0;
		file(m, &c, pair ? NEW_CONTENT : COPY, "%s, two.img", names[pair]);
	}
}

static void make_videos(struct maker *m)
{
	folder(m, "Videos");
	for (unsigned i = 0; i < 6; i++) {
		struct content c = fresh(m, (scaled(m, 200) << 20) + i * 7919);

		file(m, &c, NEW_CONTENT, "clip %u.mp4", i);
		if (i % 2)
			file(m, &c, COPY, "clip %u copy.mp4", i);
	}
}

/* What a home directory holds. */
static void make_mixed(struct maker *m)
{
	m->scale *= 0.5;
	make_photos(m);
	make_source(m);
	make_npm(m);
	make_videos(m);
}

/* ---- main ------------------------------------------------------------------------------------------------------ */

static const struct kind {
	const char *name;
	void (*make)(struct maker *m);
} kinds[] = {
    {"photos", make_photos},       {"source", make_source},     {"npm", make_npm},
    {"snapshots", make_snapshots}, {"oneclass", make_oneclass}, {"manylinks", make_manylinks},
    {"onelink", make_onelink},     {"tiny", make_tiny},         {"bigdir", make_bigdir},
    {"huge", make_huge},           {"mixed", make_mixed},
};

static int usage(void)
{
	fprintf(stderr, "usage: maketrees [-s SEED] [-x SCALE] KIND DIR\nkinds:");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		fprintf(stderr, " %s", kinds[i].name);
	fprintf(stderr, "\n");
	return 2;
}

static void run(struct maker *m, const struct kind *kind, const char *dir)
{
	if (mkdir(dir, 0755) && errno != EEXIST)
		die(dir);
	m->root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	m->block = malloc(BLOCK + 8);
	if (m->root < 0 || !m->block)
		die(dir);
	m->dice = mix(m->seed);
	m->next_id = 1;
	kind->make(m);
	printf("{\"kind\": \"%s\", \"seed\": %llu, \"names\": %llu, \"inodes\": %llu, \"contents\": %llu, \"bytes\": "
	       "%llu, "
	       "\"recipe\": \"%016llx\"}\n",
	       kind->name, (unsigned long long)m->seed, (unsigned long long)m->names, (unsigned long long)m->inodes,
	       (unsigned long long)m->contents, (unsigned long long)m->bytes, (unsigned long long)m->recipe);
}

int main(int argc, char **argv)
{
	struct maker m = {.root = -1, .folder = -1, .seed = 1, .scale = 1.0};
	int letter;

	umask(022);
	while ((letter = getopt(argc, argv, "s:x:")) != -1) {
		if (letter == 's')
			m.seed = strtoull(optarg, NULL, 0);
		else if (letter == 'x')
			m.scale = strtod(optarg, NULL);
		else
			return usage();
	}
	if (argc - optind != 2 || !(m.scale > 0))
		return usage();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(argv[optind], kinds[i].name))
			continue;
		run(&m, &kinds[i], argv[optind + 1]);
		return 0;
	}
	return usage();
}
