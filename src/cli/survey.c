/* SPDX-License-Identifier: MIT */
/*
 * survey.c - where the savings lie: by folder, by kind of file, by set
 *
 * Sums are kept by the number of a directory and by suffix. Only directories that hold much get their path, with all below them
 * (of a million, that is some thousands); sorted, with a slash before all other bytes, each stands behind those above it, and a
 * stack of the last ones finds its parent.
 */
#include "survey.h"

#include "../base/own.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>

static void add(struct survey_sum *sum, uint64_t bytes, uint64_t names)
{
	sum->bytes += bytes;
	sum->names += names;
}

/* ---- by kind ---- */

static bool all_digits(const char *at, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!isdigit((unsigned char)at[i]))
			return false;
	return true;
}

/* What follows the last dot, in lower case, if it looks like a word; a version (libc.so.6) is left out first. */
static void suffix_of(const char *name, char ret[SURVEY_SUFFIX])
{
	size_t end = strlen(name), length;
	const char *dot;

	ret[0] = 0;
	while ((dot = memrchr(name, '.', end)) && dot != name) {
		length = end - (size_t)(dot + 1 - name);
		end = (size_t)(dot - name);
		if (length && all_digits(dot + 1, length))
			continue;
		if (!length || length >= SURVEY_SUFFIX)
			return;
		for (size_t i = 0; i < length; i++)
			if (!isalnum((unsigned char)dot[1 + i]))
				return;
		for (size_t i = 0; i < length; i++)
			ret[i] = (char)tolower((unsigned char)dot[1 + i]);
		ret[length] = 0;
		return;
	}
}

static uint64_t hash_of(const char *suffix)
{
	uint64_t low = 0;
	uint32_t high = 0;

	memcpy(&low, suffix, sizeof(low));
	memcpy(&high, suffix + sizeof(low), sizeof(high));
	return mix64(low ^ mix64(high));
}

/* Suffixes beyond SURVEY_KINDS are counted as none: somebody plays with us. */
static int add_kind(struct survey *survey, const struct dlk_member *member)
{
	struct survey_kind kind = { .sum = { member->freed, 1 } };

	suffix_of(member->name, kind.suffix);
	if (survey->kinds.count >= SURVEY_KINDS - 1)
		memset(kind.suffix, 0, sizeof(kind.suffix));
	for (uint64_t at = hash_of(kind.suffix);; at++) {
		uint16_t *slot = &survey->kind_table[at % countof(survey->kind_table)];

		if (!*slot) {
			*slot = (uint16_t)(survey->kinds.count + 1);
			return vec_push(&survey->kinds, kind);
		}
		if (!memcmp(survey->kinds.at[*slot - 1].suffix, kind.suffix, sizeof(kind.suffix))) {
			add(&survey->kinds.at[*slot - 1].sum, member->freed, 1);
			return 0;
		}
	}
}

/* ---- by size and age ---- */

static size_t size_class(uint64_t size)
{
	size_t class = 0;

	for (uint64_t limit = 4096; class < SURVEY_SIZES - 1 && size >= limit; limit *= 4)
		class ++;
	return class;
}

static size_t age_class(int64_t age_ns)
{
	static const int days[SURVEY_AGES - 1] = { 1, 7, 30, 90, 365, 730, 1826 };
	size_t class = 0;

	while (class < countof(days) && age_ns >= days[class] * 86400 * NS_PER_S)
		class ++;
	return class;
}

/* Of what is older than nanoseconds can tell, the greatest. */
static int64_t age_of(const struct survey *survey, int64_t mtime)
{
	int64_t age;

	return __builtin_sub_overflow(survey->now_ns, mtime, &age) ? INT64_MAX : age;
}

/* ---- the pass ---- */

static void end_set(struct survey *survey)
{
	struct survey_set *set = &survey->set;
	size_t at = survey->set_count;

	if (!set->names || (at == SURVEY_SETS && survey->sets[at - 1].bytes >= set->bytes))
		return;
	if (at == SURVEY_SETS)
		at--;
	else
		survey->set_count++;
	for (; at && survey->sets[at - 1].bytes < set->bytes; at--)
		survey->sets[at] = survey->sets[at - 1];
	survey->sets[at] = *set;
}

