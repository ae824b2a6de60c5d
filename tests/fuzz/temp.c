/* SPDX-License-Identifier: MIT */
/* Recovery's name parser: takes exactly what temp_write writes, and touches nothing else. */
#include "fuzz.h"

#include "../../src/core/temp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct temp untouched = { 1, 2, 3, 4, 5, 6 };
	struct temp temp = untouched;
	char again[TEMP_ROOM], *name = calloc(1, size ? size : 1); /* no NUL behind it */
	fuzz_check(name);
	if (size)
		memcpy(name, data, size);
	if (temp_parse(name, size, &temp)) {
		temp_write(&temp, again);
		fuzz_check(size == TEMP_LENGTH && !memcmp(name, again, size) && !again[size]);
		fuzz_check(temp.run >> 30 == 0 && temp.serial >> 24 == 0 && temp.keeper >> 42 == 0 && temp.version >> 24 == 0 &&
			   temp.target >> 48 == 0 && temp.name >> 42 == 0);
	} else {
		fuzz_check(!memcmp(&temp, &untouched, sizeof(temp)));
	}
	free(name);
	/* And the other way round: any numbers make a name that is read back. */
	if (size >= sizeof(temp)) {
		memcpy(&temp, data, sizeof(temp));
		struct temp parsed;
		temp_write(&temp, again);
		fuzz_check(strlen(again) == TEMP_LENGTH && temp_parse(again, TEMP_LENGTH, &parsed));
		fuzz_check(parsed.run == (temp.run & 0x3fffffff) && parsed.serial == (temp.serial & 0xffffff));
	}
	return 0;
}
