/* recipes/schedule.h - how targets go on: needs, answers, threads.
 *
 * Private to evaluation; all under db_lock().
 */
#ifndef RECIPES_SCHEDULE_H
#define RECIPES_SCHEDULE_H

#include "recipes/target.h"

/* --- need.c ------------------------------------------------------------- */

/* Whether anybody waits for it; whether anybody wants the content, rather than
 * to know whether there is any. */
bool wanted(const struct target *t);
bool in_earnest(const struct target *t);

/* same: not as an input, but because it runs the same computation. */
int need_add(struct target *from, struct target *to, bool same) MUST_USE;
void need_remove(struct need *n);
/* All that t waits for; what nobody else waits for is given up. */
void needs_drop(struct eval *ev, struct target *t);
/* Whether `from` waits, over any number of steps, for `what`; then the way
 * back goes from what->via on until it is NULL. Searches with the same mark do
 * not look twice at what was in vain. */
bool waits_for(struct target *from, struct target *what, uint64_t mark);
/* Nobody waits for it any more (if so): it leaves the queues, stops running,
 * and lets go of the inputs that it waits for. */
void abandon(struct eval *ev, struct target *t);

/* Stops a run whose value is too old for all who wait: it begins anew. */
void stop_outdated(struct eval *ev, struct target *t);

/* --- circle.c ----------------------------------------------------------- */

/* t waits for these inputs, and they are begun; or it came to its end at once.
 */
void wait_for_inputs(struct eval *ev, struct target *t,
		     struct target *const *needs, size_t count);

/* --- outcome.c ---------------------------------------------------------- */

/* The evaluation is over; the value (or rc) is for all who asked in time. */
void finish(struct eval *ev, struct target *t, int rc);
/* It fails, and that is its value. recipe, res: NULL when it did not get that
 * far. */
void finish_failed(struct eval *ev, struct target *t, int error,
		   const char *message, const struct addr *recipe, bool ran,
		   const struct result *res);
void finish_result(struct eval *ev, struct target *t, const struct result *res,
		   bool dropped, bool ran);
/* A whole directory has that content. */
void finish_dir(struct eval *ev, struct target *t, const struct addr *a,
		uint64_t count);
/* It was stopped and is wanted again: begins anew. */
void finish_stopped(struct eval *ev, struct target *t);
/* It is going to take time: who only wants to know gets -EAGAIN. */
void refuse_dry(struct eval *ev, struct target *t);
/* What a reader of a derived file gets for a failure from outside of the
 * recipe: what says something about reading it, else -EIO. */
int reader_errno(int rc);
void target_message(struct target *t, const char *message);

/* --- schedule.c --------------------------------------------------------- */

/* Begins an evaluation, unless one is under way. */
void start(struct eval *ev, struct target *t);
/* It can be resolved now. */
void make_ready(struct eval *ev, struct target *t);
/* There may be something to do for the threads that resolve. */
void resolvers_wake(struct eval *ev);
/* One step of a request for whole directories (build.c); false: there is none.
 */
bool builds_step(struct eval *ev);
int threads_start(struct eval *ev) MUST_USE;
/* Stops what runs, and waits for the threads. */
void threads_stop(struct eval *ev);

#endif
