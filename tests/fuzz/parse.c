/* SPDX-License-Identifier: MIT */
/* Sizes, durations and numbers: what is taken means what a slower reading of the manual says. */
#include "fuzz.h"

#include <errno.h>

#include "../../src/base/text.h"

/* Larger than anything that fits, and never overflows again. */
__extension__ typedef unsigned __int128 wide;
#define TOO_LARGE ((wide)1 << 100)

static const char *digits(const char *at, wide *ret)
{
	for (*ret = 0; *at >= '0' && *at <= '9'; at++) {
		*ret = *ret * 10 + (unsigned)(*at - '0');
		if (*ret > TOO_LARGE)
			*ret = TOO_LARGE;
	}
	return at;
}

/* The unit of a suffix in lower case; 0: none. */
static uint64_t unit_of(const char *suffix)
{
	static const struct {
		const char *name;
		uint64_t unit;
	} units[] = {
		{ "", 1 }, { "b", 1 },
#define UNIT(letter, bits, decimal)                                                                         \
	{ letter, UINT64_C(1) << (bits) }, { letter "ib", UINT64_C(1) << (bits) }, { letter "b", decimal }
		UNIT("k", 10, 1000), UNIT("m", 20, 1000000), UNIT("g", 30, 1000000000),
		UNIT("t", 40, UINT64_C(1000000000000)), UNIT("p", 50, UINT64_C(1000000000000000)),
		UNIT("e", 60, UINT64_C(1000000000000000000)),
	};
	for (size_t i = 0; i < countof(units); i++)
		if (!strcmp(units[i].name, suffix))
			return units[i].unit;
	return 0;
}

static int slow_size(const char *string, uint64_t *ret)
{
	char suffix[8] = "";
	wide whole;
	const char *at = digits(string, &whole), *point = at;
	if (at == string)
		return -EINVAL;
	size_t fraction = 0;
	if (*at == '.') {
		while (at[1 + fraction] >= '0' && at[1 + fraction] <= '9')
			fraction++;
		if (!fraction)
			return -EINVAL;
		at += 1 + fraction;
	}
	if (strlen(at) > 3)
		return -EINVAL;
	for (size_t i = 0; at[i]; i++)
		suffix[i] = at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] + 32) : at[i];
	uint64_t unit = unit_of(suffix);
	if (!unit || (unit == 1 && fraction))
		return -EINVAL;
	/* From the last digit on: floor((d + floor(x)) / 10) is floor((d + x) / 10). */
	wide part = 0;
	for (size_t i = fraction; i > 0; i--)
		part = ((wide)unit * (unsigned)(point[i] - '0') + part) / 10;
	wide value = whole * unit + part;
	if (whole >= TOO_LARGE || value > UINT64_MAX)
		return -ERANGE;
	*ret = (uint64_t)value;
	return 0;
}

static int slow_duration(const char *string, int64_t *ret)
{
	wide number;
	const char *at = digits(string, &number);
	uint64_t seconds = !*at ? 1 : at[1] ? 0 : *at == 's' ? 1 : *at == 'm' ? 60 : *at == 'h' ? 3600 : *at == 'd' ? 86400 :
			   *at == 'w' ? 604800 : 0;
	if (at == string || !seconds)
		return -EINVAL;
	if (number * seconds > INT64_MAX / NS_PER_S)
		return -ERANGE;
	*ret = (int64_t)((uint64_t)number * seconds) * NS_PER_S;
	return 0;
}

static int slow_number(const char *string, uint64_t max, uint64_t *ret)
{
	wide number;
	const char *at = digits(string, &number);
	if (at == string || *at)
		return -EINVAL;
	if (number > max)
		return -ERANGE;
	*ret = (uint64_t)number;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	char *string = fuzz_string(&input), buffer[TEXT_SIZE_MAX], counted[TEXT_COUNT_MAX];
	uint64_t expected = 4711, got = 4711, max = fuzz_byte(&input);
	int64_t expected_ns = 4711, got_ns = 4711;
	fuzz_check(text_parse_size(string, &got) == slow_size(string, &expected));
	fuzz_check(got == expected);
	/* And printed again, in what is given them. */
	fuzz_check(strlen(text_size(got, buffer)) < TEXT_SIZE_MAX && strlen(text_count(got, counted)) < TEXT_COUNT_MAX);
	fuzz_check(text_parse_duration(string, &got_ns) == slow_duration(string, &expected_ns));
	fuzz_check(got_ns == expected_ns);
	got = expected = 4711;
	max = max == 255 ? UINT64_MAX : max * max;
	fuzz_check(text_parse_number(string, max, &got) == slow_number(string, max, &expected));
	fuzz_check(got == expected);
	free(string);
	return 0;
}
