/* core/observed.h - what runs with observed inputs saw, as a tree to walk.
 *
 * A run sees one thing after the other, and what it looks at next follows from
 * what it has seen. So the runs of one computation are the paths of a tree. A
 * state is an address: the first is that of the computation, and each step, a
 * question and what was found, leads to the next, which is hashed from the
 * three. The state at the end of a run is the address of its result. Runs that
 * begin alike share their rows, and walking from the first state on costs what
 * the run has seen, however many runs there are.
 *
 * Rows stay as results do. They are no objects, and journals do not hold them:
 * who rebuilds a database from its packs runs such recipes again.
 *
 * Questions and answers are bytes; recipes/observe.h says which.
 *
 * Threads: db_lock() held.
 */
#ifndef CORE_OBSERVED_H
#define CORE_OBSERVED_H

#include "core/addr.h"
#include "core/buf.h"
#include "core/db.h"

struct observed;

int observed_open(struct db *db, struct observed **ret) MUST_USE;
void observed_close(struct observed *o);
CLEANUP_FN(struct observed, observed_close)

/* The state after a step. */
void observed_step(const struct addr *state, const void *question, size_t qlen,
		   const void *answer, size_t alen, struct addr *ret);
/* Keeps a step, which may be there. */
int observed_put(struct observed *o, const struct addr *state,
		 const void *question, size_t qlen, const void *answer,
		 size_t alen) MUST_USE;
/* The first question asked in a state behind `after` (alen 0: of all), in
 * byte order: 1, or 0 when there is none. */
int observed_question(struct observed *o, const struct addr *state,
		      const void *after, size_t alen, struct buf *ret) MUST_USE;
/* Whether a run came to that state by a step. */
int observed_known(struct observed *o, const struct addr *state) MUST_USE;
/* The step that led to a state: 1, or 0 when it is a first one. */
int observed_back(struct observed *o, const struct addr *state,
		  struct addr *ret_from, struct buf *ret_question,
		  struct buf *ret_answer) MUST_USE;

/* Of inputs that a recipe lists, those that its run left unread. */
int observed_put_unread(struct observed *o, const struct addr *recipe,
			const char *path, size_t len) MUST_USE;
int observed_clear_unread(struct observed *o,
			  const struct addr *recipe) MUST_USE;
int observed_each_unread(struct observed *o, const struct addr *recipe,
			 int (*fn)(void *ctx, const char *path, size_t len),
			 void *ctx) MUST_USE;

#endif
