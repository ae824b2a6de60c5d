/* SPDX-License-Identifier: MIT */
/*
 * progress.c - how far the work is, in words
 *
 *	Reading 3/3  42%     146k/346k files  1.23G/2.9G   123M/s     4:05 left   1.12G found
 *
 * A small file costs its opening, a large one its bytes. Both are put in one figure, the effort: bytes, and so many more for
 * each file. The share of the effort done is the percentage, its speed gives the time left.
 */
#include "progress.h"

#include <inttypes.h>
#include <string.h>

#include "words.h"

#define WAITS_FOR " for another run, which holds the lock on these files"
#define FILE_EFFORT 65536.0 /* opening a file costs about as much as reading so many bytes of it */

enum {
	STEPS = 3,       /* of DLK_PHASE_HASH */
	RATE_AFTER_MS = 1000,
	LEFT_AFTER_MS = 2000, /* earlier it would only jump */
	LEFT_MAX_S = 99 * 86400,
};

static double effort(uint64_t files, uint64_t bytes)
{
	return (double)files * FILE_EFFORT + (double)bytes;
}

/* ---- taking notice ---- */

bool progress_take(struct progress *progress, const struct dlk_event *event)
{
	bool new;

	if ((event->kind != DLK_EVENT_PHASE && event->kind != DLK_EVENT_PROGRESS) || event->phase == DLK_PHASE_DONE)
		return false;
	/* "Reading begins" says no step; the event that follows does. */
	if (event->kind == DLK_EVENT_PHASE && event->phase == DLK_PHASE_HASH)
		return false;
	new = !progress->begun || event->phase != progress->at.phase || event->step != progress->at.step;
	if (new)
		*progress = (struct progress){ .begun = true, .left_ns = -1 };
	progress->at = *event;
	progress->at.path = progress->at.other = NULL;
	return new;
}

static void set_left(struct progress *progress, double recent, double since_begin)
{
	const struct dlk_event *at = &progress->at;
	double speed = (recent + since_begin) / 2, left = effort(at->total, at->bytes_total) - effort(at->done, at->bytes);

	progress->left_ns = -1;
	if (at->total && speed > 0 && left >= 0 && left / speed < LEFT_MAX_S)
		progress->left_ns = (int64_t)(left / speed * (double)NS_PER_S);
}

/* What went on between a sample and now, a second. */
static double per_second(const struct progress_sample *since, const struct progress_sample *now, double amount)
{
	return amount * (double)NS_PER_S / (double)(now->time_ns - since->time_ns);
}

static double speed(const struct progress_sample *since, const struct progress_sample *now)
{
	return per_second(since, now, effort(now->done - since->done, now->bytes - since->bytes));
}

void progress_sample(struct progress *progress, int64_t now_ns)
{
	struct progress_sample now = { now_ns, progress->at.done, progress->at.bytes };
	const struct progress_sample *last, *oldest;
	size_t count = progress->sample_count;

	if (!progress->begun)
		return;
	if (!count)
		progress->first = now;
	last = &progress->samples[(count + PROGRESS_SAMPLES - 1) % PROGRESS_SAMPLES];
	if (count && now_ns - last->time_ns < PROGRESS_SAMPLE_MS * NS_PER_MS)
		return;
	progress->samples[count % PROGRESS_SAMPLES] = now;
	progress->sample_count = ++count;
	oldest = &progress->samples[count <= PROGRESS_SAMPLES ? 0 : count % PROGRESS_SAMPLES];
	if (now_ns - progress->first.time_ns >= RATE_AFTER_MS * NS_PER_MS) {
		progress->files_rate = (uint64_t)per_second(oldest, &now, (double)(now.done - oldest->done));
		progress->bytes_rate = (uint64_t)per_second(oldest, &now, (double)(now.bytes - oldest->bytes));
	}
	if (now_ns - progress->first.time_ns >= LEFT_AFTER_MS * NS_PER_MS)
		set_left(progress, speed(oldest, &now), speed(&progress->first, &now));
}

