/* SPDX-License-Identifier: MIT */
/* words.c - the words of the public header's enums */
#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const words_respect[DLK_RESPECT_WORDS] = { "owner", "mode", "xattr", "time", "name", "dir" };

const char *const words_keep[WORDS_KEEP] = {
	[DLK_KEEP_MOST_LINKS] = "most-links", [DLK_KEEP_FEWEST_LINKS] = "fewest-links", [DLK_KEEP_OLDEST] = "oldest",
	[DLK_KEEP_NEWEST] = "newest",         [DLK_KEEP_FIRST_PATH] = "first-path",
};

struct stage_words {
	const char *word, *attempt;
};

static const struct stage_words stages[] = {
	[DLK_STAGE_ROOT] = { "root", "open" },
	[DLK_STAGE_LOCK] = { "lock", "lock" },
	[DLK_STAGE_WALK] = { "walk", "look at" },
	[DLK_STAGE_HASH] = { "hash", "read" },
	[DLK_STAGE_CONFIRM] = { "confirm", "compare" },
	[DLK_STAGE_SYNC] = { "sync", "write to disk the file kept for" },
	[DLK_STAGE_LINK] = { "link", "make a link beside" },
	[DLK_STAGE_SWAP] = { "swap", "replace" },
	[DLK_STAGE_DROP] = { "drop", "remove the old file of" },
	[DLK_STAGE_RECOVER] = { "recover", "recover" },
	[DLK_STAGE_TIMES] = { "times", "put back the time of" },
	[DLK_STAGE_JOURNAL] = { "journal", "use the journal" },
	[DLK_STAGE_UNDO] = { "undo", "give a file of its own to" },
	[DLK_STAGE_PLAN] = { "plan", "follow the plan at" },
};

struct reason_words {
	const char *word, *because;
};

static const struct reason_words reasons[] = {
	[DLK_REASON_NONE] = { "none", "for no stated reason" },
	[DLK_REASON_IN_USE] = { "in_use", "in use by another program" },
	[DLK_REASON_CHANGED] = { "changed", "changed meanwhile" },
	[DLK_REASON_UNEQUAL] = { "unequal", "not equal after all" },
	[DLK_REASON_NOT_REGULAR] = { "not_regular", "no regular file any more" },
	[DLK_REASON_IMMUTABLE] = { "immutable", "immutable or append-only" },
	[DLK_REASON_READ_ONLY] = { "read_only", "on a read-only file system" },
	[DLK_REASON_DENIED] = { "denied", "not permitted" },
	[DLK_REASON_MOUNT_POINT] = { "mount_point", "something is mounted on it" },
	[DLK_REASON_CROSS_DEVICE] = { "cross_device", "the kernel makes no hard link between the two mounts" },
	[DLK_REASON_LINK_LIMIT] = { "link_limit", "the file kept can take no more links" },
	[DLK_REASON_MANY_DOMAINS] = { "many_domains", "several file systems or mounts" },
	[DLK_REASON_WEAKER] = { "weaker", "no lease could be had" },
	[DLK_REASON_KEPT_ASIDE] = { "kept_aside", "kept aside" },
	[DLK_REASON_LEFTOVER] = { "leftover", "left over from an interrupted run" },
	[DLK_REASON_LATE_OPENER] = { "late_opener", "opened at the last moment" },
	[DLK_REASON_RECOVERED] = { "recovered", "finished or undone" },
	[DLK_REASON_CACHE_UNUSED] = { "cache_unused", "the cache could not be used" },
	[DLK_REASON_CACHE_DAMAGED] = { "cache_damaged", "the cache was damaged" },
	[DLK_REASON_CACHE_UNWRITTEN] = { "cache_unwritten", "the cache could not be written" },
	[DLK_REASON_CACHE_ELSEWHERE] = { "cache_elsewhere", "the cache knew other file systems only, so all was read" },
	[DLK_REASON_OUTSIDE] = { "outside", "outside of the plan's roots" },
	[DLK_REASON_NO_PLAN] = { "no_plan", "no line of a plan" },
	[DLK_REASON_TORN] = { "torn", "the plan is torn: its last line is missing" },
	[DLK_REASON_NEWER] = { "newer", "the plan was written by a newer version" },
	[DLK_REASON_NO_LINKS] = { "no_links", "on a file system without hard links" },
	[DLK_REASON_SHORT_NAMES] = { "short_names", "on a file system with no room for temporary names" },
	[DLK_REASON_NO_REFLINKS] = { "no_reflinks", "this file system cannot let files share blocks, as btrfs and newer XFS can" },
	[DLK_REASON_APART] = { "apart", "differing in what must agree" },
	[DLK_REASON_NO_JOURNAL] = { "no_journal", "the journal could not be written" },
	[DLK_REASON_OUT_OF_TIME] = { "out_of_time", "the time was up" },
};

