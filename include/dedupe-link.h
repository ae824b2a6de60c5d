/* SPDX-License-Identifier: MIT */
/*
 * dedupe-link.h - find files with equal content and make them hard links of one inode
 *
 * The library works in two verbs. dlk_scan() walks directories and makes a plan: sets of equal files, who stays
 * (the keeper) and which names shall become links to it. dlk_apply() carries the plan out, one name at a time,
 * each proven equal byte for byte at that moment and replaced atomically. A dry run is the first verb alone.
 *
 * Conventions. Functions return 0 or a negative errno; what they produce comes last and is called ret_...;
 * outputs change only on success. Sizes are bytes, times nanoseconds. Paths are bytes without NUL, in any
 * encoding. The library never prints and never exits. Two things of the process it changes: SIGIO is ignored while
 * dlk_apply(), dlk_recover() or dlk_replace_at() run, if it had its default disposition (a broken file lease would end
 * the process); and the soft limit of open descriptors is raised to the hard one.
 */
#ifndef DEDUPE_LINK_H
#define DEDUPE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DLK_API __attribute__((visibility("default")))
#else
#define DLK_API
#endif

/* ---- policy ---------------------------------------------------------------------------------------------- */

/* What must agree, besides content, before two files are made one. Words of --respect and --ignore. */
enum dlk_respect {
	DLK_RESPECT_OWNER = 1 << 0, /* uid and gid */
	DLK_RESPECT_MODE = 1 << 1,  /* permission, setuid, setgid and sticky bits */
	DLK_RESPECT_XATTR = 1 << 2, /* all extended attributes, ACLs and capabilities included */
	DLK_RESPECT_TIME = 1 << 3,  /* mtime, to the nanosecond */
	DLK_RESPECT_NAME = 1 << 4,  /* the last component of the path */
	DLK_RESPECT_DIR = 1 << 5,   /* the path from the root to the file's directory */
};
#define DLK_RESPECT_DEFAULT (DLK_RESPECT_OWNER | DLK_RESPECT_MODE | DLK_RESPECT_XATTR)
#define DLK_RESPECT_WORDS 6 /* how many bits enum dlk_respect has */

/* Which inode of a set stays. Ties: oldest mtime, then the order of the arguments, then of the paths. */
enum dlk_keep {
	DLK_KEEP_MOST_LINKS,
	DLK_KEEP_FEWEST_LINKS,
	DLK_KEEP_OLDEST,
	DLK_KEEP_NEWEST,
	DLK_KEEP_FIRST_PATH,
};

/* What is done with equal files. */
enum dlk_method {
	DLK_HARDLINK, /* their names become links of one inode */
	DLK_REFLINK,  /* they share blocks, which the kernel compares; inodes and metadata stay (btrfs, XFS) */
};

/* One selection rule; the first rule of a list that matches a name decides, no match means included. */
struct dlk_filter {
	enum dlk_filter_verdict { DLK_INCLUDE, DLK_EXCLUDE } verdict;
	enum dlk_filter_syntax { DLK_GLOB, DLK_REGEX } syntax;
	/* DLK_GLOB: with a slash inside it is matched against the path from the root, without one against the last
	 * component; a trailing slash matches directories only; "**" crosses slashes, "*" and "?" do not.
	 * DLK_REGEX: a POSIX extended regular expression searched for in the path from the root. */
	const char *pattern;
};

/* ---- what is told while the work goes on ------------------------------------------------------------------- */

enum dlk_event_kind {
	DLK_EVENT_PHASE,    /* a phase begins: `phase` */
	DLK_EVENT_PROGRESS, /* some times a second: `phase`, `step` and how far it is: see struct dlk_event */
	DLK_EVENT_ERROR,    /* something could not be read or linked: `stage`, `path`, `error`; counts as an error */
	DLK_EVENT_SKIP,     /* a name left as it was: `stage`, `path`, `reason`; no error */
	DLK_EVENT_NOTE,     /* something worth one line: `reason`, `path` */
	DLK_EVENT_LINKED,   /* a name was replaced: `path`, and `other`, a name of the keeper; only with tell_links */
	DLK_EVENT_RESTORED, /* dlk_undo: the name `path` has a file of its own again; dlk_undo_foresee: it would; only with tell_links */
};

