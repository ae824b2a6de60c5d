/* SPDX-License-Identifier: MIT */
/*
 * replace.pml - the replacement of one name, against everybody else, in every order
 *
 * Two worlds run side by side. In the real one our runs work; in the other, the `want` world, they never existed.
 * Every actor (a writer, a saver, a deleter ...) does each of its steps in both worlds at once. When all is quiet the
 * two are compared name by name: whatever an actor did must be there as it would have been without us. So nobody has
 * to write down what "lost" means for each mix of actors, and the checker tries every order of all steps.
 *
 * One statement of a process is one kernel call; between any two of them anybody else may act. The steps of our run are
 * named as the functions of src/core that do them: lock, lease, prove, sync, stage, look, exchange, verify, grace,
 * probe, drop, account, undo, recover. README.md says what is modelled and what is not.
 *
 * -D ...
 *   ACTORS=A+B    these actors take part, each once; see the list below
 *   ANY=N         and up to N others, whichever
 *   CRASH CRASH_TWICE RECOVERY SECOND_RUN POWERCUT STALL LONG_STOP
 *                 what may happen, at any point
 *   E_LINK        the target has a second name E, which no run touches
 *   COUNT_x       what user space cannot close, and is excused otherwise, counts as a loss
 *   NO_x ...      one protection less; explained where it is taken away, and in README.md
 *   REACH_x       fails on purpose when x happens: shows that the clean results are not empty
 */

/* ---- who takes part ----------------------------------------------------------------------------------------------- */

/* Those that change an inode; the same bits say which updates it has. */
#define WRITER_OLD     1   /* writes in place through D */
#define WRITER_OLD2    2   /* another */
#define WRITER_KEEPER  4   /* writes in place through K */
#define CHMOD          8   /* of D */
#define CHMOD_KEEPER   16  /* of K */
#define XATTR          32  /* sets one on D */
#define XATTR_KEEPER   64  /* ... on K */
/* Those that change a name. */
#define SAVER          128 /* renames a new file over D */
#define SAVER2         256
#define SAVER_KEEPER   512
#define DELETER        1024
#define DELETER_KEEPER 2048
#define MOVER          4096 /* renames D to E */
#define MOVER_KEEPER   8192
#define UNLINK_OTHER   16384 /* deletes another name of the keeper, one that no run knows */

#ifndef ACTORS
#define ACTORS 0
#endif
#ifndef ANY
#define ANY 0
#endif
#if defined(CRASH_TWICE) && !defined(CRASH)
#define CRASH
#endif

/* ---- the file system ---------------------------------------------------------------------------------------------- */

/* Names. K is the keeper's, D the target's; E is where a mover puts things; each run has a temp name of its own. */
#define K  0
#define D  1
#define E  2
#define T0 3
#define RUNS 3
#define NAMES 6

/* Inodes. KEEPER and TARGET begin with the same bytes and metadata; a save is a new inode with new bytes. */
#define NONE   0
#define KEEPER 1
#define TARGET 2
#define SAVE1  3
#define SAVE2  4
#define SAVE_K 5
#define INODES 6

/* Updates of metadata: made without write access, so no lease is in their way. Of these statx does not show xattrs. */
#define META   (CHMOD | CHMOD_KEEPER | XATTR | XATTR_KEEPER)
#define XATTRS (XATTR | XATTR_KEEPER)

byte name[NAMES];    /* the real world: which inode a name leads to */
byte upd[INODES];    /* ... and the version of each inode: the set of the updates made to it */
byte want[3];        /* the world without us: K, D and E only */
byte want_upd[INODES];

bool moved[INODES];  /* ctime is another than the one noted last */
byte writers[INODES]; /* descriptors with write access */
byte leases[INODES]; /* read leases: one bit for each run */
bool breaking[INODES]; /* an opener waits for them to go */

byte other_links;    /* more names of the keeper, elsewhere */
bool durable;        /* the keeper's data is on disk */
bool linked;         /* D's content is the keeper's, by our exchange */
byte shared;         /* updates of the keeper made since: they show at D, as a hard link's do */
byte kept;           /* one bit for each inode kept aside and reported */
bool cut_lost;       /* the power cut took a name's content */

