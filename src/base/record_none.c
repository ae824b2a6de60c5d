/* SPDX-License-Identifier: MIT */
/* record_none.c - the reading half of record.h where there is no jansson: nothing is ever parsed, so nothing is asked */
#include "record.h"

#include <errno.h>

int record_parse(const char *line UNUSED, size_t length UNUSED, struct record **ret UNUSED)
{
	return -ENOSYS;
}

void record_free(struct record *record UNUSED)
{
}

int record_object(const struct record *record UNUSED, const char *key UNUSED, const struct record **ret UNUSED)
{
	return -ENOSYS;
}

int record_list(const struct record *record UNUSED, const char *key UNUSED, const struct record **ret UNUSED)
{
	return -ENOSYS;
}

int record_word(const struct record *record UNUSED, const char *key UNUSED, const char **ret UNUSED)
{
	return -ENOSYS;
}

int record_unsigned(const struct record *record UNUSED, const char *key UNUSED, uint64_t max UNUSED, uint64_t *ret UNUSED)
{
	return -ENOSYS;
}

int record_signed(const struct record *record UNUSED, const char *key UNUSED, int64_t *ret UNUSED)
{
	return -ENOSYS;
}

int record_bool(const struct record *record UNUSED, const char *key UNUSED, bool *ret UNUSED)
{
	return -ENOSYS;
}

int record_name(const struct record *record UNUSED, const char *key UNUSED, char **ret UNUSED)
{
	return -ENOSYS;
}

size_t record_count(const struct record *list UNUSED)
{
	return 0;
}

int record_item_object(const struct record *list UNUSED, size_t at UNUSED, const struct record **ret UNUSED)
{
	return -ENOSYS;
}

int record_item_word(const struct record *list UNUSED, size_t at UNUSED, const char **ret UNUSED)
{
	return -ENOSYS;
}