enum dlk_phase {
	DLK_PHASE_WALK,
	DLK_PHASE_RECOVER,
	DLK_PHASE_HASH,
	DLK_PHASE_LINK,
	DLK_PHASE_DONE,
	DLK_PHASE_WAIT, /* first of all, with options->wait, when another run holds the lock on `path` */
	DLK_PHASE_UNDO, /* dlk_undo, dlk_undo_foresee */
};

/* Where it happened. */
enum dlk_stage {
	DLK_STAGE_ROOT,    /* opening a path that was given */
	DLK_STAGE_LOCK,    /* locking the roots */
	DLK_STAGE_WALK,    /* reading a directory or a file's status */
	DLK_STAGE_HASH,    /* opening or reading a file for its digest */
	DLK_STAGE_CONFIRM, /* opening or comparing keeper and target */
	DLK_STAGE_SYNC,    /* making the keeper durable */
	DLK_STAGE_LINK,    /* making the temporary link */
	DLK_STAGE_SWAP,    /* exchanging it with the target's name */
	DLK_STAGE_DROP,    /* unlinking the old file, or putting it back */
	DLK_STAGE_RECOVER, /* finishing or undoing what a dead run left */
	DLK_STAGE_TIMES,   /* putting back the mtime of a directory */
	DLK_STAGE_JOURNAL, /* writing or reading a journal: `path` is NULL or "line N" */
	DLK_STAGE_UNDO,    /* giving a name a file of its own again */
	DLK_STAGE_PLAN,    /* reading a plan: `path` is the name refused, or "line N" */
};

/* Why a name was left as it was, or what a note is about. */
enum dlk_reason {
	DLK_REASON_NONE,
	DLK_REASON_IN_USE,         /* another program has the file open for writing, or asked for it meanwhile */
	DLK_REASON_CHANGED,        /* the file, its name or its directory is not what the scan saw */
	DLK_REASON_UNEQUAL,        /* the bytes differ although the digests agreed */
	DLK_REASON_NOT_REGULAR,    /* a directory, a symlink or something else stands at the name; of a path given: no directory either */
	DLK_REASON_IMMUTABLE,      /* immutable or append-only by file attribute */
	DLK_REASON_READ_ONLY,      /* the file system is mounted read-only */
	DLK_REASON_DENIED,         /* the directory may not be written, or the keeper not be linked to */
	DLK_REASON_MOUNT_POINT,    /* a file something is mounted on */
	DLK_REASON_CROSS_DEVICE,   /* two mounts between which the kernel makes no hard link; said once a pair */
	DLK_REASON_LINK_LIMIT,     /* the keeper can take no more links; another keeper goes on */
	DLK_REASON_MANY_DOMAINS,   /* a note: the paths span several file systems or mounts */
	DLK_REASON_WEAKER,         /* a note: no lease could be had; the weaker guarantee was used */
	DLK_REASON_KEPT_ASIDE,     /* a note: a file was kept under the name `path` since it could not be placed safely */
	DLK_REASON_LEFTOVER,       /* a note: a temporary name of a dead run was kept, since it could not be proven safe */
	DLK_REASON_LATE_OPENER,    /* a note: somebody opened the old file in the last microseconds; rescued to `path` */
	DLK_REASON_RECOVERED,      /* a note: what a dead run left at `path` was finished or undone */
	DLK_REASON_OUTSIDE,        /* an error: a plan names a file outside of its roots */
	DLK_REASON_NO_PLAN,        /* an error: not a line of a plan */
	DLK_REASON_TORN,           /* an error: a plan that lacks its last line; a note: `path` says which line of a journal, passed over */
	DLK_REASON_NEWER,          /* an error: a plan written by a newer version */
	DLK_REASON_NO_REFLINKS,    /* an error, once a file system: its files cannot share blocks */
	DLK_REASON_APART,          /* a plan pairs files that differ in what must agree */
	DLK_REASON_NO_JOURNAL,     /* the journal could not be written */
	DLK_REASON_OUT_OF_TIME,    /* a note: max_time was over before all was looked at or linked */
	DLK_REASON_CACHE_UNUSED,   /* a note: the cache `path` cannot be used, for `error`; the run goes on without */
	DLK_REASON_CACHE_DAMAGED,  /* a note: the cache `path` was damaged; renamed to `other`, or NULL: parts not used */
	DLK_REASON_CACHE_UNWRITTEN, /* a note: not all could be written to the cache `path`, for `error`; it is used as it is */
	DLK_REASON_CACHE_ELSEWHERE, /* a note: the cache `path` knew other file systems only; these were read without it */
	DLK_REASON_NO_LINKS,       /* the file system has no hard links (FAT, exFAT) */
	DLK_REASON_SHORT_NAMES,    /* the file system has no room for a temporary name (Minix, Amiga) */
};

