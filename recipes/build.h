/* recipes/build.h - all that recipes define below some paths, computed.
 *
 * A request goes through the places of its directories (recipes/place.h), where
 * what is clean costs nothing, and wants the value of every name that is not
 * known to hold, so many at a time that the executors have something to do and
 * whoever reads a file meanwhile waits for a few of them at most. What came to
 * be defined by then (names that follow from what a derived directory holds)
 * comes next, until all is done. Or it only asks what would be done.
 *
 * Threads: db_lock() held, and tell() is called with it held, from within any
 *          of these functions or later.
 */
#ifndef RECIPES_BUILD_H
#define RECIPES_BUILD_H

#include "recipes/eval.h"

struct build;

struct build_counts {
	size_t total;		      /* that have to be looked at */
	size_t done, running, failed; /* of these */
	size_t computed;	      /* done that a run was needed for */
	size_t current;		      /* beside the total: known to hold */
	/* What the rest took the last time, in seconds, which is known of so
	 * many of the total; with options.costs. */
	double rest_s;
	size_t known;
};

enum build_event {
	BUILD_BEGUN,   /* the total is known, or is another */
	BUILD_MOVED,   /* something was done */
	BUILD_FAILED,  /* a name; message */
	BUILD_BLOCKED, /* a recipe file */
	BUILD_TODO,    /* a name that has to be computed: state; dry */
	BUILD_ENDED,   /* the request may be freed, and not before */
};

struct build_news {
	enum build_event event;
	const struct build_counts *counts;
	uint64_t dir;
	const char *name;
	enum eval_state state;
	const char *message;
};

struct build_options {
	bool dry;	  /* run nothing */
	bool costs;	  /* look up what it took the last time */
	unsigned at_once; /* 0: twice as many as there are jobs */
	void (*tell)(void *ctx, const struct build_news *n);
	void *ctx;
};

int build_new(struct eval *ev, const struct build_options *o,
	      struct build **ret) MUST_USE;
/* A directory of the present with all below it. */
int build_add_dir(struct build *b, uint64_t dir) MUST_USE;
/* A name; one that nothing defines counts as current. */
int build_add_name(struct build *b, uint64_t dir, const char *name,
		   size_t len) MUST_USE;
/* Does what can be done in a moment; what is left, evaluation's threads do. */
void build_start(struct build *b);
/* Ends it: nothing is told any more. What only it waited for is stopped. */
void build_free(struct build *b);
CLEANUP_FN(struct build, build_free)

#endif