/* ---- words ---- */

static void add_phase(struct text *text, const struct dlk_event *at)
{
	text_puts(text, words_phase(at->phase));
	if (at->step)
		text_printf(text, " %u/%d", at->step, STEPS);
}

/* "4:05", "12h05m", "9d20h". */
static void add_time(struct text *text, int64_t ns)
{
	int64_t seconds = ns / NS_PER_S;

	if (seconds < 3600)
		text_printf(text, "%" PRId64 ":%02" PRId64, seconds / 60, seconds % 60);
	else if (seconds < 100 * 3600)
		text_printf(text, "%" PRId64 "h%02" PRId64 "m", seconds / 3600, seconds / 60 % 60);
	else
		text_printf(text, "%" PRId64 "d%02" PRId64 "h", seconds / 86400, seconds / 3600 % 24);
}

/* Freed, or only seen to be possible. */
static const char *word_for_saved(const struct dlk_event *at)
{
	return at->phase == DLK_PHASE_LINK ? "freed" : "found";
}

void progress_line(struct text *text, const struct progress *progress)
{
	const struct dlk_event *at = &progress->at;
	char number[TEXT_COUNT_MAX], size[TEXT_SIZE_MAX];

	if (!progress->begun) {
		text_puts(text, "starting");
		return;
	}
	add_phase(text, at);
	if (at->phase == DLK_PHASE_WAIT) {
		text_puts(text, WAITS_FOR);
		return;
	}
	text_puts(text, ": ");
	if (at->total)
		text_printf(text, "%s of ", text_count(at->done, number));
	words_add_count(text, at->total ? at->total : at->done, "file", "files");
	if (at->bytes || at->bytes_total)
		text_printf(text, ", %s", text_size(at->bytes, size));
	if (at->bytes_total)
		text_printf(text, " of %s", text_size(at->bytes_total, size));
	if (progress->bytes_rate && at->bytes_total)
		text_printf(text, ", %s/s", text_size(progress->bytes_rate, size));
	else if (progress->files_rate)
		text_printf(text, ", %s files/s", text_count(progress->files_rate, number));
	if (at->saved)
		text_printf(text, ", %s %s", text_size(at->saved, size), word_for_saved(at));
	if (progress->left_ns > 0) {
		text_puts(text, ", about ");
		add_time(text, progress->left_ns);
		text_puts(text, " left");
	}
}

/* ---- a line of fields ---- */

/* A number in few characters: `digits` of them, a point, a unit. At most digits + 2 characters. */
static void add_short(struct text *text, uint64_t number, unsigned base, unsigned digits, const char *no_unit)
{
	static const char units[] = "kMGTPE";
	double value = (double)number;
	int unit = -1, places;

	while (value >= 999.5 && units[unit + 1]) {
		value /= base;
		unit++;
	}
	places = unit < 0 ? 0 : (int)digits - (value < 9.95 ? 1 : value < 99.5 ? 2 : 3);
	text_printf(text, "%.*f", places > 0 ? places : 0, value);
	if (unit < 0)
		text_puts(text, no_unit);
	else
		text_printf(text, "%c", base == 1024 && unit == 0 ? 'K' : units[unit]);
}

enum { BYTE_BASE = 1024, COUNT_BASE = 1000 };

static void add_bytes(struct text *text, uint64_t bytes, unsigned digits)
{
	add_short(text, bytes, BYTE_BASE, digits, "B");
}

static void add_percent(struct text *text, const struct dlk_event *at)
{
	double share = effort(at->total, at->bytes_total);

	if (at->total)
		text_printf(text, "%3d%%", (int)(effort(at->done, at->bytes) / share * 100));
}

