/* SPDX-License-Identifier: MIT */
/* A temporary name says what it is, the same in every version, and nothing that is not exactly one is taken for one. */
#include "unit.h"

#include <string.h>

#include "../../src/core/temp.h"
#include "draw.h"

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz=";

static uint64_t low(uint64_t number, unsigned bits)
{
	return number & ((UINT64_C(1) << bits) - 1);
}

static struct temp draw_temp(void)
{
	return (struct temp){ draw_any(), draw_any(), draw_any(), draw_any(), draw_any(), draw_any() };
}

static bool same(const struct temp *a, const struct temp *b)
{
	return a->run == b->run && a->serial == b->serial && a->keeper == b->keeper && a->version == b->version &&
	       a->target == b->target && a->name == b->name;
}

START_TEST(names_come_back)
{
	for (unsigned i = 0; i < 100000; i++) {
		char name[TEMP_ROOM], again[TEMP_ROOM];
		struct temp parsed = { 0 }, temp = draw_temp();
		temp_write(&temp, name);
		must(strlen(name) == TEMP_LENGTH);
		must(temp_parse(name, TEMP_LENGTH, &parsed));
		struct temp cut = { low(temp.run, 30), low(temp.serial, 24), low(temp.keeper, 42), low(temp.version, 24),
				    low(temp.target, 48), low(temp.name, 42) };
		must(same(&parsed, &cut));
		temp_write(&parsed, again);
		must(!strcmp(name, again));
	}
}
END_TEST

/* Other versions read them: the form can never change. */
START_TEST(form_never_changes)
{
	static const struct temp temp = { .run = 1, .serial = 64, .keeper = 63, .version = 4096,
					  .target = UINT64_C(0xffffffffffff), .name = UINT64_C(36) << 36 };
	char name[TEMP_ROOM];
	temp_write(&temp, name);
	ck_assert_str_eq(name, ".dedupe-link-000010010000000=0100========_000000");
}
END_TEST

START_TEST(every_change_of_a_byte_is_seen)
{
	uint64_t other_names = 0, refused = 0;
	for (unsigned round = 0; round < 40; round++) {
		char name[TEMP_ROOM];
		struct temp temp = draw_temp(), original, parsed;
		temp_write(&temp, name);
		must(temp_parse(name, TEMP_LENGTH, &original));
		for (size_t at = 0; at < TEMP_LENGTH; at++) {
			char before = name[at];
			for (unsigned byte = 0; byte < 256; byte++) {
				if ((char)byte == before)
					continue;
				name[at] = (char)byte;
				struct temp untouched = { 1, 2, 3, 4, 5, 6 };
				parsed = untouched;
				/* Behind the prefix another digit makes another name; anything else makes none. */
				bool valid = at >= strlen(".dedupe-link-") && byte && strchr(digits, (int)byte);
				must(temp_parse(name, TEMP_LENGTH, &parsed) == valid);
				must(!same(&parsed, &original));
				must(valid || same(&parsed, &untouched));
				other_names += valid;
				refused += !valid;
			}
			name[at] = before;
		}
	}
	ck_assert_uint_eq(other_names, 40 * 35 * 63);
	ck_assert_uint_eq(refused, 40 * (13 * 255 + 35 * 192));
}
END_TEST

START_TEST(other_lengths_are_no_temps)
{
	char name[TEMP_ROOM + 8] = "";
	struct temp temp = draw_temp(), parsed;
	temp_write(&temp, name);
	for (size_t length = 0; length < TEMP_LENGTH; length++)
		must(!temp_parse(name, length, &parsed));
	strcat(name, "0");
	must(!temp_parse(name, TEMP_LENGTH + 1, &parsed));
	must(!temp_parse("", 0, &parsed));
	must(!temp_parse(".dedupe-link-", 13, &parsed));
	must(temp_parse(name, TEMP_LENGTH, &parsed));
}
END_TEST

START_TEST(fields_are_recognised)
{
	uint64_t by_chance = 0;
	for (unsigned i = 0; i < 20000; i++) {
		char name[TEMP_ROOM], victim[32];
		struct temp parsed;
		uint64_t ino = draw(2) ? draw(1000) : draw_any(), fingerprint = draw_any();
		snprintf(victim, sizeof(victim), "file-%u", i);
		struct temp temp = {
			.keeper = temp_hash_number(ino),
			.version = temp_hash_number(fingerprint),
			.target = temp_hash_number(fingerprint),
			.name = temp_hash_name(victim),
		};
		temp_write(&temp, name);
		must(temp_parse(name, TEMP_LENGTH, &parsed));
		must(temp_is_keeper(&parsed, ino) && temp_is_version(&parsed, fingerprint) &&
		     temp_is_target(&parsed, fingerprint) && temp_is_name(&parsed, victim));
		by_chance += temp_is_keeper(&parsed, ino + 1) + temp_is_target(&parsed, fingerprint ^ 1);
		victim[0] = 'F';
		by_chance += temp_is_name(&parsed, victim);
	}
	ck_assert_uint_eq(by_chance, 0);
}
END_TEST

/* Recovery recognises what an older version left. */
START_TEST(hashes_never_change)
{
	ck_assert_uint_eq(temp_hash_number(0), mix64(1));
	ck_assert_uint_eq(temp_hash_number(12), UINT64_C(0x4b9285d561acb2cb));
	ck_assert_uint_eq(temp_hash_name(""), UINT64_C(0x2180a92350d49cce));
	ck_assert_uint_eq(temp_hash_name("a"), UINT64_C(0x55e22b8ccbb1816f));
	ck_assert_uint_eq(temp_hash_bytes("a\0b", 1), temp_hash_name("a"));
	ck_assert_uint_eq(temp_hash_bytes("a\0b", 3), UINT64_C(0x42a7961ace8abee7));
	ck_assert_uint_eq(temp_hash_name("caf\xc3\xa9"), UINT64_C(0x27ccabe922cec0d9));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		names_come_back, form_never_changes,   every_change_of_a_byte_is_seen,
		other_lengths_are_no_temps, fields_are_recognised, hashes_never_change,
	};
	return unit_run("temp", tests, countof(tests));
}