byte gap;            /* actors between path lookup and taking effect (a writer: write access) */
byte halted;         /* those of them that are stopped for longer than any grace */
byte through;        /* actors that came to the keeper through D */
byte asks;           /* actors that wait in a lease */
byte excused;        /* updates of actors that came through D just before an undo */
bool late;           /* lease-break-time has passed since the clock was noted: who waits for a lease may take it */
bool stalled;        /* ... did so once */

byte locked;         /* by run id + 1 */
bool running[RUNS];
bool killed[RUNS];
bool cut;            /* the power is gone */
bool died;           /* a run was killed or lost power */
byte left;           /* actors and runs still at work */
byte actors;         /* how many actors take part */
byte by_d;           /* ... those among them that come through D */
byte dropped, undone, put_back_once, kept_once, recovered; /* for REACH_ only */

/* SECOND_RUN starts whenever it likes; RECOVERY, when the first run is over. */
#ifdef SECOND_RUN
#define at_any_time true
#else
#define at_any_time false
#endif

/* The bytes an inode began with, and whether two are equal in all. */
#define base(i)      (i == TARGET -> KEEPER : i)
#define same(i, j)   (base(i) == base(j) && upd[i] == upd[j])
#define nlink(i)     ((name[K] == i) + (name[D] == i) + (name[E] == i) + (name[3] == i) + (name[4] == i) + \
                      (name[5] == i) + (i == KEEPER -> other_links : 0))

/* What statx shows of an inode's version, apart from ctime. */
#define seen(i)      (upd[i] & ~XATTRS)

#if defined(REACH_DROP) || defined(REACH_UNDO) || defined(REACH_PUT_BACK) || defined(REACH_KEEP) || \
    defined(REACH_RECOVER)
#define reached(what) what = 1
#else
#define reached(what) skip
#endif

/* ---- kernel calls of a run ---------------------------------------------------------------------------------------- */

#define me (1 << id)
#define T  (T0 + id)

/* A look: one call, one answer. */
#define must(cond, otherwise) if :: (cond) :: else -> goto otherwise fi

/* fcntl F_SETLEASE F_RDLCK: EAGAIN while anybody has write access, be it before or in the wait for a lease. */
inline setlease(i, ret_ok)
{
	d_step {
		ret_ok = (writers[i] == 0);
		if
		:: ret_ok -> leases[i] = leases[i] | me
		:: else -> skip
		fi
	}
}

#define setlease_or(i, otherwise) atomic { setlease(i, ok); must(ok, otherwise) }

/* fcntl F_SETLEASE F_UNLCK. */
inline unlease(i)
{
	d_step {
		leases[i] = leases[i] & ~me;
		if
		:: leases[i] == 0 -> breaking[i] = false
		:: else -> skip
		fi
	}
}

/* fcntl F_GETLEASE: F_UNLCK when somebody waits and when it was taken by force. */
#if defined(NO_LEASE) || defined(NO_GETLEASE)
#define holds(i) true
#else
#define holds(i) ((leases[i] & me) && !breaking[i])
#endif

/*
 * renameat2 RENAME_EXCHANGE of t and D; ctime of both moves. ENOENT when one of them is not there. `noticed`: actors that are not
 * excused, since a look after the exchange shows them.
 */
inline swap(t, ret_got, ret_gone, noticed)
{
	d_step {
		ret_got = name[t];
		ret_gone = (name[D] == NONE || name[t] == NONE);
		if
		:: !ret_gone ->
			ret_got = name[D];
			name[D] = name[t];
			name[t] = ret_got;
			moved[name[D]] = true;
			moved[ret_got] = true;
			if
			:: name[D] == KEEPER -> linked = true
			:: ret_got == KEEPER ->
				/* Whoever came to the keeper through D writes to the wrong file from now on. */
				linked = false;
#ifndef COUNT_TWO_AT_ONCE
				excused = excused | (by_d > 1 -> through & ~noticed : 0);
#endif
#ifndef COUNT_STALL
				excused = excused | (late -> through & ~noticed : 0);
#endif
			:: else -> skip
			fi
		:: else -> skip
		fi
	}
}

