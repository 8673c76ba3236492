/* recipes/output_set.h - the recipes of a directory that make several files.
 *
 * A recipe with `out: {html: x.html, log: x.log}` defines those names and not
 * its own, so that a name alone does not say which recipe to look for. For
 * each directory that somebody asks about, its recipes are gone through once
 * (an index of names that end in ".recipe" finds them), and from then on one by
 * one as they change: whoever changes a name or an inode of the present tells
 * outputs_name_changed() and outputs_inode_changed(), which say what is
 * defined otherwise now.
 *
 * Patterns with several outputs are in recipes/pattern_set.h; of those only the
 * inode is remembered here.
 *
 * Private to evaluation; all under db_lock(). What is handed out is good until
 * outputs_trim() or one of the changes.
 */
#ifndef RECIPES_OUTPUT_SET_H
#define RECIPES_OUTPUT_SET_H

#include "recipes/target.h"

/* A recipe file that makes a name; `next`, by the file's name, makes it, too.
 */
struct maker {
	uint64_t ino;
	const char *file;
	const struct maker *next;
};

/* *ret: the first of those that make the name, or NULL. */
int outputs_find(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		 size_t len, const struct maker **ret) MUST_USE;
/* A pattern's file, so that a change of its content is heard of. */
int outputs_remember(struct eval *ev, uint64_t at, uint64_t dir,
		     const struct ns_entry *e) MUST_USE;

/* Calls fn for each name that the recipe file made before or makes now. */
typedef void (*outputs_fn)(struct eval *ev, uint64_t dir, const char *name,
			   size_t len);
void outputs_name_changed(struct eval *ev, uint64_t dir, const char *file,
			  size_t len, outputs_fn fn);
/* The same for all its names; patterns: what a pattern makes is another. */
void outputs_inode_changed(struct eval *ev, uint64_t ino, outputs_fn fn);

void outputs_forget(struct eval *ev);
/* Forgets when much is remembered, and has everything looked at again; before
 * a question, not within. */
void outputs_trim(struct eval *ev);
void outputs_free(struct eval *ev);

#endif
