/* SPDX-License-Identifier: MIT */
/*
 * lease.c - F_SETLEASE, F_GETLEASE and the clock
 *
 *	            lease_take                      break pending, taken by force,
 *	LEASE_NONE -----------> LEASE_HELD  ------------------------------------> LEASE_BROKEN
 *	     ^                      |          a writer found, too slow a probe        |
 *	     +----------------------+------------------- lease_drop -------------------+
 *
 * The idea: a lease proves that nobody wrote only if it was held without a gap. F_GETLEASE shows the gap that began
 * before it was asked. A gap between F_GETLEASE and the F_SETLEASE after it (fs/locks.c, generic_add_lease, gives a
 * fresh lease as if nothing had been) takes the kernel at least lease-break-time, so the clock shows it.
 */
#include "lease.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "../base/fail.h"

int lease_take(int fd, struct lease *ret)
{
	int64_t before = sys->now();
	int r = sys->fcntl(fd, F_SETLEASE, F_RDLCK);
	if (r == -EAGAIN || (r < 0 && fail_kind(r) == FAIL_RESOURCE))
		return r;
	*ret = (struct lease){ .fd = fd, .state = r < 0 ? LEASE_NONE : LEASE_HELD, .seen = before };
	return 0;
}

enum lease_state lease_look(struct lease *lease)
{
	if (lease->state != LEASE_HELD)
		return lease->state;
	int64_t before = sys->now();
	if (sys->fcntl(lease->fd, F_GETLEASE, 0) == F_RDLCK)
		lease->seen = before;
	else
		lease->state = LEASE_BROKEN;
	return lease->state;
}

enum lease_state lease_probe(struct lease *lease)
{
	if (lease_look(lease) != LEASE_HELD)
		return lease->state;
	int r = sys->fcntl(lease->fd, F_SETLEASE, F_RDLCK);
	if (r < 0 || sys->now() - lease->seen > lease_patience())
		lease->state = LEASE_BROKEN;
	return lease->state;
}

/* A lease that was taken away already answers EAGAIN: then there is nothing to unlock. */
void lease_drop(struct lease *lease)
{
	if (lease->state != LEASE_NONE)
		sys->fcntl(lease->fd, F_SETLEASE, F_UNLCK);
	lease->state = LEASE_NONE;
}

/* ---- the break time ---- */

/* Half of lease-break-time in ns; 0: not read yet. Read again by lease_signal_begin, for it is asked at every drop. */
static _Atomic int64_t patience;

/* 0 (and below, printed with a sign and so read as 0) lets a breaker wait for ever: fs/locks.c, __break_lease. */
static int64_t read_patience(void)
{
	int64_t seconds = sys_setting("/proc/sys/fs/lease-break-time");
	if (seconds < 0)
		return 0;
	return seconds == 0 || seconds > INT32_MAX ? INT64_MAX : seconds * NS_PER_S / 2;
}

int64_t lease_patience(void)
{
	const int64_t unknown = NS_PER_S / 2; /* of the shortest time that can be set */
	int64_t known = atomic_load_explicit(&patience, memory_order_relaxed);
	if (known)
		return known;
	known = read_patience();
	if (!known)
		return unknown;
	atomic_store_explicit(&patience, known, memory_order_relaxed);
	return known;
}

/* ---- SIGIO ---- */

static struct {
	pthread_mutex_t mutex;
	unsigned depth;
	bool ours; /* we set it to ignored */
} guard = { .mutex = PTHREAD_MUTEX_INITIALIZER };

void lease_signal_begin(void)
{
	atomic_store_explicit(&patience, read_patience(), memory_order_relaxed);
	pthread_mutex_lock(&guard.mutex);
	struct sigaction now;
	if (guard.depth++ == 0 && !sigaction(SIGIO, NULL, &now) && now.sa_handler == SIG_DFL) {
		signal(SIGIO, SIG_IGN);
		guard.ours = true;
	}
	pthread_mutex_unlock(&guard.mutex);
}

void lease_signal_end(void)
{
	pthread_mutex_lock(&guard.mutex);
	struct sigaction now;
	if (--guard.depth == 0 && guard.ours) {
		guard.ours = false;
		if (!sigaction(SIGIO, NULL, &now) && now.sa_handler == SIG_IGN) {
			/* Ignoring it anew throws away one that is pending while it is blocked: it would kill later */
			signal(SIGIO, SIG_IGN);
			signal(SIGIO, SIG_DFL);
		}
	}
	pthread_mutex_unlock(&guard.mutex);
}