struct dlk_event {
	enum dlk_event_kind kind;
	enum dlk_phase phase;
	enum dlk_stage stage;
	enum dlk_reason reason;
	int error;         /* a positive errno, or 0 */
	const char *path;  /* valid during the call; NULL where it makes no sense */
	const char *other; /* likewise */
	/*
	 * How far the phase, or its step, is. DLK_PHASE_WALK: names and bytes found, no totals. DLK_PHASE_HASH: files read of those
	 * to read, in up to three steps: 1 first bytes (small files whole), 2 last bytes, 3 whole files. With very many files it has
	 * no steps: files looked at, and bytes read or found not to need it. DLK_PHASE_LINK: files compared and linked, and
	 * bytes compared or found not to need it. DLK_PHASE_UNDO: lines of the journal followed, of all. Within a phase and step nothing goes back.
	 */
	uint64_t done, total, bytes, bytes_total; /* a total of 0: not known */
	uint64_t saved; /* DLK_PHASE_LINK: bytes freed so far; DLK_PHASE_HASH: an estimate of what was found so far */
	unsigned step;  /* from 1; 0: the phase has no steps */
};

/*
 * Called for each event, by any thread but never by two at once. Must be quick and must not call the library.
 * `ctx` is the caller's own.
 */
typedef void dlk_observe_fn(void *ctx, const struct dlk_event *event);

/* ---- options --------------------------------------------------------------------------------------------- */

struct dlk_options {
	uint64_t min_size;            /* bytes; 1 by default, 0 takes empty files too */
	uint64_t max_size;            /* bytes; UINT64_MAX by default */
	unsigned respect;             /* of enum dlk_respect; DLK_RESPECT_DEFAULT */
	enum dlk_keep keep;           /* DLK_KEEP_MOST_LINKS */
	int64_t min_age;              /* ns; files whose mtime is younger are left alone; 0: none is */
	const struct dlk_filter *filters; /* borrowed until dlk_scan returns */
	size_t filter_count;
	bool one_file_system;         /* do not enter directories of another file system or mount than their root's */
	unsigned max_depth;           /* 0: only files given as roots, 1: a root's own entries; UINT_MAX: no limit */
	unsigned threads;             /* 0: as many as pay; else this many for walking, hashing and linking */
	int64_t max_time;             /* ns from the beginning of dlk_scan; what was found within three quarters of it is linked
				       * within the rest, biggest savings first; 0: no limit */
	uint64_t max_rate;            /* content bytes read in a second; 0: no limit */
	bool spare_cache;             /* pages of files that were not in the page cache are not left in it; those that were stay */
	uint32_t max_links;           /* links of an inode are not raised above it; 0: the file system's own limit */
	enum dlk_method method;       /* DLK_HARDLINK */
	const char *const *references; /* directories that are looked through as well, first of all, in which nothing is replaced */
	size_t reference_count;
	bool decide;                  /* dlk_scan decides about all files (reads large ones whole), so that all sets can be looked at */
	bool isolate;                 /* files of one path are not made one, only files of different paths */
	bool exclude_caches;          /* leave directories alone that hold a CACHEDIR.TAG */
	bool will_apply;              /* take the lock on the roots, finish what a dead run left, and prepare for dlk_apply */
	bool wait;                    /* wait for the lock instead of returning -EAGAIN */
	const volatile int *stop;     /* NULL, or: the work ends in good order once this is not 0 */
	const char *cache;            /* NULL, or the path of a file for digests and history, made if need be; see below */
	int journal;                  /* 0, or an open file (for reading and appending) for a line on each name replaced */
	bool keep_dir_times;          /* mtimes of directories are put back, unless others changed them meanwhile */
	bool list_apart;              /* remember which equal files are kept apart, for dlk_plan_each_apart: some bytes each */
	bool tell_links;              /* an event for each name replaced, or restored: costs two path texts a link */
	dlk_observe_fn *observe;      /* NULL, or told what happens */
	void *observe_ctx;
	struct dlk_tally *figures;    /* NULL, or where dlk_scan, dlk_plan_read and dlk_recover leave the figures until then when
				       * they return an error: what was looked at and recovered; nothing is linked by then */
};

