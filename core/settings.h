/* core/settings.h - what a store was told about what to keep.
 *
 * Text by name in the database, for all processes of the store. Names and
 * values are those of `deriva mount -o` and of .deriva/settings.
 *
 *	retention	all | last N | for TIME, or such rules behind patterns
 *							(core/retention.h)
 *	budget		none | bytes of derived files	(core/budget.h)
 *	collect		how often a mount may collect by itself, when it pays:
 *			never | TIME
 *	verify		how many of a hundred computations are made a second
 *			time in the background: never | N %
 *
 * Threads: as core/db.h: db_lock() held.
 */
#ifndef CORE_SETTINGS_H
#define CORE_SETTINGS_H

#include "core/budget.h"
#include "core/ns.h"
#include "core/retention.h"

struct settings {
	struct retention retention;
	uint64_t budget;    /* 0: none */
	int64_t collect_ns; /* 0: never */
	double verify;	    /* of one; 0: never */
};

/* What was never set is as it is at first: all, none, 10m, never. */
int settings_load(struct db *db, struct settings *ret) MUST_USE;
/* A change, unless it is so already. -EINVAL with a message: no such setting,
 * or no such value. */
int settings_set(struct ns *ns, const struct ns_by *by, const char *name,
		 const char *value, struct err *err) MUST_USE;
/* For a database that is made anew: the row alone. */
int settings_restore(struct db *db, const char *name,
		     const char *value) MUST_USE;
/* Only looks whether it could be set. */
int settings_check(const char *name, const char *value,
		   struct err *err) MUST_USE;
/* "name: value" lines, as a person may write them back. */
void settings_format(const struct settings *s, struct buf *ret);

#endif