inline unlink(t)
{
	d_step { moved[name[t]] = true; name[t] = NONE }
}

/* Renames it to a name that says that it was kept; and the report says so. */
inline keep(t)
{
	d_step { kept = kept | (1 << name[t]); name[t] = NONE; reached(kept_once) }
}

/* ---- the steps ---------------------------------------------------------------------------------------------------- */

/* Step 0. Held until the run ends or dies. */
inline lock()
{
#ifdef NO_LOCK
	skip;
#else
	atomic { locked == 0 && (id == 0 || at_any_time || !running[0]) -> locked = id + 1 }
#endif
}

/* Step 1. Leases on both. */
inline lease()
{
	must(name[K] == KEEPER, leave); /* opened and found as scanned */
	must(name[D] == TARGET, leave);
#ifndef NO_LEASE
	setlease_or(KEEPER, leave);
	setlease_or(TARGET, leave);
#endif
}

/* Step 2. Bytes and metadata compared, between two looks at the stamps; ctime noted. */
inline prove()
{
	atomic {
		must(upd[KEEPER] == 0 && upd[TARGET] == 0, leave);
		moved[TARGET] = false
	}
}

/* Step 3. */
inline sync()
{
#ifndef NO_SYNC
	durable = true
#else
	skip
#endif
}

/* Step 4. The keeper's descriptor is linked, so T is what was compared, whatever K leads to by now. */
inline stage()
{
	name[T] = KEEPER;
	e0 = nlink(KEEPER)
}

/* Step 5. The clock is noted before the leases are looked at: they show what broke until now, it shows the rest. */
inline look()
{
	late = false;
	must(holds(KEEPER), abandon);
	must(holds(TARGET), abandon);
#ifndef NO_LOOK_STAMPS
	atomic { at_look = upd[KEEPER]; must(seen(KEEPER) == 0, abandon) };
#else
	at_look = upd[KEEPER];
#endif
#ifndef NO_KEEPER_XATTRS
	/* Our own link moved the keeper's ctime, so that it says nothing. */
	atomic {
		must((upd[KEEPER] & XATTRS) == 0, abandon);
		at_look = at_look & ~XATTRS
	};
#endif
#ifndef NO_LOOK_STAMPS
	must(seen(TARGET) == 0 && !moved[TARGET], abandon);
#endif
	must(name[D] == TARGET, abandon);
	must(name[T] == KEEPER, abandon)
}

/* Step 6. */
inline exchange()
{
	atomic {
		swap(T, got, gone, 0);
#ifndef COUNT_KEEPER_META
		shared = shared | (upd[KEEPER] & META & ~at_look);
#endif
		must(!gone, abandon)
	}
}

/* Step 7. One statx gives stamps and the ctime that our exchange made, which is noted. */
inline verify()
{
#ifndef NO_SECOND_LOOK
	must(name[T] == TARGET, put_back);
	atomic { must(seen(TARGET) == 0, put_back); moved[TARGET] = false };
	must(holds(TARGET), put_back);
#ifndef NO_CLOCK
	must(!late, put_back);
#endif
#else
	moved[TARGET] = false;
#endif
	/* From here on the keeper's lease is not needed; it may be let go now or with the target's. */
	if
	:: unlease(KEEPER)
	:: skip
	fi
}

/*
 * Some milliseconds: whoever was between lookup and write access when they began has write access when they end, unless
 * it was stopped for longer.
 */
inline wait_out()
{
#ifndef NO_GRACE
	waiting = gap & ~halted;
	d_step { (waiting & gap) == 0 -> waiting = 0 }
#else
	skip
#endif
}