/* Fills `ret` with the defaults named above. */
DLK_API void dlk_options_init(struct dlk_options *ret);

/* ---- the account ----------------------------------------------------------------------------------------- */

struct dlk_apart {
	uint64_t files; /* inodes that would go if these words were ignored */
	uint64_t bytes; /* bytes that would be freed, on top of bytes_saved */
};

/* Figures of a scan (what would be) or of an apply (what is). bytes are st_blocks * 512 unless said. */
struct dlk_tally {
	uint64_t files_seen;   /* names of regular files that passed the selection */
	uint64_t inodes_seen;  /* distinct inodes among them */
	uint64_t bytes_seen;   /* sum of the sizes (st_size) of those inodes; UINT64_MAX when it is more */
	uint64_t dirs_seen;
	uint64_t sets;         /* duplicate sets: keepers that got, or would get, at least one name */
	uint64_t links_made;   /* names replaced, or to be replaced */
	uint64_t inodes_freed; /* inodes whose last link went */
	uint64_t bytes_saved;  /* allocated bytes of those inodes, less extents shared with other files */
	uint64_t bytes_held_elsewhere; /* allocated bytes of replaced inodes that names outside the roots still hold */
	uint64_t bytes_read;   /* content bytes read, holes left out */
	uint64_t skipped_in_use;   /* names */
	uint64_t skipped_changed;  /* names */
	uint64_t skipped_refused;  /* names left for another reason of enum dlk_reason */
	uint64_t weaker;       /* names replaced without leases */
	uint64_t restored;     /* names that have a file of their own again: dlk_undo; or would have: dlk_undo_foresee */
	uint64_t copies;       /* files that were made for them, or are needed: names that were links of one file become that again */
	uint64_t bytes_copied; /* what those occupy: nothing where blocks can be shared */
	uint64_t recovered;    /* leftovers of a dead run finished or undone */
	uint64_t errors;       /* DLK_EVENT_ERROR events */
	uint64_t domains;      /* file systems or mounts the files lie on */
	/* Equal files kept apart, by the words in which they differ; [0]: by encryption or fs-verity, which no word ignores. */
	struct dlk_apart apart[1 << DLK_RESPECT_WORDS];
};

/* ---- the plan -------------------------------------------------------------------------------------------- */

struct dlk_plan;

/* What became of a name of a set. */
enum dlk_fate {
	DLK_FATE_KEEPER,  /* a name of the inode that stays */
	DLK_FATE_PLANNED, /* to be replaced; of no name any more after dlk_apply() */
	DLK_FATE_LINKED,  /* replaced */
	DLK_FATE_LEFT,    /* left as it was; an event said why, or why dlk_apply() ended before it came to that name */
};