static int begin_set(void *ctx, const struct dlk_set *set)
{
	struct survey *survey = ctx;

	end_set(survey);
	survey->set = (struct survey_set){ .index = set->index, .size = set->size };
	return vec_push(&survey->set_bytes, 0);
}

static int add_dir(struct survey *survey, const struct dlk_member *member)
{
	int r = 0;

	while (!r && survey->dirs.count <= member->dir)
		r = vec_push(&survey->dirs, (struct survey_sum){ 0 });
	if (!r)
		add(&survey->dirs.at[member->dir], member->freed, 1);
	return r;
}

static int add_member(void *ctx, const struct dlk_set *set, const struct dlk_member *member)
{
	struct survey *survey = ctx;
	int r;

	add(&survey->all, member->freed, 1);
	add(&survey->sizes[size_class(set->size)], member->freed, 1);
	add(&survey->ages[age_class(age_of(survey, member->mtime))], member->freed, 1);
	survey->set.bytes += member->freed;
	survey->set.names++;
	survey->set_bytes.at[survey->set_bytes.count - 1] += member->freed;
	r = add_dir(survey, member);
	return r ? r : add_kind(survey, member);
}

/* ---- folders ---- */

struct place {
	char *path;
	size_t length;
	struct survey_sum own, small; /* small: of what is below, but gets no place of its own */
};

/* The first byte in which they differ, or the end of the shorter one. Neighbours have long beginnings in common. */
static size_t common_length(const struct place *a, const struct place *b)
{
	size_t length = size_min(a->length, b->length), at = 0;

	while (at + sizeof(uint64_t) <= length && !memcmp(a->path + at, b->path + at, sizeof(uint64_t)))
		at += sizeof(uint64_t);
	while (at < length && a->path[at] == b->path[at])
		at++;
	return at;
}

static int order_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	size_t at = common_length(x, y);
	unsigned char c = (unsigned char)x->path[at], d = (unsigned char)y->path[at];

	if (c == d || !c || !d)
		return c ? 1 : d ? -1 : 0;
	if (c == '/' || d == '/')
		return c == '/' ? -1 : 1;
	return c < d ? -1 : 1;
}

/* Where the folder above begins to be named: the length of "a/b" for "a/b/c", 1 for "/a", 0 for "a". */
static size_t length_above(const char *path, size_t length)
{
	const char *slash = memrchr(path, '/', length);

	if (!slash || length == 1)
		return 0;
	return slash == path ? 1 : (size_t)(slash - path);
}

static int push_folder(struct survey *survey, const char *path, size_t length, int parent)
{
	struct survey_folder folder = { .path = strndup(path, length), .length = length, .parent = parent };

	if (!folder.path)
		return -ENOMEM;
	if (vec_push(&survey->folders, folder)) {
		free(folder.path);
		return -ENOMEM;
	}
	return 0;
}

static bool is_folder(const struct survey_folder *folder, const char *path, size_t length)
{
	return folder->length == length && !memcmp(folder->path, path, length);
}

/* The folder of that path, and those above it where they are missing. `last` is the one added last, or SURVEY_NONE. */
static int find_folder(struct survey *survey, const char *path, size_t length, int last, int *ret)
{
	size_t above = length_above(path, length);
	int parent = SURVEY_NONE, r = 0;

	for (int at = last; at != SURVEY_NONE; at = survey->folders.at[at].parent) {
		if (is_folder(&survey->folders.at[at], path, length)) {
			*ret = at;
			return 0;
		}
	}
	if (above)
		r = find_folder(survey, path, above, last, &parent);
	if (!r)
		r = push_folder(survey, path, length, parent);
	if (!r)
		*ret = (int)survey->folders.count - 1;
	return r;
}

