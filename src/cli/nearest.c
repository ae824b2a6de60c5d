/* SPDX-License-Identifier: MIT */
/* nearest.c - edit distance with neighbours exchanged (optimal string alignment), three rows at a time */
#include "nearest.h"

#include <string.h>

enum { LENGTH_MAX = 40 };

static size_t distance(const char *a, const char *b)
{
	size_t rows[3][LENGTH_MAX + 1], a_length = strlen(a), b_length = strlen(b);
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_length; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			row[j] = size_min(size_min(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = size_min(row[j], before[j - 2] + 1);
		}
		size_t *free_row = before;

		before = last;
		last = row;
		row = free_row;
	}
	return last[b_length];
}

void nearest_try(struct nearest *nearest, const char *typed, const char *word)
{
	size_t length = strlen(typed), found;

	if (!length || length > LENGTH_MAX || strlen(word) > LENGTH_MAX)
		return;
	/* Typed in part: as near as a single slip, however much is missing. */
	found = strncmp(typed, word, length) ? distance(typed, word) : 1;
	if (found > length / 3 + 1 || found >= length || (nearest->word && found >= nearest->distance))
		return;
	*nearest = (struct nearest){ .word = word, .distance = found };
}