struct dlk_member {
	const char *path; /* valid during the call */
	uint64_t inode;
	uint64_t blocks;  /* 512-byte units */
	int64_t mtime;    /* ns since the epoch */
	uint32_t links;   /* link count at the scan */
	enum dlk_fate fate;
	const char *name; /* the last component of path; valid during the call */
	uint64_t dir;     /* number of the directory, from 0, for dlk_plan_dir */
	uint64_t freed;   /* bytes freed, or to be freed, with its inode; said once, with the first of its names that moved */
	unsigned differ;  /* of dlk_plan_each_apart: enum dlk_respect, in which it differs from the first of its set; 0: in protection */
};

struct dlk_set {
	uint64_t index;   /* from 0 */
	uint64_t size;    /* bytes of each file */
	uint64_t names;   /* how many members there are */
};

/* Begin of a set, then each of its members, keeper's names first. Non-zero ends the iteration and is returned. */
struct dlk_plan_visitor {
	bool no_paths;   /* member.path is NULL: visits of millions are much faster */
	bool moved_only; /* only names that are to be replaced or were: keepers, perhaps with many names, are not even looked at */
	int (*set)(void *ctx, const struct dlk_set *set);
	int (*member)(void *ctx, const struct dlk_set *set, const struct dlk_member *member);
};

/*
 * Walks `count` paths (directories, or regular files; a symlink given here is followed, one met below never),
 * finds equal files and makes a plan. Trouble with single files is told as events, counted, and goes on.
 *
 * Errors: -ENOENT no path could be read; -EAGAIN another run holds the lock (will_apply without wait); -ENOMEM;
 * -EIO, -EMFILE and the like: the paths could not be locked (told);
 * -EINVAL a filter that does not compile; -ENOTDIR a reference is no directory (told); -ECANCELED stopped by options->stop. On success the caller owns
 * *ret_plan and frees it with dlk_plan_free(). `options` is copied, what it points to is borrowed until the plan
 * is freed. After an error options->figures, if it is not NULL, has the figures until then.
 */
DLK_API int dlk_scan(const struct dlk_options *options, const char *const *paths, size_t count,
		     struct dlk_plan **ret_plan);

/*
 * Carries the plan out. The plan must come from a scan with will_apply. A name that changed since, is in use or
 * cannot be proven equal is left as it was and counted. Afterwards dlk_plan_tally() and dlk_plan_each() tell what
 * was done. Returns 0 (also when single names failed: see tally.errors), -EINVAL for a plan made without
 * will_apply or applied before, -ECANCELED when stopped: what was done is done and counted, no name is missing.
 */
DLK_API int dlk_apply(struct dlk_plan *plan);

/* The figures, as of now; valid until the next call with this plan. */
DLK_API const struct dlk_tally *dlk_plan_tally(const struct dlk_plan *plan);

/* How the plan is, or was, carried out: one that was read says so itself. */
DLK_API enum dlk_method dlk_plan_method(const struct dlk_plan *plan);

/* Visits the sets in the order of their keepers' paths: the same for the same tree, whatever the threads. */
DLK_API int dlk_plan_each(const struct dlk_plan *plan, const struct dlk_plan_visitor *visitor, void *ctx);

/*
 * Visits equal files that are kept apart, if options->list_apart was set, in the order of the first of each set. A set has the file that
 * the others differ from, then those, each with one of its names: as many in all as dlk_tally.apart counts. Of a member, `freed` says
 * nothing; of the visitor, `moved_only` does not matter.
 */
DLK_API int dlk_plan_each_apart(const struct dlk_plan *plan, const struct dlk_plan_visitor *visitor, void *ctx);

/*
 * Keeps those sets for which `choose` returns other than 0; the others will not be applied. Sets that are not decided yet (see
 * dlk_options.decide) are dropped as well. The figures are those of what was kept. -EINVAL after dlk_apply(); -ENOMEM.
 */