/* Step 8. */
inline grace()
{
#ifndef NO_GRACE
	waiting = gap & ~halted;
	do
	:: !holds(TARGET) -> goto put_back
#ifdef UNDO_ON_KEEPER_BREAK
	:: breaking[KEEPER] -> goto put_back
#endif
	:: (waiting & gap) == 0 -> break
	od;
	waiting = 0
#else
	skip
#endif
}

/* Step 9, all but the unlink, in this order. */
inline probe()
{
	must(holds(TARGET), put_back);
#if !defined(NO_PROBE) && !defined(NO_LEASE)
	setlease_or(TARGET, put_back);
#endif
#ifndef NO_STAMPS_AFTER
	must(seen(TARGET) == 0 && !moved[TARGET], put_back);
#endif
#ifndef NO_XATTRS_AFTER
	/* Step 7's ctime hides an xattr set between steps 5 and 7: the exchange moved ctime anyway. */
	must((upd[TARGET] & XATTRS) == 0, put_back)
#else
	skip
#endif
}

inline drop()
{
	unlink(T);
	reached(dropped)
}

/* Step 10. What is noticed here comes too late to be undone: reported, and the leases go. */
inline account()
{
	unlease(TARGET);
	unlease(KEEPER)
}

/* ---- undo --------------------------------------------------------------------------------------------------------- */

/* Nobody has it open for writing, nobody is about to, and it is the version we know. The lease stays. */
inline quiet(i, version, ret_ok)
{
#ifdef DROP_AT_ONCE
	ret_ok = true
#else
	setlease(i, ret_ok);
	if
	:: ret_ok ->
		wait_out();
		setlease(i, ret_ok);
		if
#ifdef QUIET_WITHOUT_XATTRS
		:: ret_ok -> ret_ok = (seen(i) == version)
#else
		:: ret_ok -> ret_ok = (upd[i] == version)
#endif
		:: else -> skip
		fi
	:: else -> skip
	fi
#endif
}

/*
 * The old file may go although D is not ours to judge: it is as it was proven, and so is the keeper, whose link went
 * wherever D went.
 */
inline old_may_go(t)
{
	ok = (name[t] == TARGET);
	if
	:: ok -> quiet(TARGET, 0, ok)
	:: else -> skip
	fi;
#ifndef NO_KEEPER_CHECK
	if
	:: ok -> ok = (upd[KEEPER] == 0)
	:: else -> skip
	fi;
#endif
	skip
}

inline drop_or_keep(t, ok_)
{
	if
	:: ok_ -> unlink(t)
	:: else -> keep(t)
	fi
}

/* D is not what we put there: deleted, moved away, saved over, or moved away and made anew. All look alike. */
inline d_is_another(t)
{
#if defined(ENOENT_MEANS_DELETED)
	if
	:: at_d == NONE -> ok = true
	:: else -> old_may_go(t)
	fi;
#elif defined(OTHER_INODE_MEANS_SAVED)
	if
	:: at_d != NONE -> quiet(put, put_version, ok)
	:: else -> old_may_go(t)
	fi;
#elif defined(LINK_COUNT_MEANS_SAVED)
	/* The keeper has a link less and its own name is not the one that went: our link at D was saved over? */
	if
	:: at_d != NONE ->
		ok = (nlink(KEEPER) < e0);
		if
		:: ok -> ok = (name[K] == KEEPER)
		:: else -> skip
		fi;
		if
		:: ok -> quiet(put, put_version, ok)
		:: else -> skip
		fi
	:: else -> old_may_go(t)
	fi;
#else
	old_may_go(t);
#endif
	drop_or_keep(t, ok)
}

/* T is what we put at D last, so the newest is at D. T is the keeper's extra link, or a file that was stale there. */
inline stale(t)
{
	if
	:: got == KEEPER && nlink(KEEPER) > 1 -> ok = true
	:: got == KEEPER && nlink(KEEPER) <= 1 -> quiet(KEEPER, last_version, ok)
#ifdef STALE_IS_DROPPED
	/* Did not change since it was put; but it may be newer than what was proven, and D's link be moved elsewhere. */
	:: got != KEEPER -> quiet(got, last_version, ok)
#else
	:: got != KEEPER -> old_may_go(t)
#endif
	fi;
	drop_or_keep(t, ok)
}

