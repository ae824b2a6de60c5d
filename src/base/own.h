/* SPDX-License-Identifier: MIT */
/*
 * own.h - scope ownership: a variable marked own_free is freed when its scope ends, steal() hands it out on success
 *
 *	own_free char *text = strdup("...");
 *	if (...) return -EINVAL;         // freed
 *	*ret_text = steal(&text);        // handed out, no longer ours
 *
 * Descriptors have own_fd in sys/sys.h.
 */
#ifndef BASE_OWN_H
#define BASE_OWN_H

#include <stdlib.h>

#define OWN(function) __attribute__((cleanup(function)))

static inline void own_free_cleanup(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

#define own_free OWN(own_free_cleanup)

/* The pointer's value; the pointer itself is NULL afterwards. */
#define steal(pointer)                              \
	__extension__({                             \
		__typeof__(pointer) p_ = (pointer); \
		__typeof__(*p_) v_ = *p_;           \
		*p_ = NULL;                         \
		v_;                                 \
	})

#endif