DLK_API int dlk_plan_choose(struct dlk_plan *plan, int (*choose)(void *ctx, const struct dlk_set *set), void *ctx);

/*
 * Writes the plan to an open file as JSON lines: what was scanned, a line for each name to be replaced, the counts. People may
 * delete lines and choose other keepers; see dedupe-link(1). The plan must come from a scan without will_apply, which
 * decides about all files. -EINVAL; -ENOMEM; errors of writing, and of finding out the roots' real paths.
 */
DLK_API int dlk_plan_write(const struct dlk_plan *plan, int fd);

/*
 * Reads a plan, to be carried out by dlk_apply() (with options->will_apply) or only looked at. Nothing in it is trusted: names
 * must lie below its roots, and are opened beneath them; files that are not as they were planned are left
 * (DLK_REASON_CHANGED); all else is proven again when it is applied. A plan that is torn, or has a line that is none of a
 * plan, is refused whole. What must agree is what the plan says; but a plan that another user could write
 * cannot make less than DLK_RESPECT_DEFAULT agree. Of `options`, those that select files and sets have no effect. A cache gets
 * the run's row of history and is kept true; digests are neither asked for nor made.
 *
 * Errors as dlk_scan(); -EBADMSG: no plan, torn, or of a newer version (told); -ENOSYS: built without the means to read one.
 */
DLK_API int dlk_plan_read(const struct dlk_options *options, int fd, struct dlk_plan **ret_plan);

/* The same for one set. -ENOENT: there is none of this index. */
DLK_API int dlk_plan_set(const struct dlk_plan *plan, uint64_t index, const struct dlk_plan_visitor *visitor, void *ctx);

/* The path of a directory, by the number a member gave. The caller frees *ret_path with free(). -ENOENT, -ENOMEM. */
DLK_API int dlk_plan_dir(const struct dlk_plan *plan, uint64_t dir, char **ret_path);

/* The number of the directory right above, which is lower. -ENOENT: it is one of the paths, or the place of some. */
DLK_API int dlk_plan_dir_above(const struct dlk_plan *plan, uint64_t dir, uint64_t *ret_above);

/* Frees the plan and lets go of the lock. NULL is fine. */
DLK_API void dlk_plan_free(struct dlk_plan *plan);

/*
 * Finishes or undoes what dead runs left below the paths, and nothing else. Errors as dlk_scan().
 * *ret_tally says how many (recovered) and what went wrong (errors).
 */
DLK_API int dlk_recover(const struct dlk_options *options, const char *const *paths, size_t count,
			struct dlk_tally *ret_tally);

/* ---- from night to night ----------------------------------------------------------------------------------- */

/*
 * With options->cache, digests are remembered in that file by file system, inode number, size, times of modification and birth, so
 * that the next run reads only what is new. They nominate files for comparison, as all digests do; what is linked is compared.
 * The file is made with mode 0600. One that others could have written, that is no cache, or that is damaged is told
 * (DLK_REASON_CACHE_...) and done without, or a damaged one set aside; why, in `error`: EPERM others could have written it,
 * EMEDIUMTYPE no cache, EPROTO made by a newer version, ENOSYS this library was built without SQLite, or what opening
 * or writing it failed with. A scan with a cache writes to it also when it will not be applied.
 *
 * Each dlk_apply() leaves a row in it.
 */
struct dlk_past_run {
	int64_t started;  /* ns since the epoch */
	int64_t duration; /* ns, of scan and apply */
	bool complete;    /* it was not stopped, its journal could be written, and there was time for all */
	const char *const *roots; /* the paths, absolute; valid during the call */
	size_t root_count;
	uint64_t files_seen, inodes_seen, sets, links_made, inodes_freed, bytes_saved, bytes_read, errors; /* as in dlk_tally */
};

/*
 * Visits the runs that `cache` knows of, oldest first. Non-zero ends the iteration and is returned. Errors: -ENOENT there is no such
 * file; the negatives of those above; -EUCLEAN it is damaged (rows before the damage were visited).
 */
