/* cli/history.h - the rows of a store, read beside whatever serves it.
 *
 * A connection that only reads: nothing is made, reaped or rolled back. It sees
 * what is committed; where_mount() sees to it that a mount has committed what
 * it knows.
 */
#ifndef CLI_HISTORY_H
#define CLI_HISTORY_H

#include "core/db.h"
#include "core/ns.h"
#include "core/objects.h"
#include "core/results.h"

struct history {
	struct db *db;
	struct ns *ns;
	struct results *results;
	struct objects *objects;
};

/* A message is given on failure. */
int history_open(const char *store, struct history *ret) MUST_USE;
void history_close(struct history *h);

/* The directory and the last component of a path below the root, among what is
 * and what ever was: of several directories that had a name, the last one.
 * ret_name points into rel. */
int history_find(struct history *h, const char *rel, uint64_t *ret_dir,
		 const char **ret_name) MUST_USE;

/* One line of a log. */
struct event {
	enum event_kind {
		EVENT_VERSION, /* of a source file */
		EVENT_GONE,    /* its name went */
		EVENT_RESULT,  /* of a derived file */
	} kind;
	uint64_t seq;
	int64_t time_ns;
	struct ns_change change; /* program "" for results */
	struct ns_attr attr;	 /* EVENT_VERSION */
	struct derived derived;	 /* EVENT_RESULT */
};

struct events {
	struct event *list;
	size_t count, cap;
};

/* All that happened to a name, oldest first. */
int history_events(struct history *h, uint64_t dir, const char *name,
		   struct events *ret) MUST_USE;
void events_done(struct events *e);

#endif