/* A number the library may send one day that this program does not know yet must not lead outside a table. */
#define AT(table, index) ((size_t)(index) < countof(table) ? &(table)[index] : NULL)

const char *words_stage(enum dlk_stage stage)
{
	const struct stage_words *words = AT(stages, stage);

	return words ? words->word : "other";
}

const char *words_attempt(enum dlk_stage stage)
{
	const struct stage_words *words = AT(stages, stage);

	return words ? words->attempt : "handle";
}

const char *words_reason(enum dlk_reason reason)
{
	const struct reason_words *words = AT(reasons, reason);

	return words ? words->word : "other";
}

const char *words_because(enum dlk_reason reason)
{
	const struct reason_words *words = AT(reasons, reason);

	return words ? words->because : "for another reason";
}

const char *words_fate(enum dlk_fate fate)
{
	static const char *const fates[] = {
		[DLK_FATE_KEEPER] = "keeper",
		[DLK_FATE_PLANNED] = "planned",
		[DLK_FATE_LINKED] = "linked",
		[DLK_FATE_LEFT] = "left",
	};
	const char *const *word = AT(fates, fate);

	return word ? *word : "other";
}

const char *words_phase_name(enum dlk_phase phase)
{
	static const char *const phases[] = {
		[DLK_PHASE_WALK] = "walk", [DLK_PHASE_RECOVER] = "recover", [DLK_PHASE_HASH] = "hash",
		[DLK_PHASE_LINK] = "link", [DLK_PHASE_DONE] = "done",       [DLK_PHASE_WAIT] = "wait",
		[DLK_PHASE_UNDO] = "undo",
	};
	const char *const *word = AT(phases, phase);

	return word ? *word : "other";
}

const char *words_event(enum dlk_event_kind kind)
{
	static const char *const kinds[] = {
		[DLK_EVENT_PHASE] = "phase", [DLK_EVENT_PROGRESS] = "progress", [DLK_EVENT_ERROR] = "error",
		[DLK_EVENT_SKIP] = "skip",   [DLK_EVENT_NOTE] = "note",         [DLK_EVENT_LINKED] = "linked",
		[DLK_EVENT_RESTORED] = "restored",
	};
	const char *const *word = AT(kinds, kind);

	return word ? *word : "other";
}

const char *words_cache_trouble(int error)
{
	switch (abs(error)) {
	case EPERM:
		return "somebody else could have written or replaced it";
	case EMEDIUMTYPE:
		return "it is not a cache of this program";
	case EPROTO:
		return "it was made by a newer version of this program";
	case ENOSYS:
		return "this program was built without SQLite";
	case EBUSY:
		return "another run keeps it locked";
	case EUCLEAN:
		return "it is damaged";
	case EROFS:
		return "it cannot be written to";
	default:
		return strerror(abs(error));
	}
}

const char *words_phase(enum dlk_phase phase)
{
	static const char *const phases[] = {
		[DLK_PHASE_WALK] = "walking", [DLK_PHASE_RECOVER] = "recovering", [DLK_PHASE_HASH] = "reading",
		[DLK_PHASE_LINK] = "linking", [DLK_PHASE_DONE] = "done",          [DLK_PHASE_WAIT] = "waiting",
		[DLK_PHASE_UNDO] = "undoing",
	};
	const char *const *word = AT(phases, phase);

	return word ? *word : "working";
}

void words_add_respect(struct text *text, unsigned respect, const char *between)
{
	const char *before = "";

	for (unsigned bit = 0; bit < DLK_RESPECT_WORDS; bit++) {
		if (!(respect & 1u << bit))
			continue;
		text_puts(text, before);
		text_puts(text, words_respect[bit]);
		before = between;
	}
}

void words_add_count(struct text *text, uint64_t count, const char *one, const char *many)
{
	char number[TEXT_COUNT_MAX];

	text_printf(text, "%s %s", text_count(count, number), count == 1 ? one : many);
}

void words_add_size(struct text *text, uint64_t bytes)
{
	char size[TEXT_SIZE_MAX], exact[TEXT_COUNT_MAX];

	if (bytes < 1024)
		words_add_count(text, bytes, "byte", "bytes");
	else
		text_printf(text, "%s (%s bytes)", text_size(bytes, size), text_count(bytes, exact));
}
