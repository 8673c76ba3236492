/* recipes/walk.h - from the paths of a recipe to its inputs.
 *
 * Private to resolve*.c. Every name that is looked at on the way is watched,
 * also those that are not there, every directory that a glob lists, and every
 * inode whose content, mode or owner mattered. So whatever changes the outcome
 * fires a watch, and nothing needs to be looked at again until then.
 */
#ifndef RECIPES_WALK_H
#define RECIPES_WALK_H

#include "cas/dir.h"
#include "recipes/define.h"
#include "recipes/task.h"

struct found;

struct walk {
	struct eval *ev;
	struct target *t; /* who watches; NULL: nobody */
	uint64_t at, dir; /* the moment, and where the recipe lies */
	struct finder *finder;
	const struct chain *chain;   /* patterns used so far: the question is
				      * only whether something is there */
	const struct ns_attr *owner; /* the recipe: its rights count */
	const char *label;
	bool settled;
	struct resolved *res;
	struct task *task;
	/* Told of each path and what it leads to (NULL: nothing), instead of
	 * taking it as an input. */
	int (*note)(void *ctx, const char *text, const struct found *f);
	void *note_ctx;
	gid_t *groups; /* of the owner, once they have been asked for */
	int ngroups;   /* -1: not yet */
};

void walk_done(struct walk *w);
/* Paths of the recipe file of that name and of what it makes. */
int walk_label(struct walk *w, const char *file) MUST_USE;
/* The canonical form of w->task, and its address. */
int walk_encode(struct walk *w) MUST_USE;

/* What a path leads to. */
struct found {
	bool derived;
	bool tree;	       /* it lies in a derived directory */
	bool own;	       /* the recipe itself makes it */
	struct ns_attr attr;   /* of a source */
	struct target *target; /* NULL where only that it is there matters */
	enum dir_type type;    /* in a tree; and then */
	struct addr addr;
	uint64_t size;
};

/* The answer is in w->res: returns -ECANCELED. */
int walk_fail(struct walk *w, int error, unsigned line, const char *fmt, ...)
	PRINTF(4, 5);

/* --- resolve_path.c ------------------------------------------------------ */

/* Whether the recipe's owner may do that (4 read, 1 search). */
bool walk_may(struct walk *w, const struct ns_attr *a, unsigned what);
/* Makes a path plain. *ret_up: leading ".." that are left. An absolute path
 * loses its slash. -EXDEV when ".." climbs out of an absolute path. */
int plain_path(const char *text, struct buf *ret, unsigned *ret_up) MUST_USE;
/* Where a path begins that climbs so often. -EXDEV. */
int walk_start(struct walk *w, const char *text, unsigned up,
	       uint64_t *ret) MUST_USE;
/* Follows a plain path from dir. 0 and *ret; -ENOENT, -ENOTDIR, -EACCES,
 * -ELOOP, -ENAMETOOLONG, -EXDEV out of the mount; -EINPROGRESS a derived
 * directory on the way has to be computed first, and is among the needs. */
int walk_follow(struct walk *w, uint64_t dir, const char *path, size_t len,
		struct found *ret) MUST_USE;

/* --- resolve_tree.c ------------------------------------------------------ */

/* What a derived directory holds. -EINPROGRESS; -ENOTDIR it is a file. */
int walk_tree(struct walk *w, struct target *d, struct addr *ret) MUST_USE;
/* Follows a plain path from there; as walk_follow(). */
int walk_in_tree(struct walk *w, const struct addr *top, const char *path,
		 size_t len, struct found *ret) MUST_USE;

/* --- resolve_dir.c ------------------------------------------------------- */

/* The target that stands for a whole directory, without what that recipe file
 * makes (0: with all); watched. */
int walk_dir_target(struct walk *w, uint64_t dir, uint64_t recipe,
		    struct target **ret) MUST_USE;

/* --- resolve_glob.c ------------------------------------------------------ */

struct names {
	struct name {
		char *text;
		size_t len;
		bool dir; /* it is listed, and a directory */
	} * v;
	size_t count, cap;
};
void names_done(struct names *n);
/* dir/name; dir empty: the name alone. */
int names_add(struct names *n, const struct buf *dir, const char *name,
	      size_t len) MUST_USE;
void names_sort(struct names *n); /* by bytes */
/* The paths from dir that match, sorted by bytes. */
int walk_glob(struct walk *w, const struct recipe_path *p, uint64_t dir,
	      const char *pattern, struct names *ret) MUST_USE;

/* --- resolve_input.c ----------------------------------------------------- */

/* All inputs of the definition, into w->task and w->res. */
int walk_inputs(struct walk *w) MUST_USE;
/* A target whose value is an input: 0 it is there, 1 it has to be waited for
 * (and is among the needs). */
int walk_await(struct walk *w, struct target *d) MUST_USE;
/* A derived input has to come first. */
int walk_need(struct resolved *r, struct target *t) MUST_USE;
/* Whether an input's value will do for t. */
bool walk_holds(const struct target *t, const struct target *input);
/* An inode whose content counts: watched, and noted when it is being
 * written. */
int walk_use_inode(struct walk *w, uint64_t ino) MUST_USE;

#endif