#if defined(PUT_BACK_ONCE)
#define newest_is_back true
#elif defined(SWAP_FOR_EVER)
#define newest_is_back (got == KEEPER || (got == TARGET && upd[TARGET] == 0))
#else
#define newest_is_back (got == last)
#endif

/*
 * Exchanges back until what comes out is what we put there last: then nobody's save is in T. Each further round needs
 * another program's rename in the moment between, so it ends.
 */
inline undo()
{
	reached(undone);
	last = KEEPER;
	last_version = 0;
	rounds = 0;
	do
	:: true ->
		assert(rounds < 6);
		d_step { put = name[T]; put_version = upd[put] }; /* a look at T */
		at_d = name[D];                                   /* a look at D */
		if
		:: at_d != last -> d_is_another(T); break
		:: else -> skip
		fi;
#ifdef PUT_BACK_BY_RENAME
		d_step { name[D] = put; name[T] = NONE; linked = false; excused = excused | (by_d > 1 -> through : 0) };
		break;
#endif
		swap(T, got, gone, 0);
		rounds++;
		reached(put_back_once);
		if
		:: gone -> skip /* the next look sees it */
#ifdef PUT_BACK_ONCE
		:: !gone && got != last -> unlink(T); break
		:: !gone && got == last -> stale(T); break
#else
		:: !gone && newest_is_back -> stale(T); break
		:: !gone && !newest_is_back -> last = put; last_version = put_version
#endif
		fi
	od
}

/* ---- recover ------------------------------------------------------------------------------------------------------ */

/* Two at once: what one did to D takes from another, who came to the keeper through D, the way back. */
#ifdef COUNT_TWO_AT_ONCE
#define excuse_unless(fine) skip
#else
#define excuse_unless(fine) excused = excused | (!(fine) && by_d > 1 -> through : 0)
#endif

/* The look at the lease after recovery's exchange. */
#ifdef NO_LOOK_PUT_BACK
#define asked_for(i) false
#else
#define asked_for(i) (!holds(i))
#endif

/*
 * T is something else than the target as it was: a save that the exchange caught, or the target with a write in it. It
 * belongs at D if D is still our link of the keeper, unchanged and unused.
 */
inline exchange_back(t)
{
	ok = (name[D] == KEEPER && upd[KEEPER] == 0 && nlink(KEEPER) > 1);
	if
	:: ok ->
		setlease(KEEPER, ok);
		if
		:: ok -> wait_out(); setlease(KEEPER, ok)
		:: else -> skip
		fi;
		if
		:: ok -> ok = (name[D] == KEEPER && upd[KEEPER] == 0)
		:: else -> verdict = NEXT_RUN /* in use */
		fi
	:: else -> skip
	fi;
	if
	:: ok ->
		swap(t, got, gone, asks);
		reached(recovered);
		if
		:: !gone && got == KEEPER && !asked_for(KEEPER) -> ok = (nlink(KEEPER) > 1); drop_or_keep(t, ok)
		:: !gone && got == KEEPER && asked_for(KEEPER) ->
			/* Somebody opened D and waits: they have what D was. In use. */
			swap(t, got, gone, 0);
			excuse_unless(!gone); /* moved away or deleted in just that moment */
			verdict = NEXT_RUN
		:: !gone && got != KEEPER -> swap(t, got, gone, 0); keep(t) /* another save: it belongs at D */
		:: gone -> keep(t)
		fi
	:: !ok && verdict == OTHERWISE -> keep(t)
	:: !ok && verdict != OTHERWISE -> skip
	fi
}

/*
 * What a dead run left at t. Its name says which inodes were keeper and target and in which version; those are KEEPER,
 * TARGET and no update at all. Ends with t dropped, put back, kept, or left for the next run.
 */