static int add_folders(struct survey *survey, const struct place *places, size_t count)
{
	int last = SURVEY_NONE, r = 0;

	for (size_t i = 0; i < count && !r; i++) {
		r = find_folder(survey, places[i].path, places[i].length, last, &last);
		if (r)
			break;
		add(&survey->folders.at[last].own, places[i].own.bytes, places[i].own.names);
		add(&survey->folders.at[last].all, places[i].small.bytes, places[i].small.names);
	}
	for (size_t i = survey->folders.count; i--;) {
		struct survey_folder *folder = &survey->folders.at[i];

		add(&folder->all, folder->own.bytes, folder->own.names);
		if (folder->parent != SURVEY_NONE)
			add(&survey->folders.at[folder->parent].all, folder->all.bytes, folder->all.names);
	}
	return r;
}

/* Somebody may nest directories by the thousand: what lies deeper counts for the folder at that depth. */
static size_t length_to_depth(const char *path, size_t most)
{
	size_t length = 0;

	for (size_t depth = 0; path[length]; length++)
		if (length && path[length] == '/' && ++depth == most)
			break;
	return length;
}

static int get_place(const struct dlk_plan *plan, uint64_t dir, struct place *ret)
{
	own_free char *path = NULL;
	size_t length;
	int r = dlk_plan_dir(plan, dir, &path);

	if (r)
		return r;
	length = length_to_depth(path, SURVEY_DEPTH);
	while (length > 1 && path[length - 1] == '/')
		length--;
	ret->path = strndup(path, length);
	ret->length = length;
	return ret->path ? 0 : -ENOMEM;
}

/*
 * Goes up from the deepest: a directory that is small with all below it counts for the one above, the others get places.
 * `small` begins as zeros, one for each directory.
 */
static int make_places(const struct dlk_plan *plan, const struct survey *survey, unsigned part, struct survey_sum *small,
		       struct place *places, size_t *ret_count)
{
	struct survey_sum *below = calloc(survey->dirs.count + 1, sizeof(*below));
	uint64_t least = u64_max(survey->all.bytes / part, 1), above;
	int r = below ? 0 : -ENOMEM;

	*ret_count = 0;
	for (size_t i = survey->dirs.count; i-- && !r;) {
		const struct survey_sum *own = &survey->dirs.at[i];
		bool inner = !dlk_plan_dir_above(plan, i, &above), large = below[i].bytes + own->bytes >= least;

		if (inner)
			add(&below[above], below[i].bytes + own->bytes, below[i].names + own->names);
		if (inner && !large)
			add(&small[above], small[i].bytes + own->bytes, small[i].names + own->names);
		if (!large || !(own->names || small[i].names))
			continue;
		places[*ret_count] = (struct place){ .own = *own, .small = small[i] };
		r = get_place(plan, i, &places[*ret_count]);
		*ret_count += !r;
	}
	free(below);
	return r;
}

static int make_folders(const struct dlk_plan *plan, unsigned part, struct survey *survey)
{
	struct survey_sum *small = calloc(survey->dirs.count + 1, sizeof(*small));
	struct place *places = calloc(survey->dirs.count + 1, sizeof(*places));
	size_t count = 0;
	int r = small && places ? make_places(plan, survey, part, small, places, &count) : -ENOMEM;

	if (!r) {
		qsort(places, count, sizeof(*places), order_places);
		r = add_folders(survey, places, count);
	}
	for (size_t i = 0; i < count; i++)
		free(places[i].path);
	free(places);
	free(small);
	return r;
}

/* ---- from the beginning ---- */

static int order_kinds(const void *a, const void *b)
{
	const struct survey_kind *x = a, *y = b;

	if (x->sum.bytes != y->sum.bytes)
		return x->sum.bytes > y->sum.bytes ? -1 : 1;
	return strcmp(x->suffix, y->suffix);
}

static int keep_first_path(void *ctx, const struct dlk_set *set UNUSED, const struct dlk_member *member)
{
	char **path = ctx;

	*path = strdup(member->path);
	return *path ? 1 : -ENOMEM;
}

