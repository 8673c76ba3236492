/* recipes/observe.h - observed inputs: what a run sees of the tree, recorded.
 *
 * A recipe without `in` sees the whole tree as it was at one change, read-only.
 * Whatever it looks up or lists is noted, in order: a question and what was
 * found. The computation is the recipe's text, params and so on, and how deep
 * its directory lies (recipes/canon.h); not where. So questions are asked from
 * two tops:
 *
 *	w	the mount's root, in which each directory on the way to the
 *		recipe is called `d`: there the command works
 *	r	the mount's root as it is: `$root`
 *
 * and two recipes of the same text, as deep as each other, share results.
 *
 * A question is 'l' (look-up) or 'd' (listing), then the path from a top, as in
 * "lw/d/a.c". An answer is one of
 *
 *	n	there is nothing		x	it may not be looked at
 *	d	a directory			o	a device, pipe, socket
 *	l TARGET	a symbolic link
 *	f ADDRESS	a file, also derived; e: executable; t: a derived
 *			directory
 *	b ERRNO		a derived file that failed (u32)
 *	s HASH		a listing
 *
 * A look-up of a file counts as reading it, since its size is seen. What the
 * recipe itself makes is not there for it, and nothing is noted.
 *
 * Replaying goes from the computation's state on (core/observed.h): the
 * question asked there is asked of the present, the answer leads to the next
 * state, until one has a result. The recipe's owner has to be allowed to look
 * at all of it, else the answer is x.
 *
 * Private to evaluation, but for what the layer above calls to show the tree
 * to the command: observe_lookup, observe_list, observe_link.
 * Threads: db_lock() held.
 */
#ifndef RECIPES_OBSERVE_H
#define RECIPES_OBSERVE_H

#include "core/addr.h"
#include "core/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBSERVE_MAX	 100000 /* questions of one run */
#define OBSERVE_PATIENCE 3	/* runs while inputs go on changing */

struct observe;

enum seen_kind {
	SEEN_NOTHING,
	SEEN_DENIED,
	SEEN_DIR,
	SEEN_LINK,
	SEEN_FILE,
	SEEN_TREE, /* a directory object */
	SEEN_OTHER,
	SEEN_FAILED,
};

struct seen {
	enum seen_kind kind;
	int error;    /* SEEN_FAILED */
	size_t place; /* SEEN_DIR, SEEN_LINK: what to call it by */
	struct addr addr;
	uint64_t size;
	bool executable;
};

enum { OBSERVE_WORK, OBSERVE_ROOT }; /* the tops, as places */

/* One name below a directory. -ECANCELED: the run ends, as something has to
 * be computed first. */
int observe_lookup(struct observe *o, size_t dir, const char *name, size_t len,
		   struct seen *ret) MUST_USE;
/* Names with the type bits of their modes, sources first. -EACCES. */
int observe_list(struct observe *o, size_t dir,
		 int (*fn)(void *ctx, const char *name, size_t len,
			   uint32_t mode),
		 void *ctx) MUST_USE;
/* The target of a link; NULL: the place is a directory. */
const char *observe_link(const struct observe *o, size_t place);

/* Something that it was shown could not be read. */
void observe_damaged(struct observe *o);

/* --- inside evaluation ---------------------------------------------------- */

struct walk;
struct task;
struct target;
struct eval;

/* For the run of a task, at a change; or (w given) to replay in w's moment, for
 * who watches there. Neither takes anything over. */
int observe_run(struct eval *ev, struct target *t, struct task *j, uint64_t at,
		struct observe **ret) MUST_USE;
int observe_walk(struct walk *w, struct observe **ret) MUST_USE;
void observe_free(struct observe *o);
CLEANUP_FN(struct observe, observe_free)

/* Asks. The answer and, of a directory looked up, its place are remembered.
 * 1: a derived input has to come first (it is in the walk's needs). */
struct answer {
	const uint8_t *bytes; /* the observe's */
	size_t len;
};
int observe_ask(struct observe *o, const void *question, size_t len,
		struct answer *ret) MUST_USE;

unsigned observe_depth(const struct observe *o);
/* What a run has seen: the state it has come to; keeps the rows. */
const struct addr *observe_state(const struct observe *o);
int observe_keep(struct observe *o) MUST_USE;
/* Asks all of it again: 1, the answers are the same; 0, they are not, or
 * something has to come first. */
int observe_again(struct observe *now, const struct observe *then) MUST_USE;

/* What stood in the way of the run: derived inputs that have to be computed
 * first; or more questions than OBSERVE_MAX. */
struct target **observe_needs(struct observe *o, size_t *ret_count);
bool observe_is_damaged(const struct observe *o);
bool observe_saw(const struct observe *o, const struct addr *a);
bool observe_is_over(const struct observe *o);

/* --- observe_replay.c ------------------------------------------------------
 */

/* Resolving such a recipe: 0, and w->task->recipe is that of a result that
 * holds (w->task->found), or there is none and it has to run. */
int observe_resolve(struct walk *w) MUST_USE;

#endif
