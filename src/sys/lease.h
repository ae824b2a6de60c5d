/* SPDX-License-Identifier: MIT */
/*
 * lease.h - fcntl(2) read leases: the kernel tells us before anybody else can write
 *
 * While a read lease is held, another program's open for writing and its truncate wait until we let go, or until
 * /proc/sys/fs/lease-break-time seconds have passed. What experiments showed, and where it is handled:
 *   - a lease is refused (EAGAIN) while anybody has the inode open for writing or mapped shared and writable;
 *   - F_GETLEASE shows a pending break as F_UNLCK, and so it shows a lease that was taken away by force;
 *   - F_GETLEASE does not show a writer that has write access and has not come to the lease check: lease_probe;
 *   - chmod, chown, utime, rename, link and unlink break no lease: look at stamps as well;
 *   - a broken lease sends SIGIO, which ends a process without a handler: lease_signal_begin;
 *   - the lease belongs to the open file: a forked child that inherits it keeps it, so unlock, then close.
 */
#ifndef SYS_LEASE_H
#define SYS_LEASE_H

#include "sys.h"

enum lease_state {
	LEASE_NONE,   /* none taken, or none to be had here */
	LEASE_HELD,
	LEASE_BROKEN, /* somebody waits for it or took it; stays so */
};

struct lease {
	int fd; /* borrowed */
	enum lease_state state;
	int64_t seen; /* when it was last known to be held, before the look began (sys->now) */
};

/*
 * Takes a read lease on fd. 0 with state LEASE_HELD; 0 with state LEASE_NONE where none can be had (not the owner and
 * no CAP_LEASE, or a file system without leases); -EAGAIN: in use, somebody has it open for writing; -ENOMEM. NFS
 * says EAGAIN for ever to a client without a delegation: do not ask where mount_facts.leases_here is false.
 */
MUST_CHECK int lease_take(int fd, struct lease *ret);

/* Looks whether it still holds; never LEASE_HELD again once it was broken. LEASE_NONE stays. */
enum lease_state lease_look(struct lease *lease);

/*
 * Looks, then takes it again, which fails while a writer has access but has not reached the lease check; and looks at
 * the clock: when more than half of the break time passed since the last look, the kernel may have taken the lease
 * away and a writer have come and gone in between, so that counts as broken.
 */
enum lease_state lease_probe(struct lease *lease);

/* Unlocks, before the descriptor is closed. */
void lease_drop(struct lease *lease);

/*
 * Half of the time the kernel waits before it breaks a lease by force, in ns; INT64_MAX when it never does. Read once
 * and remembered, until the next lease_signal_begin reads it anew. Where it cannot be read: half a second, the least
 * there is.
 */
int64_t lease_patience(void);

/*
 * Sets SIGIO to ignored if it is the default, counted, so that calls nest and threads may overlap; the last end sets it
 * back. One pair around all work with leases.
 */
void lease_signal_begin(void);
void lease_signal_end(void);

#endif