static int name_sets(const struct dlk_plan *plan, struct survey *survey)
{
	static const struct dlk_plan_visitor visitor = { .member = keep_first_path };
	int r = 0;

	for (size_t i = 0; i < survey->set_count && r >= 0; i++)
		r = dlk_plan_set(plan, survey->sets[i].index, &visitor, &survey->sets[i].path);
	return r < 0 ? r : 0;
}

int survey_make(const struct dlk_plan *plan, unsigned part, struct survey *survey)
{
	static const struct dlk_plan_visitor visitor = { .no_paths = true, .moved_only = true, .set = begin_set, .member = add_member };
	int r;

	survey->now_ns = time(NULL) * NS_PER_S;
	r = dlk_plan_each(plan, &visitor, survey);
	if (!r) {
		end_set(survey);
		r = name_sets(plan, survey);
	}
	if (!r)
		r = make_folders(plan, part, survey);
	if (!r && survey->kinds.count)
		qsort(survey->kinds.at, survey->kinds.count, sizeof(*survey->kinds.at), order_kinds);
	return r;
}

void survey_free(struct survey *survey)
{
	for (size_t i = 0; i < survey->folders.count; i++)
		free(survey->folders.at[i].path);
	for (size_t i = 0; i < survey->set_count; i++)
		free(survey->sets[i].path);
	vec_free(&survey->folders);
	vec_free(&survey->kinds);
	vec_free(&survey->set_bytes);
	vec_free(&survey->dirs);
}

/* ---- picking folders ---- */

enum { LARGE_PERCENT = 8, REST_PERCENT = 30 };
_Static_assert(LARGE_PERCENT * SURVEY_COARSE > 100, "what may be picked is told apart");

/* Puts the folder's children that are large beside the whole to ret; SURVEY_NONE has those without a parent. */
static size_t large_parts(const struct survey *survey, int folder, size_t most, int *ret)
{
	uint64_t whole = folder == SURVEY_NONE ? survey->all.bytes : survey->folders.at[folder].all.bytes, parts = 0;
	size_t count = 0;

	for (size_t i = (size_t)(folder + 1); i < survey->folders.count; i++) {
		const struct survey_folder *at = &survey->folders.at[i];

		if (at->parent != folder || (double)at->all.bytes * 100 < (double)survey->all.bytes * LARGE_PERCENT)
			continue;
		if (count == most)
			return 0;
		ret[count++] = (int)i;
		parts += at->all.bytes;
	}
	return (double)(whole - parts) * 100 <= (double)whole * REST_PERCENT ? count : 0;
}

static void put_in_order(const struct survey *survey, int *folders, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		int folder = folders[i];
		size_t at = i;

		for (; at && survey->folders.at[folders[at - 1]].all.bytes < survey->folders.at[folder].all.bytes; at--)
			folders[at] = folders[at - 1];
		folders[at] = folder;
	}
}

/* Divides the first of them that can be. Returns how many there are then; the same number as before may be another list. */
static size_t divide_one(const struct survey *survey, size_t most, int *folders, size_t count, bool *ret_divided)
{
	int parts[SURVEY_SETS];

	*ret_divided = false;
	for (size_t i = 0; i < count; i++) {
		size_t room = size_min(most - count + 1, countof(parts));
		size_t n = large_parts(survey, folders[i], room, parts);

		if (!n)
			continue;
		folders[i] = parts[0];
		memcpy(folders + count, parts + 1, (n - 1) * sizeof(*parts));
		put_in_order(survey, folders, count + n - 1);
		*ret_divided = true;
		return count + n - 1;
	}
	return count;
}

size_t survey_pick_folders(const struct survey *survey, size_t most, int *ret_folders)
{
	size_t count = large_parts(survey, SURVEY_NONE, size_min(most, SURVEY_SETS), ret_folders);
	bool divided = count > 0;

	put_in_order(survey, ret_folders, count);
	while (divided)
		count = divide_one(survey, most, ret_folders, count, &divided);
	return count;
}
