/* recipes/target.h - inside evaluation: targets, what they watch, who waits.
 *
 * Private to evaluation, as are schedule.h (how targets go on), task.h (from a
 * recipe to a result) and walk.h (from a path to an input).
 *
 * A target goes through
 *
 *	idle -> ready -> resolving -> waiting -> ready ...	needs inputs
 *			    |-> queued -> running -> idle	has to run
 *			    `-> idle				found, or failed
 *
 * and what it knows about its value is apart from that: `fresh` means that
 * nothing it depends on has changed since it was resolved; `shaky` that an
 * input is open for writing, so that nothing says when it changes and every
 * reader looks again.
 *
 * Marking stops at what is not fresh. So nothing may become fresh while
 * something that it depends on is not: its news would not come.
 *
 * Generations order questions and answers: a counter is raised whenever
 * somebody asks and whenever a target begins to be resolved. A value may be
 * given to everybody who asked before its resolving began, and to later ones
 * only as long as it is fresh.
 *
 * Threads: all of it under db_lock().
 */
#ifndef RECIPES_TARGET_H
#define RECIPES_TARGET_H

#include "core/map.h"
#include "core/observed.h"
#include "recipes/eval.h"

#include <pthread.h>

enum phase {
	PHASE_IDLE,
	PHASE_READY,
	PHASE_RESOLVING,
	PHASE_WAITING,
	PHASE_QUEUED,
	PHASE_RUNNING,
};

/* A target's interest in a name, a listing or an inode: doubly linked under
 * its key, singly linked under its target. */
struct watch {
	struct target *target;
	struct watch_key *key;
	struct watch *prev, *next;
	struct watch *sibling;
};

struct watch_key {
	struct watch *first;
	size_t len;
	uint8_t bytes[]; /* map key, to remove it when the last one goes */
};

struct eval_wait {
	struct target *target;
	eval_fn fn;
	void *ctx;
	uint64_t gen;
	bool dry; /* wants to know, not to have */
	struct eval_wait *prev, *next;
};

/* `from` waits for `to`; in both lists. */
struct need {
	struct target *from, *to;
	bool dry;  /* nobody wanted more of `from` when it began to wait */
	bool same; /* they have the same computation */
	struct need *prev_of_from, *next_of_from;
	struct need *prev_of_to, *next_of_to;
};

struct task;

struct target {
	uint64_t at, dir;
	size_t len;

	enum phase phase;
	bool fresh, shaky;
	bool changed;	  /* since resolving began */
	bool known;	  /* value holds something, perhaps of the past */
	bool dropped;	  /* value is known, its bytes are not kept */
	bool need_bytes;  /* somebody wants to read them */
	bool retry;	  /* pass over a remembered failure once */
	bool verify;	  /* make what is known again, to compare */
	bool eager;	  /* it is computed without being asked for */
	bool look;	  /* it stands for a recipe file (recipes/upkeep.h) */
	bool drop_closed; /* its bytes are dropped when nobody has it open */
	struct eval_value value;
	char *message; /* of value.error */

	unsigned rounds;    /* of waiting for inputs in this evaluation */
	uint64_t gen;	    /* when the evaluation going on began */
	uint64_t value_gen; /* when the one that gave value did */

	struct addr held; /* of a directory: zero, or what must be kept */

	struct watch *watches;
	struct eval_wait *waits;
	struct need *needs;	/* inputs it waits for */
	struct need *needed_by; /* targets that wait for it */
	size_t pending;		/* how many needs it has */

	struct target *prev, *next; /* in a queue */
	struct task *task;
	struct task *ran; /* whose observed inputs are asked about again */
	unsigned runs;	  /* of those, in this evaluation */
	uint64_t pinned;  /* where those stay that never meet a quiet moment */
	bool blind; /* what a run saw until it had to wait is not watched */

	int rc;		     /* with which finish() comes to it */
	uint64_t listed;     /* number of the resolving that needs it already */
	uint64_t seen;	     /* by which search for a circle; then */
	struct target *via;  /* from where, */
	struct need *cursor; /* and what comes next there */