DLK_API int dlk_history_each(const char *cache, int (*visit)(void *ctx, const struct dlk_past_run *run), void *ctx);

/*
 * Gives each name that a journal tells of a file of its own again, the last line first: a copy with the old owner, mode and
 * mtime, proven equal, exchanged as dlk_apply() does it. Names that were links of one file become that again. A name that is
 * no link of its keeper any more, or whose keeper was written to since, is left as it is and counted as changed. A line
 * that is torn tells of nothing. Of `options`, only observe, stop, wait and tell_links have an effect.
 *
 * `fd` is read from where it stands to its end, then in pieces from there back; what cannot be read twice (a pipe) is kept in
 * memory. Errors as dlk_scan(); -EBADMSG: no journal, or of a newer version (told); -EPERM: one that
 * belongs to another user than this one and root, or that its group or anybody may write; -ENOSYS: built without the means to read one.
 */
DLK_API int dlk_undo(const struct dlk_options *options, int fd, struct dlk_tally *ret_tally);

/*
 * Tells what dlk_undo() would do now, by the same events and figures, and changes nothing: it takes no lock and no lease. Told are names
 * that changed, directories that may not be written, and copies for which the file system has no room (ENOSPC). Not that
 * a file is in use, nor what only the attempt shows. Of `options`, observe, stop and tell_links have an effect. Errors as dlk_undo().
 */
DLK_API int dlk_undo_foresee(const struct dlk_options *options, int fd, struct dlk_tally *ret_tally);

/* ---- one pair -------------------------------------------------------------------------------------------- */

enum dlk_replace_flags {
	DLK_FOLLOW = 1 << 0, /* when src is a symlink, use the file it leads to; without it, -ELOOP */
	DLK_NO_SYNC = 1 << 1, /* do not make src durable first (a caller that synced already) */
};

/* What dlk_replace_at did. */
struct dlk_replaced {
	bool already;         /* both names were links to one inode: nothing to do */
	bool freed;           /* the old inode's last link went */
	bool weaker;          /* no lease could be had; stamps and a second comparison were used */
	uint64_t bytes_saved; /* as in dlk_tally */
	char kept[256];       /* "", or the name beside dst of a file that was kept; set after an error too */
};

/*
 * Makes dst another name of the file src, as link(2) would, but dst exists and is replaced atomically, and only
 * when its content is proven equal at that moment. Either path is relative to its directory descriptor or, with
 * AT_FDCWD, to the working directory. Owner, mode and other metadata are not compared: dst takes src's. But a file that is
 * encrypted (fscrypt), or under fs-verity, takes no place of one that is not, nor the other way round.
 *
 * Returns 0 and, if ret is not NULL, fills it. Where another program wrote to dst or replaced it in just that moment, and it cannot be
 * told which file is the newest, or its write came too late, both are kept: ret->kept names the other. Errors leave dst as it was; but where the old file's temporary name can
 * neither be unlinked nor be exchanged back (-EIO, -EROFS ...), dst may be src already, and dlk_recover() finishes it:
 *   -EISDIR  src or dst is a directory             -EXDEV   they lie on different file systems or mounts
 *   -ENOENT  src or dst does not exist             -ELOOP   src without DLK_FOLLOW, or dst, is a symlink
 *   -EINVAL  either is no regular file, or unknown flags
 *   -EILSEQ  both are regular files and their contents differ
 *   -EBUSY   another program has one of them open for writing, or changed one meanwhile: try later
 *   -EPERM   one is encrypted or under fs-verity and the other is not
 *   -EMLINK, -EROFS, -EACCES, -EPERM, -ENOSPC, -EIO ... from the kernel
 */
DLK_API int dlk_replace_at(int src_dirfd, const char *src, int dst_dirfd, const char *dst, unsigned flags,
			   struct dlk_replaced *ret);

#ifdef __cplusplus
}
#endif
#endif
