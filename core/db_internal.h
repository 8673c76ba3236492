/* core/db_internal.h - what the files of core/db.h share, and they alone. */
#ifndef CORE_DB_INTERNAL_H
#define CORE_DB_INTERNAL_H

#include <pthread.h>

#include <sqlite3.h>

#include "core/db.h"
#include "core/db_redo.h"

#define LOG_PAGES      4000  /* of the log, then they go to the main file */
#define LOG_PAGES_MOST 40000 /* the same, where a thread sees to it */

#define DEPTH_MAX 8 /* of mutators within mutators */

struct db {
	sqlite3 *sq;
	char *path;
	bool readonly;
	pthread_mutex_t mutex; /* recursive */
	int turn_fd;
	bool waiting; /* deadline is that of db_begin() */
	int64_t deadline_ns;

	struct db_hook *hooks;
	size_t n_hooks;
	struct begun_hook {
		void (*fn)(void *ctx);
		void *ctx;
	} * begun;
	size_t n_begun;
	bool batch;
	bool reading;		    /* db_read_begin() */
	bool ending;		    /* hooks run: no commit from there */
	uint64_t reaching, reached; /* db_reach(): in the batch; committed,
				     * atomic */
	int broken;		    /* why SQLite undid the batch */
	bool based;		    /* there is a savepoint; since then: */
	struct redo redo;
	size_t marks[DEPTH_MAX]; /* where each mutator began */
	unsigned depth;
	struct stmt *begin, *read, *commit, *rollback;
	struct stmt *save, *release, *revert;
	struct stmt *data_version;

	struct db *side; /* another connection, for checkpoints alone */

	pthread_mutex_t sync_mutex; /* guards what follows */
	int log_fd;
	bool dir_synced;
	int sync_failed;
};

enum bound_type { BOUND_NULL, BOUND_INT, BOUND_TEXT, BOUND_BLOB };

struct bound {
	uint8_t type;
	int64_t v; /* or the length */
	const void *p;
};

struct stmt {
	struct db *db;
	sqlite3_stmt *st;
	int failed; /* a bind, reported by the next step */
	bool writes;
	/* of one that writes: */
	struct bound *bound;
	int n_bound;
	bool noted; /* carried out, and in the log since it was reset last */
	bool named; /* in the log */
	bool dead;  /* and freed when the log is */
	struct stmt *next_named;
};

/* SQLite's code as -errno. */
int db_rc(sqlite3 *sq, int code) MUST_USE;
/* The same; notes that the batch is gone, where it is. */
int db_failed(struct db *db, int code) MUST_USE;

/* The turn to write, and the deadline of what is waited for behind it. */
int db_turn_take(struct db *db) MUST_USE;
void db_turn_give(struct db *db);
int db_on_busy(void *ctx, int count); /* SQLite's busy handler */

struct sqlite3_file *db_main_file(struct db *db);

#endif
