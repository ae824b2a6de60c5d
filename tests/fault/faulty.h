/* SPDX-License-Identifier: MIT */
/*
 * faulty.h - a table of kernel calls in which call n goes wrong
 *
 * Calls are counted over all entries that can fail. Time is made up (it stands still but for sleeps), so that a run
 * makes the same calls each time and waits for nothing. Besides, the table watches three laws while it is in force: the
 * root is locked before anything is linked, a keeper is on disk before its link takes a name's place, and a temporary
 * name is unlinked only after something looked at it.
 *
 * An actor is another program: it does one thing to a name just before or just after an exchange of that name, or
 * later.
 */
#ifndef FAULT_FAULTY_H
#define FAULT_FAULTY_H

#include "../../src/sys/sys.h"
#include "tree.h"

enum entry {
	ENTRY_OPENAT,
	ENTRY_OPENAT2,
	ENTRY_CLOSE,
	ENTRY_GETDENTS,
	ENTRY_STATX,
	ENTRY_FSTATFS,
	ENTRY_READ,
	ENTRY_WRITE,
	ENTRY_PREAD,
	ENTRY_PWRITE,
	ENTRY_LSEEK,
	ENTRY_FADVISE,
	ENTRY_CACHESTAT,
	ENTRY_MINCORE,
	ENTRY_LEASE_TAKE, /* fcntl */
	ENTRY_LEASE_ASK,
	ENTRY_LEASE_DROP,
	ENTRY_FCNTL, /* any other */
	ENTRY_IOCTL,
	ENTRY_FLISTXATTR,
	ENTRY_FGETXATTR,
	ENTRY_COPY,
	ENTRY_FTRUNCATE,
	ENTRY_FCHOWN,
	ENTRY_FCHMOD,
	ENTRY_FSETXATTR,
	ENTRY_FREMOVEXATTR,
	ENTRY_INOTIFY_INIT,
	ENTRY_INOTIFY_ADD,
	ENTRY_INOTIFY_RM,
	ENTRY_FUTIMENS,
	ENTRY_READLINKAT,
	ENTRY_FLOCK,
	ENTRY_FDATASYNC,
	ENTRY_SYNCFS,
	ENTRY_LINKAT,
	ENTRY_RENAMEAT2,
	ENTRY_UNLINKAT,
	ENTRY_GETRANDOM,
	ENTRIES,
};

/* Faults that are no errno. */
enum {
	NOTHING = -1, /* returns 0: the end */
	HALF = -2,    /* half of what was asked for */
	BREAK = -3,   /* a break of the lease is pending */
};

enum { VARIANTS = 13, CALLS_MOST = 8192 };

struct entry_faults {
	const char *name;
	bool modifies;
	int errors[VARIANTS]; /* errnos or the above; 0 ends them */
};

extern const struct entry_faults faulty_entries[ENTRIES];

enum fault_mode {
	FAULT_NONE,
	FAULT_ONCE,  /* call n fails */
	FAULT_ON,    /* call n and all after it of the same entry fail */
	FAULT_LIE,   /* call n does what it should, and says that it failed (a network file system's lost answer) */
	FAULT_STALL, /* before call n the process stands still for longer than lease-break-time */
	FAULT_DIE_BEFORE,
	FAULT_DIE_AFTER,
	FAULT_MEMORY_ONCE, /* allocation n fails: memory.h */
	FAULT_MEMORY_ON,
};

struct fault {
	enum fault_mode mode;
	unsigned nth; /* from 1 */
	int error;
};

/* What the machine lacks, whatever else goes wrong. */
enum world {
	WORLD_NO_EXCHANGE = 1 << 0, /* renameat2 knows no RENAME_EXCHANGE */
	WORLD_NO_LEASES = 1 << 1,
	WORLD_NO_OPENAT2 = 1 << 2,
	WORLD_LATER = 1 << 3, /* the wall clock is ahead, not behind: files look old, so that syncing the file system covers them */
};

enum act {
	ACT_NONE,
	ACT_SAVE, /* a new file renamed over the name */
	ACT_DELETE,
	ACT_CHMOD, /* of the old file, by whoever looked the name up in time */
	ACT_DIR,   /* a directory in the file's place */
	ACT_WRITE, /* into the old file: only where there are no leases */
	ACT_FORGE, /* the same, and puts the time back */
	ACT_ASK,   /* opens the old file for writing, without waiting for it */
	ACT_HOLD,  /* has it open for writing all the while, and writes at the end */
};

enum when { WHEN_BEFORE, WHEN_AFTER, WHEN_GRACE };

struct actor {
	enum act act;
	enum when when;    /* before the exchange, after it, or in the grace that follows */
	unsigned exchange; /* which, from 1 */
};

/* What a faulted process tells the one that checks it: lies in shared memory, so that it survives a death. */
struct report {
	unsigned calls, allocations;     /* made */
	unsigned char order[CALLS_MOST]; /* enum entry of each */
	unsigned fired;                  /* how many calls were made to fail */
	enum entry entry;                /* of call n */
	int phase;                       /* enum dlk_phase when it came to call n */
	unsigned modified;               /* linkat, renameat2 and unlinkat that succeeded */
	bool acted;
	char acted_on[64]; /* the name */
	char broken[256];  /* a law that was broken, or "" */
};

/* Puts the table in force for this process. Everything is borrowed. `die_modified`: dies after so many modifying calls.
 * `locked`: the directory that must be locked, or NULL. */
void faulty_begin(const struct fault *fault, unsigned world, const struct actor *actor, unsigned die_modified,
		  const char *locked, struct report *report);
void faulty_end(void);

/* For ACT_HOLD: the write at last; `path` is from the working directory. Begins before faulty_begin. */
int faulty_hold(int dirfd, const char *path);
void faulty_let_go(int fd, const char *name, struct report *report);

/* What the actor leaves at the name. */
extern const struct content actor_saved;
enum { ACTOR_MODE = 0600 };

/* The phase the run is in, for the report. */
void faulty_phase(int phase);

#endif