inline recover_one(t)
{
	got = name[t];
	verdict = OTHERWISE;
	if
#ifdef RECOVERY_ANOTHER_LINK
	:: nlink(got) > 1 -> unlink(t); verdict = DONE
	:: nlink(got) <= 1 && got == KEEPER ->
#else
	:: got == KEEPER ->
#endif
		if
		:: nlink(KEEPER) > 1 -> unlink(t)
		:: else -> ok = (name[D] != NONE && same(name[D], KEEPER)); drop_or_keep(t, ok)
		fi;
		verdict = DONE
	:: got == TARGET && seen(TARGET) == 0 ->
#ifdef RECOVERY_BY_LOOK
		ok = true;
#else
		setlease(TARGET, ok);
		if
		:: ok -> wait_out(); setlease(TARGET, ok)
		:: else -> skip
		fi;
#endif
		if
		:: !ok -> verdict = NEXT_RUN /* in use */
		:: ok && name[D] != NONE && same(name[D], TARGET) -> unlink(t); reached(recovered); verdict = DONE
		:: else -> skip
		fi
	:: else -> skip
	fi;
	if
#ifdef RECOVERY_KEEPS
	:: verdict == OTHERWISE -> keep(t)
#else
	:: verdict == OTHERWISE -> exchange_back(t)
#endif
	:: else -> skip
	fi
}

inline recover()
{
	slot = 0;
	do
	:: d_step { slot < RUNS && (slot == id || name[T0 + slot] == NONE) -> slot++ }
	:: slot < RUNS && slot != id && name[T0 + slot] != NONE ->
		recover_one((T0 + slot));
		unlease(TARGET);
		unlease(KEEPER);
		slot++
	:: slot == RUNS -> break
	od;
	atomic { slot = 0; got = 0; verdict = 0; ok = false; gone = false }
}

mtype = { OTHERWISE, DONE, NEXT_RUN };

/* The kernel closes what a process had open, however it ends. */
inline release(who)
{
	d_step {
		slot = 0;
		do
		:: slot < INODES ->
			leases[slot] = leases[slot] & ~(1 << who);
			if
			:: leases[slot] == 0 -> breaking[slot] = false
			:: else -> skip
			fi;
			slot++
		:: else -> break
		od;
		slot = 0;
		running[who] = false;
		if
		:: locked == who + 1 -> locked = 0
		:: else -> skip
		fi
	}
}

/* A whole run. `link` is false for the night after, which only recovers. */
proctype dedupe(byte id; bool link)
{
	byte e0, got, put, put_version, last, last_version, at_d, at_look, rounds, slot, waiting;
	mtype verdict;
	bool ok, gone;

	{
		lock();
		recover();
		must(link, leave);

		lease();
		prove();
		sync();
		stage();
		look();
		exchange();
		verify();
		grace();
		probe();
		drop();
		account();
		goto leave;
put_back:
		undo();
		goto leave;
abandon:
		unlink(T); /* still the keeper's link: nothing was exchanged */
leave:
		skip
	} unless { killed[id] };
	atomic {
		release(id);
		/* What is forgotten makes no difference: fewer states. */
		e0 = 0; got = 0; put = 0; put_version = 0; last = 0; last_version = 0; at_d = 0; at_look = 0; rounds = 0;
		waiting = 0; verdict = 0; ok = false; gone = false;
		left--
	}
}

/* ---- everybody else ----------------------------------------------------------------------------------------------- */

/* Path lookup of n in both worlds. What was looked up is in the hand; the name may lead elsewhere a moment later. */
inline lookup(n)
{
	d_step {
		i = name[n];
		w = want[n];
		if
		:: i != NONE -> gap = gap | who
		:: else -> skip
		fi;
		if
		:: i == KEEPER && w != KEEPER -> through = through | who
		:: else -> skip
		fi;
#ifdef LONG_STOP
		halted = halted | who
#endif
	}
}

inline update()
{
	upd[i] = upd[i] | who;
	moved[i] = true;
	want_upd[w] = want_upd[w] | who;
	if
	:: i == KEEPER && linked -> shared = shared | who
	:: i == KEEPER && !linked && !(who & META) -> durable = false
	:: else -> skip
	fi
}

