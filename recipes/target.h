/* recipes/target.h - inside evaluation: targets, what they watch, who waits.
 *
 * Private to recipes/eval*.c, target.c, resolve.c, execute.c, why.c.
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
 * Generations order questions and answers: a counter is raised whenever
 * somebody asks and whenever a target begins to be resolved. A value may be
 * given to everybody who asked before its resolving began, and to later ones
 * only as long as it is fresh.
 */
#ifndef RECIPES_TARGET_H
#define RECIPES_TARGET_H

#include "core/map.h"
#include "recipes/canon.h"
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
	bool dry;
	struct need *next_of_from;
	struct need *prev_of_to, *next_of_to;
};

struct task;

struct target {
	uint64_t at, dir;
	size_t len;

	enum phase phase;
	bool fresh, shaky;
	bool changed; /* since resolving began */
	bool known;   /* value holds something, perhaps of the past */
	bool dropped;
	bool retry; /* pass over a remembered failure once */
	struct eval_value value;
	char *message; /* of value.error */

	uint64_t gen;	    /* when the evaluation going on began */
	uint64_t value_gen; /* when the one that gave value did */

	struct watch *watches;
	struct eval_wait *waits;
	struct need *needs;	/* inputs it waits for */
	struct need *needed_by; /* targets that wait for it */
	size_t pending;

	struct target *prev, *next; /* in a queue */
	struct task *task;

	char name[]; /* NUL-terminated */
};

struct queue {
	struct target *first, *last;
};

struct eval {
	struct store *store;
	struct db *db;
	struct ns *ns;
	struct results *results;
	struct sandbox *sandbox;
	struct eval_host host;
	struct eval_options options;

	struct map *targets;
	struct map *watches;
	struct map *running; /* recipe address -> target that computes it */
	struct queue ready, queued;
	unsigned nqueued, nrunning;
	uint64_t gen;
	uint64_t jobs_made;
	bool closing;

	pthread_mutex_t wake_lock; /* for the conditions alone */
	pthread_cond_t wake;
	uint64_t wakes;
	pthread_t *threads;
	size_t nthreads;
};

/* --- target.c ----------------------------------------------------------- */

struct target *target_get(struct eval *ev, uint64_t at, uint64_t dir,
			  const char *name, size_t len, bool make);
void target_free(struct eval *ev, struct target *t);
int watch_name(struct eval *ev, struct target *t, uint64_t dir,
	       const char *name, size_t len) MUST_USE;
int watch_listing(struct eval *ev, struct target *t, uint64_t dir) MUST_USE;
int watch_inode(struct eval *ev, struct target *t, uint64_t ino) MUST_USE;
void watch_drop(struct eval *ev, struct target *t);
/* Marks what watches the key, and what watches that, as changed. */
void watch_fire_name(struct eval *ev, uint64_t dir, const char *name,
		     size_t len);
void watch_fire_listing(struct eval *ev, uint64_t dir);
void watch_fire_inode(struct eval *ev, uint64_t ino);
/* The target itself changed (its recipe appeared, a retry). */
void target_touch(struct eval *ev, struct target *t);
void queue_push(struct queue *q, struct target *t);
void queue_remove(struct queue *q, struct target *t);

/* --- resolve.c ---------------------------------------------------------- */

/* All that running a computation takes. */
struct task {
	struct target *target;
	uint64_t number;
	struct recipe_def *def;
	char *label; /* root-relative path of the recipe, for messages */
	struct buf canon;
	struct addr recipe;
	struct canon_input *inputs; /* name and path: owned */
	size_t ninputs;
	struct canon_value *params, *env;
	size_t nparams, nenv;
	unsigned depth;
	char out_name[32];
	bool shaky;

	struct view_node *work, *root; /* what lies at /w and /r */
	bool stop;		       /* atomic */
	bool started;
	uint64_t run_id;
	int64_t start_ns;
};
void task_free(struct task *j);
CLEANUP_FN(struct task, task_free)

/* What resolving came to. */
struct resolved {
	struct task *task;     /* complete: its address is known */
	struct target **needs; /* derived inputs that have to come first */
	size_t nneeds, cap_needs;
	uint64_t *writing; /* inodes to settle first */
	size_t nwriting, cap_writing;
	bool shaky; /* some input is being written */
	int error;  /* the errno of a failure, with the reason: */
	struct err err;
};
void resolved_done(struct resolved *r);

/* Registers t's watches anew. 0, also with r->error set; negative for what is
 * no fault of the recipe (-ENOMEM, -EIO of the store). settled: inodes being
 * written have been settled, take them as they are. */
int resolve(struct eval *ev, struct target *t, bool settled,
	    struct resolved *ret) MUST_USE;

/* --- execute.c ---------------------------------------------------------- */

/* Runs a task to its end without any lock, and fills the result. Negative: not
 * a fault of the computation; -ECANCELED stopped. */
int execute(struct eval *ev, struct task *j, struct result *ret,
	    struct err *err) MUST_USE;
/* Ends a running task's command or function; db_lock held. */
void execute_stop(struct eval *ev, struct task *j);

/* --- eval.c ------------------------------------------------------------- */

void eval_wake(struct eval *ev);

#endif
