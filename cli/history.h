/* cli/history.h - the rows of a store, read beside whatever serves it.
 *
 * A connection that only reads: nothing is made, reaped or rolled back. It sees
 * what is committed; where_mount() sees to it that a mount has committed what
 * it knows.
 */
#ifndef CLI_HISTORY_H
#define CLI_HISTORY_H

#include "cli/command.h"
#include "core/db.h"
#include "core/ns.h"
#include "core/objects.h"
#include "core/results.h"

struct history {
	struct db *db;
	struct ns *ns;
	struct results *results;
	struct objects *objects;
	struct observed *observed;
};

/* A message is given on failure. */
int history_open(const char *store, struct history *ret) MUST_USE;
/* The same, of the branch that where_mount() found. */
int history_open_at(const struct cli *cli, const char *root, const char *store,
		    struct history *ret) MUST_USE;
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
	struct ns_attr attr;	 /* EVENT_VERSION; of EVENT_GONE the inode */
	struct derived derived;	 /* EVENT_RESULT */
	const char *set;	 /* of NS_OP_SETATTR: "mode", "owner", "time" */
	char *path;		 /* below the root, or NULL: as was asked */
	char *other; /* moved or linked: where from (EVENT_GONE: to); or NULL */
};

struct events {
	struct event *list;
	size_t count, cap;
};

/* All that happened to a path, oldest first, in whatever directories had the
 * path above it. follow: also what happened to its files when they had other
 * names, before. */
int history_of_path(struct history *h, const char *rel, bool follow,
		    struct events *ret) MUST_USE;
/* The same for it and all that was ever below it, with their paths. */
int history_of_tree(struct history *h, const char *rel,
		    struct events *ret) MUST_USE;
/* All that happened to a name in one directory. */
int history_events(struct history *h, uint64_t dir, const char *name,
		   struct events *ret) MUST_USE;
void events_done(struct events *e);

/* For history_path.c: adds, in no order. */
int events_of_name(struct history *h, uint64_t dir, const char *name,
		   bool follow, struct events *ret) MUST_USE;
int events_of_root(struct history *h, struct events *ret) MUST_USE;
void events_sort(struct events *e);

#endif