/*
 * Writes in place: open for writing, write, close; truncate(2) goes the same way. The kernel gives write access first
 * and looks for leases second. Waits in a lease until it is let go; after lease-break-time takes it by force.
 */
proctype writer(byte who; byte n)
{
	byte i, w;

	{
		lookup(n);
		if
		:: i == NONE -> goto done
		:: d_step { i != NONE -> writers[i]++; gap = gap & ~who }
		fi;
		if
		:: d_step { leases[i] != 0 -> breaking[i] = true; asks = asks | who };
			if
			:: d_step { leases[i] == 0 -> asks = asks & ~who }
			:: d_step { late -> leases[i] = 0; breaking[i] = false; asks = asks & ~who }
			fi
		:: leases[i] == 0
		fi;
		d_step { update() };
		writers[i]--;
done:
		skip
	} unless { cut };
	atomic { i = 0; w = 0; left-- }
}

/* chmod(2), chown(2), setxattr(2): no write access, no lease, nothing to wait for. */
proctype changer(byte who; byte n)
{
	byte i, w;

	{
		lookup(n);
		if
		:: i == NONE
		:: d_step { i != NONE -> update(); gap = gap & ~who }
		fi
	} unless { cut };
	atomic { i = 0; w = 0; left-- }
}

/* rename(2) and unlink(2) look the last component up under the directory's lock: one step. */
inline set_name(n, real, ours)
{
	d_step {
		!cut;
		moved[name[n]] = true;
		name[n] = real;
		want[n] = ours
	}
}

/* Atomic save: a new file, written and synced, is renamed over the name. */
proctype saver(byte save; byte n)
{
	if
	:: set_name(n, save, save)
	:: cut
	fi;
	left--
}

proctype deleter(byte n)
{
	if
	:: set_name(n, NONE, NONE)
	:: cut
	fi;
	left--
}

/* Moves it to E, unless it is gone or E is there. */
proctype mover(byte n)
{
	if
	:: atomic {
		!cut && name[n] != NONE && name[E] == NONE;
		set_name(E, name[n], want[n]);
		set_name(n, NONE, NONE)
	}
	:: cut || name[n] == NONE || name[E] != NONE
	fi;
	left--
}

/* Another name of the keeper, which no run knows, is deleted. */
proctype unlink_other()
{
	d_step { other_links = 0; moved[KEEPER] = true };
	left--
}

/* ---- events ------------------------------------------------------------------------------------------------------- */

/* SIGKILL to one run, at any point. It ends in release(): the kernel closes its descriptors, so leases and lock go. */
proctype crash(byte id)
{
end:
	atomic { running[id]; killed[id] = true; died = true }
}

/* Everybody stops; what reached the disk is there afterwards: all names, and what was synced. */
proctype power_cut()
{
	byte i;

end:
	atomic {
		running[0];
		cut = true;
		killed[0] = true;
		died = true;
		d_step {
			gap = 0;
			i = 0;
			do
			:: i < INODES -> writers[i] = 0; i++
			:: else -> break
			od;
			i = 0;
			cut_lost = !durable && ((name[D] == KEEPER && want[D] != KEEPER) ||
						(name[E] == KEEPER && want[E] != KEEPER))
		}
	}
}

/* We are stopped for longer than lease-break-time, at any point: whoever waits for a lease gets it by force. */
proctype stall()
{
end:
	atomic { running[0]; late = true; stalled = true }
}

/* ---- the scene, and what must hold -------------------------------------------------------------------------------- */

/*
 * A file kept aside and reported counts as found where two things come together: two actors at D; or two of these: a
 * second actor, a run that died, a stall. Then D may hold the one of two files and the kept name the other.
 */
#define kept_counts (kept && (by_d > 1 || (actors > 1) + died + stalled > 1))
#define shows(i, n) (i == name[n] || (kept_counts && ((kept & (1 << i)) || i == name[D])))

