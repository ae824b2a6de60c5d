/* SPDX-License-Identifier: MIT */
/* temp.c - names of temporary links: ".dedupe-link." and six numbers in hexadecimal; see temp.h */
#include "temp.h"

#include <stdio.h>
#include <string.h>

#define PREFIX ".dedupe-link."
enum { PREFIX_LENGTH = sizeof(PREFIX) - 1 };

void temp_write(const struct temp *temp, char ret_name[TEMP_ROOM])
{
	snprintf(ret_name, TEMP_ROOM, PREFIX "%08x.%08x.%016llx.%016llx.%016llx.%016llx", (unsigned)temp->run,
		 (unsigned)temp->serial, (unsigned long long)temp->keeper, (unsigned long long)temp->target,
		 (unsigned long long)temp->fingerprint, (unsigned long long)temp->name);
}

static bool parse_hex(const char *digits, size_t length, uint64_t *ret)
{
	uint64_t value = 0;
	for (size_t i = 0; i < length; i++) {
		char c = digits[i];
		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret = value;
	return true;
}

bool temp_parse(const char *name, size_t length, struct temp *ret)
{
	static const unsigned char widths[] = { 8, 8, 16, 16, 16, 16 };
	uint64_t values[countof(widths)];

	if (length != TEMP_LENGTH || memcmp(name, PREFIX, PREFIX_LENGTH))
		return false;
	const char *at = name + PREFIX_LENGTH;
	for (size_t i = 0; i < countof(widths); i++) {
		if (i && *at++ != '.')
			return false;
		if (!parse_hex(at, widths[i], &values[i]))
			return false;
		at += widths[i];
	}
	*ret = (struct temp){
		.run = (uint32_t)values[0],
		.serial = (uint32_t)values[1],
		.keeper = values[2],
		.target = values[3],
		.fingerprint = values[4],
		.name = values[5],
	};
	return true;
}

/* FNV-1a with a finalizer: simple, stable, and only a hint (recovery checks inodes, not names). */
uint64_t temp_hash(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return mix64(hash);
}
