/* recipes/eval.h - evaluation: from a derived name to its content.
 *
 * A target is a derived name at a moment (the present, or a change number).
 * Evaluating it resolves its recipe's inputs to addresses, forms the canonical
 * computation, and finds its result or runs it; inputs that are derived are
 * evaluated first. A suspending scheduler with constructive traces and early
 * cutoff, in the terms of Mokhov, Mitchell, Peyton Jones, "Build Systems a la
 * Carte" (2018): dirtiness is pushed along reverse edges when something
 * changes, cleanness is pulled when somebody reads.
 *
 * Whoever wants a value waits with a callback, never with a thread. A value is
 * never older than the moment it was asked for.
 *
 * Threads: all functions want db_lock() held, which is the lock of all state
 *          here, except eval_open, eval_close. Callbacks come with it held.
 */
#ifndef RECIPES_EVAL_H
#define RECIPES_EVAL_H

#include "cas/store.h"
#include "core/ns.h"
#include "core/results.h"
#include "recipes/sandbox.h"
#include "recipes/view.h"

struct eval;
struct observe;

/* What the layer above gives. db_lock() is held around all but settle, show
 * and hide, which are called without any lock. */
struct eval_host {
	void *ctx;
	/* Somebody has the inode open for writing. */
	bool (*writing)(void *ctx, uint64_t ino);
	/* Brings what its writers have written so far into the namespace. */
	int (*settle)(void *ctx, uint64_t ino);
	/* What the name holds may be another content now, or nothing; and all
	 * that one change made stale has been told. */
	void (*stale)(void *ctx, uint64_t dir, const char *name, size_t len);
	void (*told)(void *ctx);
	/* Rows were written: commit soon. */
	void (*wrote)(void *ctx);
	/* Shows a view as a directory (read-only) until hide; the path's
	 * memory is the caller's. */
	int (*show)(void *ctx, const struct view_node *view, char **ret_path,
		    uint64_t *ret_id);
	/* The same for a tree that is looked at step by step, from one of
	 * its tops (recipes/observe.h). */
	int (*show_live)(void *ctx, struct observe *o, size_t top,
			 char **ret_path, uint64_t *ret_id);
	void (*hide)(void *ctx, uint64_t id);
};

/* Removes what runs of processes that are gone left in drafts/. */
int eval_sweep(struct store *store) MUST_USE;

struct eval_options {
	unsigned jobs;	 /* computations at a time, at least 1 */
	bool no_sandbox; /* run commands without bubblewrap */
};

int eval_open(struct store *store, struct ns *ns, struct results *results,
	      struct sandbox *sandbox, const struct eval_host *host,
	      const struct eval_options *options, struct eval **ret) MUST_USE;
/* Stops what runs and waits for the threads; waiters get -ECANCELED. */
void eval_close(struct eval *ev);
CLEANUP_FN(struct eval, eval_close)

/* What a name holds. */
struct eval_value {
	int error; /* 0, or the errno its readers get */
	struct addr addr;
	uint64_t size;
	bool executable, is_dir;
	int64_t since_ns;   /* when the name took this content */
	struct addr recipe; /* the computation; zero: it did not get that far */
	int64_t cost_ns;
};

enum eval_state {
	EVAL_NEW,     /* never computed */
	EVAL_STALE,   /* something it depends on changed */
	EVAL_FRESH,   /* value holds */
	EVAL_FAILED,  /* value.error holds */
	EVAL_RUNNING, /* being computed */
	EVAL_DROPPED, /* size and address known, bytes gone */
};
const char *eval_state_name(enum eval_state s);

/* Whether a recipe defines the name: 0 and the recipe file's attributes, or
 * -ENOENT. -EEXIST: it does, but an ordinary file of that name is there
 * (blocked). */
int eval_defined(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		 size_t len, struct ns_attr *ret_recipe) MUST_USE;

/* Whether an ordinary file keeps what an explicit recipe defines, or one of its
 * outputs, from being there. */
bool eval_is_blocked(struct eval *ev, uint64_t dir, const char *file,
		     size_t len);

/* Whether a recipe file says `out: dir`. */
bool eval_makes_dir(struct eval *ev, const struct ns_attr *recipe);

/* Whether the name's recipe says `stat: lazy`. */
bool eval_is_lazy(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		  size_t len);

/* The derived names of a directory, in byte order; is_dir: it is one. */
int eval_list(struct eval *ev, uint64_t at, uint64_t dir,
	      int (*fn)(void *ctx, const char *name, size_t len, bool is_dir),
	      void *ctx) MUST_USE;

/* What is known without doing anything. *ret_now: the value holds at this
 * moment, so that it can be handed out. A value that holds nothing has error
 * -1. ret_message (may be NULL) gets the reason of a failure. */
int eval_peek(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
	      size_t len, enum eval_state *ret_state, struct eval_value *ret,
	      bool *ret_now, struct buf *ret_message) MUST_USE;

/* The value that a name holds at this moment, in constant time, when that is
 * known without doing anything; NULL when not, or when it is a failure. Good
 * until db_lock() is let go of. */