static void add_name_and_percent(struct text *text, const struct progress *progress)
{
	add_phase(text, &progress->at);
	if (text->count) /* it is a sentence of its own here */
		text->at[0] = (char)(text->at[0] - 'a' + 'A');
	text_printf(text, "%*s", text->count < 12 ? (int)(12 - text->count) : 1, "");
	add_percent(text, &progress->at);
}

static void add_files(struct text *text, const struct progress *progress)
{
	add_short(text, progress->at.done, COUNT_BASE, 2, "");
	if (progress->at.total) {
		text_puts(text, "/");
		add_short(text, progress->at.total, COUNT_BASE, 2, "");
	}
	text_puts(text, " files");
}

static void add_amount(struct text *text, const struct progress *progress)
{
	if (!progress->at.bytes && !progress->at.bytes_total)
		return;
	add_bytes(text, progress->at.bytes, 3);
	if (!progress->at.bytes_total)
		return;
	text_puts(text, "/");
	add_bytes(text, progress->at.bytes_total, 2);
}

static void add_rate(struct text *text, const struct progress *progress)
{
	bool by_bytes = progress->at.bytes_total != 0;

	if (by_bytes && progress->bytes_rate)
		add_bytes(text, progress->bytes_rate, 2);
	else if (!by_bytes && progress->files_rate)
		add_short(text, progress->files_rate, COUNT_BASE, 2, "");
	if (text->count)
		text_puts(text, "/s");
}

static void add_left(struct text *text, const struct progress *progress)
{
	if (progress->left_ns < 0)
		return;
	add_time(text, progress->left_ns);
	text_puts(text, " left");
}

static void add_saved(struct text *text, const struct progress *progress)
{
	if (!progress->at.saved)
		return;
	add_bytes(text, progress->at.saved, 3);
	text_printf(text, " %s", word_for_saved(&progress->at));
}

/*
 * The fields from left to right, each as wide as it ever gets: with two blanks between them 79 columns. On narrower
 * terminals those of the highest rank go first.
 */
static const struct field {
	void (*add)(struct text *text, const struct progress *progress);
	unsigned width, rank;
	bool left; /* flush left */
} fields[] = {
	{ add_name_and_percent, 16, 0, true }, { add_files, 15, 2, false }, { add_amount, 10, 3, false },
	{ add_rate, 6, 5, false },             { add_left, 11, 1, false },  { add_saved, 11, 4, false },
};

enum { BETWEEN = 2 };

static unsigned width_up_to(unsigned rank)
{
	unsigned width = 0;

	for (size_t i = 0; i < countof(fields); i++)
		if (fields[i].rank <= rank)
			width += fields[i].width + (i ? BETWEEN : 0);
	return width;
}

static unsigned highest_rank(unsigned room)
{
	unsigned rank = countof(fields) - 1;

	while (rank && width_up_to(rank) > room)
		rank--;
	return rank;
}

static void add_field(struct text *text, const struct field *field, const struct progress *progress)
{
	struct text one = { 0 };

	field->add(&one, progress);
	text_printf(text, field->left ? "%-*s" : "%*s", (int)field->width, one.at ? one.at : "");
	text_free(&one);
}

static void add_fields(struct text *text, const struct progress *progress, unsigned rank)
{
	for (size_t i = 0; i < countof(fields); i++) {
		if (fields[i].rank > rank)
			continue;
		if (i)
			text_printf(text, "%*s", BETWEEN, "");
		add_field(text, &fields[i], progress);
	}
}

void progress_draw(struct text *text, const struct progress *progress, unsigned columns)
{
	unsigned room = columns > 1 ? columns - 1 : 0;
	size_t begin = text->count;

	if (!progress->begun)
		return;
	if (progress->at.phase == DLK_PHASE_WAIT)
		text_puts(text, "Waiting" WAITS_FOR);
	else
		add_fields(text, progress, highest_rank(room));
	if (text->failed)
		return;
	if (text->count - begin > room)
		text->count = begin + room;
	while (text->count > begin && text->at[text->count - 1] == ' ')
		text->count--;
	text->at[text->count] = 0;
}
