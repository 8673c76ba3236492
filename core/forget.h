/* core/forget.h - what is to be forgotten of a path's history.
 *
 * Of all that a path ever led to, and of a directory all that ever lay below:
 * what no moment since a change shows any more. That are contents (of all names
 * that the file had until it lost the path), targets of links and values of
 * extended attributes; and, where that is asked for, names that had gone by
 * then, and messages of changes. What a snapshot or a pin shows stays.
 *
 * Each is an effect of a change record, which cas/forget.h looks for in its
 * journal.
 *
 * Threads: one; db_lock() of the connection is taken.
 */
#ifndef CORE_FORGET_H
#define CORE_FORGET_H

#include "core/buf.h"
#include "core/journal.h"
#include "core/ns.h"

struct forget_item {
	uint64_t seq;
	uint64_t ino; /* 0: the change's message */
	uint64_t dir; /* of a name; of an attribute, a hash of its name */
	enum journal_effect_type type;
};

struct forget_plan {
	struct buf items; /* struct forget_item, in order */
	struct buf kept;  /* lines: what keeps what, of the first few */
	uint64_t versions, bytes, names, attributes;
	uint64_t n_kept; /* versions and names that something keeps */
	bool found;	 /* there ever was such a path */
};

/* Paths are below the root. */
int forget_plan(struct ns *ns, const char *path, uint64_t before, bool names,
		struct forget_plan *ret) MUST_USE;
void forget_plan_done(struct forget_plan *p);
/* Whether the plan has an effect of a change, or its message (e NULL). */
bool forget_plan_has(const struct forget_plan *p, uint64_t seq,
		     const struct journal_effect *e);

#endif