const struct eval_value *eval_current(struct eval *ev, uint64_t at,
				      uint64_t dir, const char *name,
				      size_t len);

/* Evaluates. 1: *ret holds at once. 0: the callback comes later, once, with
 * the value; or -ECANCELED in rc when the evaluation was given up (the mount
 * ends), other negative rc when something outside of the recipe failed (disk
 * full), which is not remembered. */
struct eval_wait;
typedef void (*eval_fn)(void *ctx, int rc, const struct eval_value *value);
int eval_want(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
	      size_t len, eval_fn fn, void *ctx, struct eval_value *ret,
	      struct eval_wait **ret_wait) MUST_USE;
/* As eval_want, but runs nothing: rc is -EAGAIN when something would have to
 * be run, for the name itself or for one of its inputs. */
int eval_check(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
	       size_t len, eval_fn fn, void *ctx, struct eval_value *ret,
	       struct eval_wait **ret_wait) MUST_USE;
/* The callback will not come. A computation nobody waits for is stopped. */
void eval_cancel(struct eval *ev, struct eval_wait *w);
/* Begins an evaluation that goes on whether or not anybody waits for it. */
int eval_prefetch(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		  size_t len) MUST_USE;

/* --- what happened in the present -------------------------------------- */

/* A name came, went, or is another inode now. */
void eval_name_changed(struct eval *ev, uint64_t dir, const char *name,
		       size_t len);
/* An inode's content, mode or owner is another, somebody opened it for
 * writing, or it moved (a directory). */
void eval_inode_changed(struct eval *ev, uint64_t ino);

/* Another process had that outcome for a name: where the same computation had
 * another one here (a failure that was retried there), it holds no more. */
void eval_result_changed(struct eval *ev, uint64_t dir, const char *name,
			 size_t len, const struct addr *recipe, int error,
			 const struct addr *addr);
/* Anything may have changed. */
void eval_all_changed(struct eval *ev);

/* Whether the bytes of what the name holds were dropped; what is known of it
 * is as good as ever. */
bool eval_is_dropped(struct eval *ev, uint64_t at, uint64_t dir,
		     const char *name, size_t len);
/* They are not there, so it turns out. */
void eval_lost(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
	       size_t len);
/* Something of a content could not be read from the store. Computations that
 * run and have it as an input end like a failure from outside, which is not
 * remembered, whatever their command makes of it. view: the part is of a
 * directory that is shown with it; NULL: a is a file's whole content. */
void eval_damaged(struct eval *ev, const struct view_node *view,
		  const struct addr *a);
/* They are wanted: the next eval_want() makes them again. */
void eval_want_bytes(struct eval *ev, uint64_t at, uint64_t dir,
		     const char *name, size_t len);
/* Lets go of the bytes of what the name holds. -ENOENT when no recipe defines
 * it, -ENODATA when it was never computed, or failed, -ENOTUNIQ when it came
 * out otherwise when it was made again. */
int eval_drop(struct eval *ev, uint64_t dir, const char *name,
	      size_t len) MUST_USE;

/* The last who had it open closed it: its bytes go, if its recipe says `keep:
 * never`. */
void eval_closed(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		 size_t len);

/* Forgets a remembered failure. -ENOENT when no recipe defines the name. */
int eval_retry(struct eval *ev, uint64_t dir, const char *name,
	       size_t len) MUST_USE;

/* --- telling ------------------------------------------------------------ */

/* Makes what a name holds a second time and compares; what it holds stays. As
 * eval_want(), also when it was never computed, which it is first then. */
int eval_verify(struct eval *ev, uint64_t dir, const char *name, size_t len,
		eval_fn fn, void *ctx, struct eval_value *ret,
		struct eval_wait **ret_wait) MUST_USE;
/* What came of it, of the value that it gave: one line of JSON. */
int eval_verify_text(struct eval *ev, const struct eval_value *value,
		     struct buf *ret) MUST_USE;

/* Where a name's content comes from, and why it was computed: text. */
int eval_why(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
	     size_t len, struct buf *ret) MUST_USE;
/* Of that the lines that say why a content or failure came to be, in what it
 * differs from the one before; without an evaluation. */
struct observed;
int why_because(struct results *results, struct observed *observed,
		const struct derived *d, struct buf *ret) MUST_USE;
/* What it depends on, a line of JSON for the name and one for each input; runs
 * nothing. */
int eval_graph(struct eval *ev, uint64_t dir, const char *name, size_t len,
	       struct buf *ret) MUST_USE;
/* A computation as a directory object: function, params, inputs/, output. By
 * its address, or that of a result of it. -ENOENT. */
int eval_recipe_dir(struct eval *ev, const struct addr *recipe,
		    struct addr *ret) MUST_USE;
/* The run that a result is of, which several outputs share. */
void eval_computation(struct eval *ev, const struct addr *recipe,
		      struct addr *ret);
/* One JSON line a computation that runs or waits for a slot. */
int eval_jobs(struct eval *ev, struct buf *ret) MUST_USE;
void eval_counts(struct eval *ev, unsigned *ret_running, unsigned *ret_waiting,
		 unsigned *ret_jobs);

#endif
