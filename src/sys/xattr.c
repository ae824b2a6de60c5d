/* SPDX-License-Identifier: MIT */
/*
 * xattr.c - flistxattr and fgetxattr into one string of bytes
 *
 * Names are sorted, since file systems list them in the order they were set. Each attribute becomes
 *
 *	name, NUL, length of the value (8 bytes), value
 *
 * which cannot be read in two ways: a name has no NUL, and a length says where the next name begins. So memcmp
 * compares.
 *
 * Most files have none: that costs one call and no memory.
 */
#include "xattr.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>

#include "../base/fail.h"
#include "../base/vec.h"

struct buffer {
	char *at;
	size_t count, room;
};

static void buffer_cleanup(struct buffer *buffer)
{
	free(buffer->at);
}
#define own_buffer OWN(buffer_cleanup) struct buffer

/* The names, each with its NUL, and one NUL more. The kernel never has more than XATTR_LIST_MAX bytes: then -E2BIG. */
static int read_names(int fd, struct buffer *list)
{
	char first[256];
	ssize_t length = sys->flistxattr(fd, first, sizeof(first));
	if (length == 0 || length == -EOPNOTSUPP || length == -ENOSYS)
		return 0;
	if (length < 0 && length != -ERANGE)
		return (int)length;
	if (vec_reserve(list, (length > 0 ? (size_t)length : XATTR_LIST_MAX) + 1))
		return -ENOMEM;
	if (length > 0)
		memcpy(list->at, first, (size_t)length);
	else
		length = sys->flistxattr(fd, list->at, XATTR_LIST_MAX);
	if (length < 0)
		return (int)length;
	list->count = (size_t)length;
	list->at[list->count] = '\0';
	return 0;
}

/* -ENODATA, the attribute went since it was listed, becomes -EAGAIN: the file is being changed. */
static int add_attribute(int fd, const char *name, struct buffer *out)
{
	const size_t rooms[] = { 256, XATTR_SIZE_MAX };
	size_t name_size = strlen(name) + 1;
	uint64_t value_size;
	ssize_t length = -ERANGE;
	for (size_t i = 0; i < countof(rooms) && length == -ERANGE; i++) {
		size_t before = out->count + name_size + sizeof(value_size);
		if (vec_reserve(out, before + rooms[i]))
			return -ENOMEM;
		length = sys->fgetxattr(fd, name, out->at + before, rooms[i]);
	}
	if (length < 0)
		return length == -ENODATA ? -EAGAIN : (int)length;
	value_size = (uint64_t)length;
	memcpy(out->at + out->count, name, name_size);
	memcpy(out->at + out->count + name_size, &value_size, sizeof(value_size));
	out->count += name_size + sizeof(value_size) + (size_t)length;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Pointers into the list, sorted; the caller frees them. */
static int sort_names(const struct buffer *list, const char ***ret_names, size_t *ret_count)
{
	VEC(const char *) names = { 0 };
	for (size_t at = 0; at < list->count; at += strlen(list->at + at) + 1) {
		if (vec_push(&names, list->at + at)) {
			vec_free(&names);
			return -ENOMEM;
		}
	}
	if (names.count)
		qsort(names.at, names.count, sizeof(*names.at), compare_names);
	*ret_names = names.at;
	*ret_count = names.count;
	return 0;
}

int xattrs_read(int fd, struct xattrs *ret)
{
	own_buffer list = { 0 }, out = { 0 };
	own_free const char **names = NULL;
	size_t count = 0;
	int r = read_names(fd, &list);
	if (!r && list.count)
		r = sort_names(&list, &names, &count);
	for (size_t i = 0; !r && i < count; i++)
		r = add_attribute(fd, names[i], &out);
	if (r)
		return r;
	*ret = (struct xattrs){ .length = out.count, .bytes = steal(&out.at) };
	return 0;
}

bool xattrs_next(const struct xattrs *xattrs, size_t *at, struct xattr *ret)
{
	uint64_t size;
	if (*at >= xattrs->length)
		return false;
	const char *name = xattrs->bytes + *at, *value = name + strlen(name) + 1 + sizeof(size);
	memcpy(&size, value - sizeof(size), sizeof(size));
	*ret = (struct xattr){ .name = name, .value = value, .size = (size_t)size };
	*at = (size_t)(value + size - xattrs->bytes);
	return true;
}

bool xattrs_find(const struct xattrs *xattrs, const char *name, struct xattr *ret)
{
	struct xattr one;
	for (size_t at = 0; xattrs_next(xattrs, &at, &one);) {
		if (!strcmp(one.name, name)) {
			*ret = one;
			return true;
		}
	}
	return false;
}

bool xattrs_equal(const struct xattrs *a, const struct xattrs *b)
{
	return a->length == b->length && (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
}

void xattrs_free(struct xattrs *xattrs)
{
	free(xattrs->bytes);
	*xattrs = (struct xattrs){ 0 };
}
