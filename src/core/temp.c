/* SPDX-License-Identifier: MIT */
/* temp.c - ".dedupe-link-" and six numbers, six bits a character; see temp.h */
#include "temp.h"

#include <string.h>

#define PREFIX ".dedupe-link-"

enum {
	PREFIX_LENGTH = sizeof(PREFIX) - 1,
	RUN = 5, /* characters */
	SERIAL = 4,
	KEEPER = 7,
	VERSION = 4,
	TARGET = 8,
	NAME = 7,
};

_Static_assert(PREFIX_LENGTH + RUN + SERIAL + KEEPER + VERSION + TARGET + NAME == TEMP_LENGTH, "the parts make the whole");

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz=";

static uint64_t cut(uint64_t number, unsigned characters)
{
	return number & ((UINT64_C(1) << characters * 6) - 1);
}

static char *put(char *at, uint64_t number, unsigned characters)
{
	for (unsigned i = characters; i-- > 0; number >>= 6)
		at[i] = alphabet[number & 63];
	return at + characters;
}

/* Returns what follows, or NULL for a character that is not ours. */
static const char *take(const char *at, unsigned characters, uint64_t *ret)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < characters; i++) {
		const char *digit = memchr(alphabet, at[i], sizeof(alphabet) - 1);
		if (!digit)
			return NULL;
		number = number << 6 | (uint64_t)(digit - alphabet);
	}
	*ret = number;
	return at + characters;
}

void temp_write(const struct temp *temp, char ret_name[TEMP_ROOM])
{
	memcpy(ret_name, PREFIX, PREFIX_LENGTH);
	char *at = ret_name + PREFIX_LENGTH;
	at = put(at, temp->run, RUN);
	at = put(at, temp->serial, SERIAL);
	at = put(at, temp->keeper, KEEPER);
	at = put(at, temp->version, VERSION);
	at = put(at, temp->target, TARGET);
	at = put(at, temp->name, NAME);
	*at = '\0';
}

bool temp_parse(const char *name, size_t length, struct temp *ret)
{
	struct temp temp;
	if (length != TEMP_LENGTH || memcmp(name, PREFIX, PREFIX_LENGTH) != 0)
		return false;
	const char *at = take(name + PREFIX_LENGTH, RUN, &temp.run);
	at = at ? take(at, SERIAL, &temp.serial) : NULL;
	at = at ? take(at, KEEPER, &temp.keeper) : NULL;
	at = at ? take(at, VERSION, &temp.version) : NULL;
	at = at ? take(at, TARGET, &temp.target) : NULL;
	at = at ? take(at, NAME, &temp.name) : NULL;
	if (at)
		*ret = temp;
	return at != NULL;
}

uint64_t temp_hash_number(uint64_t number)
{
	return mix64(number + 1);
}

/* FNV-1a with a finalizer: simple and stable. */
uint64_t temp_hash_bytes(const char *bytes, size_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
	return mix64(hash);
}

uint64_t temp_hash_name(const char *name)
{
	return temp_hash_bytes(name, strlen(name));
}

bool temp_is_keeper(const struct temp *temp, uint64_t ino)
{
	return temp->keeper == cut(temp_hash_number(ino), KEEPER);
}

bool temp_is_version(const struct temp *temp, uint64_t version)
{
	return temp->version == cut(temp_hash_number(version), VERSION);
}

bool temp_is_target(const struct temp *temp, uint64_t fingerprint)
{
	return temp->target == cut(temp_hash_number(fingerprint), TARGET);
}

uint64_t temp_cut_name(const char *name)
{
	return cut(temp_hash_name(name), NAME);
}

bool temp_is_name(const struct temp *temp, const char *name)
{
	return temp->name == temp_cut_name(name);
}