	struct place *place; /* in whose list it is (recipes/place.h); and */
	size_t open_at;	     /* where among those that are open, from 1 */
	uint64_t built;	     /* by which request for whole directories last */
	uint64_t ran_gen;    /* when its computation was last run */
	uint64_t refused;    /* it would have to run: news at that time */

	char name[]; /* NUL-terminated */
};

struct tools;
struct upkeep;
struct place;
struct places;
struct build;

struct queue {
	struct target *first, *last;
};

/* Wakes threads. db_lock() is recursive and a condition cannot release it, so
 * a counter under a small lock of its own says whether there was news since a
 * thread last looked. */
struct bell {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	uint64_t rings;
};

struct eval {
	struct store *store;
	struct db *db;
	struct ns *ns;
	struct results *results;
	struct observed *observed;
	struct sandbox *sandbox;
	struct eval_host host;
	struct eval_options options;

	struct map *targets;
	struct map *watches;
	struct map *patterns; /* recipes/pattern_set.h */
	struct map *asked;
	struct map *outputs; /* recipes/output_set.h */
	struct map *homes;
	struct map *running; /* recipe address -> target that computes it */
	struct queue ready, queued;
	unsigned nqueued, nrunning;
	size_t nbusy; /* targets that are not idle */
	size_t npast; /* targets of the past */
	uint64_t gen;
	uint64_t marks; /* for target.listed and target.seen */
	uint64_t jobs_made;
	bool closing;

	struct bell ready_bell, queued_bell;
	struct tools *tools;
	struct upkeep *upkeep;
	struct places *places;
	struct scratch_pool *scratches;
	struct build *builds; /* requests that have steps to do */
	uint64_t builds_made;
	/* Raised by all that may make what would have to run need no run: what
	 * was said of a chain is not found out again for each of its links. */
	uint64_t news;
	int64_t verify_look_ns; /* recipes/verify.h */
	double verify_share;
	pthread_t *threads;
	size_t nthreads;
};

/* Collection, or another process, may have let go of the bytes since. */
void target_look_dropped(struct eval *ev, struct target *t);
struct target *target_get(struct eval *ev, uint64_t at, uint64_t dir,
			  const char *name, size_t len, bool make);
void target_phase(struct eval *ev, struct target *t, enum phase phase);
/* Whether it stands for a whole directory, see resolve_dir.c. */
bool target_is_dir(const struct target *t);
/* Keeps an object from being collected as long as it is the target's. */
void target_hold(struct eval *ev, struct target *t, const struct addr *a);
/* The target itself changed (its recipe appeared, a retry). */
void target_touch(struct eval *ev, struct target *t);
/* All of them, with their watches. */
void targets_free(struct eval *ev);
/* Those of the past, when they have become many and nothing is going on. */
void targets_forget_past(struct eval *ev);

/* t NULL: nobody watches, and all is well. */
int watch_name(struct eval *ev, struct target *t, uint64_t dir,
	       const char *name, size_t len) MUST_USE;
int watch_listing(struct eval *ev, struct target *t, uint64_t dir) MUST_USE;
int watch_inode(struct eval *ev, struct target *t, uint64_t ino) MUST_USE;
/* Which patterns there are in a directory. */
int watch_patterns(struct eval *ev, struct target *t, uint64_t dir) MUST_USE;
/* A program of the machine. */
int watch_tool(struct eval *ev, struct target *t, const char *name) MUST_USE;
void watch_drop(struct eval *ev, struct target *t);
/* Marks what watches the key, and what watches that, as changed. */
void watch_fire_name(struct eval *ev, uint64_t dir, const char *name,
		     size_t len);
void watch_fire_listing(struct eval *ev, uint64_t dir);
void watch_fire_inode(struct eval *ev, uint64_t ino);
void watch_fire_tool(struct eval *ev, const char *name);
void watch_fire_all(struct eval *ev);
void watch_fire_patterns(struct eval *ev, uint64_t dir);

void queue_push(struct queue *q, struct target *t);
void queue_remove(struct queue *q, struct target *t);

#endif
