/* recipes/task.h - from a recipe to a computation, and on to its result.
 *
 * Private to evaluation. Resolving happens under db_lock(); executing without
 * any lock.
 */
#ifndef RECIPES_TASK_H
#define RECIPES_TASK_H

#include "recipes/canon.h"
#include "recipes/observe.h"
#include "recipes/target.h"

/* One of several outputs: def's are the names. */
struct task_out {
	char *file;	  /* that the command writes */
	struct addr addr; /* what it wrote */
	uint64_t size;
	bool executable;
};

/* All that running a computation takes. */
struct task {
	struct target *target;
	uint64_t number;
	struct recipe_def *def;
	char *label; /* root-relative path of the recipe file, for messages */
	char *path;  /* and of what it makes */
	struct buf canon;
	struct addr recipe;	 /* of the result; of several outputs, of the
				  * target's (task_set_base()) */
	struct addr base;	 /* of the run. Of observed inputs: of one that
				  * holds, when there is one; else as key */
	struct addr key;	 /* of what canon holds */
	struct addr flight;	 /* one of these at a time */
	struct ns_attr owner;	 /* the recipe file, of observed inputs */
	struct observe *observe; /* what its run sees */
	struct result result;	 /* of a run that is asked about again */
	bool found;		 /* what the last run gave holds */
	bool verify;		 /* it is run to compare with: */
	struct result known;
	struct addr known_base;
	struct canon_input *inputs; /* path: owned; name: def's */
	size_t ninputs;
	struct canon_value *params, *env;
	size_t nparams, nenv;
	struct canon_tool *tools;
	size_t ntools;
	struct buf machine; /* what of it the result depended on, as lines */
	unsigned depth;	    /* levels that inputs climb */
	char out_name[32];
	struct task_out *outs; /* several, in the order of def's; or none */
	size_t which;	       /* of them the target's */

	struct view_node *work, *root; /* what lies at /w and /r */
	bool stop;		       /* atomic */
	bool started;
	uint64_t run_id;
	int64_t start_ns;
	const char *scratch; /* where a command writes, while it does */
	bool taking; /* its output goes into the store: until the row is there,
		      * store_leave() with: */
	unsigned ticket;
	const struct canon_input *damaged; /* an input that could not be read
					    * while it ran; db_lock */
	bool lost;	    /* it is of the past, and was let go of */
	struct store *kept; /* collection lets the inputs be there, or NULL */
};
void task_free(struct task *j);
/* What run it is, and with that which result. */
void task_set_base(struct task *j, const struct addr *base);
/* Of one of several outputs. */
void task_output_addr(const struct task *j, size_t which, struct addr *ret);
/* Of observed inputs: another directory sees another tree. */
void addr_of_flight(struct task *j, const struct target *t);
/* Its inputs are kept until it is freed, whatever becomes of the files. */
void task_keep(struct task *j, struct store *s);
CLEANUP_FN(struct task, task_free)

/* --- resolve.c ---------------------------------------------------------- */

/* What resolving came to. */
struct resolved {
	struct task *task;     /* complete: its address is known */
	struct target **needs; /* derived inputs that have to come first */
	size_t nneeds, cap_needs;
	uint64_t mark;	   /* target.listed of those */
	uint64_t *writing; /* inodes to settle first */
	size_t nwriting, cap_writing;
	struct target **dropped; /* inputs without bytes, if it has to run */
	size_t ndropped, cap_dropped;
	bool shaky;	      /* some input is being written */
	bool unread;	      /* tools have to be read first */
	struct addr dir_addr; /* of a directory's target: its content */
	uint64_t dir_count;
	int error; /* the errno of a failure, with the reason: */
	struct err err;
};
void resolved_done(struct resolved *r);

/* Registers t's watches anew. 0, also with r->error set; negative for what is
 * no fault of the recipe (-ENOMEM, -EIO of the store). settled: inodes being
 * written have been settled, take them as they are. */
int resolve(struct eval *ev, struct target *t, bool settled,
	    struct resolved *ret) MUST_USE;

/* --- resolve_dir.c ------------------------------------------------------- */

/* The same for a target that stands for a whole directory: no task, but its
 * content, when nothing is needed and nothing failed. */
int resolve_dir(struct eval *ev, struct target *t, bool settled,
		struct resolved *ret) MUST_USE;

/* --- task_view.c --------------------------------------------------------- */

/* Lays the inputs out as the command sees them. -EEXIST: two are in each
 * other's way, and *ret_in is one of them. */
int task_build_views(struct store *s, struct task *j,
		     const struct canon_input **ret_in) MUST_USE;
/* Calls fn for each input that was not looked up. */
int task_unread(const struct task *j,
		int (*fn)(void *ctx, const struct canon_input *in),
		void *ctx) MUST_USE;
/* Chooses the name of $out, or of each of several outputs; -ENOENT: the target
 * is none of these. */
int task_name_output(struct task *j, const char *name) MUST_USE;

/* --- execute.c ---------------------------------------------------------- */

/* Runs a task to its end without any lock, and fills the result. Negative: not
 * a fault of the computation; -ECANCELED stopped. */
int execute(struct eval *ev, struct task *j, struct result *ret,
	    struct err *err) MUST_USE;
/* Ends a running task's command or function; db_lock held. */
void execute_stop(struct eval *ev, struct task *j);

#endif