inline check_name(n)
{
	assert((name[n] == NONE) == (want[n] == NONE)); /* no name lost, none come back */
	if
	:: name[n] != NONE ->
		have = 0;
		found = false;
		i = 1;
		do
		:: i < INODES && shows(i, n) ->
			have = have | upd[i];
			found = found || base(i) == base(want[n]);
			i++
		:: i < INODES && !shows(i, n) -> i++
		:: else -> break
		od;
		i = 0;
		assert(found);                                       /* no byte lost */
		assert((want_upd[want[n]] & ~excused & ~have) == 0); /* no update lost */
		/* Nothing that was not meant for it, save what a hard link shows through all its names. */
		assert(kept_counts || (upd[name[n]] & ~want_upd[want[n]] & ~shared & ~excused) == 0)
	:: else -> skip
	fi
}

#define start(process) left++; run process

/* An actor that was asked for takes part; any other may, as long as there is room. */
#define actor(which, n, process) \
	if \
	:: ((ACTORS) & which) || chosen < ANY -> \
		chosen = chosen + (((ACTORS) & which) -> 0 : 1); \
		actors++; \
		by_d = by_d + (n == D -> 1 : 0); \
		other_links = other_links + (which == UNLINK_OTHER -> 1 : 0); \
		start(process) \
	:: !((ACTORS) & which) -> skip \
	fi

init {
	byte have, i, chosen;
	bool found;

	atomic {
		name[K] = KEEPER; want[K] = KEEPER;
		name[D] = TARGET; want[D] = TARGET;
#ifdef E_LINK
		name[E] = TARGET; want[E] = TARGET;
#endif
		actor(WRITER_OLD, D, writer(WRITER_OLD, D));
		actor(WRITER_OLD2, D, writer(WRITER_OLD2, D));
		actor(WRITER_KEEPER, K, writer(WRITER_KEEPER, K));
		actor(CHMOD, D, changer(CHMOD, D));
		actor(CHMOD_KEEPER, K, changer(CHMOD_KEEPER, K));
		actor(XATTR, D, changer(XATTR, D));
		actor(XATTR_KEEPER, K, changer(XATTR_KEEPER, K));
		actor(SAVER, D, saver(SAVE1, D));
		actor(SAVER2, D, saver(SAVE2, D));
		actor(SAVER_KEEPER, K, saver(SAVE_K, K));
		actor(DELETER, D, deleter(D));
		actor(DELETER_KEEPER, K, deleter(K));
		actor(MOVER, D, mover(D));
		actor(MOVER_KEEPER, K, mover(K));
		actor(UNLINK_OTHER, K, unlink_other());
		chosen = 0;

		running[0] = true;
		start(dedupe(0, true));
#if defined(SECOND_RUN) || defined(RECOVERY)
		running[1] = true;
		start(dedupe(1, true));
#endif
#ifdef CRASH
		run crash(0);
#endif
#ifdef CRASH_TWICE
		run crash(1);
#endif
#ifdef POWERCUT
		run power_cut();
#endif
#ifdef STALL
		run stall();
#endif
	}

	/* The next night, when all is quiet: one more run recovers. */
	atomic { left == 0; running[2] = true; start(dedupe(2, false)) };
	atomic {
		left == 0;
		assert(!cut_lost);
		assert(name[3] == NONE && name[4] == NONE && name[5] == NONE); /* no temp left */
		check_name(K);
		check_name(D);
#if defined(E_LINK) && !defined(COUNT_SECOND_NAME)
		assert(name[E] == TARGET); /* but a write through D shows at E only until D is linked to the keeper */
#else
		check_name(E);
#endif
#ifdef REACH_DROP
		assert(!dropped)
#endif
#ifdef REACH_UNDO
		assert(!undone)
#endif
#ifdef REACH_PUT_BACK
		assert(!put_back_once)
#endif
#ifdef REACH_KEEP
		assert(!kept_once)
#endif
#ifdef REACH_RECOVER
		assert(!recovered)
#endif
		skip
	}
}
