/* recipes/pattern_set.h - the patterns of a directory, and what they ask for.
 *
 * Remembers both: which recipe files of a directory are patterns (found by an
 * index of names with a percent sign, forgotten when such a name comes or
 * goes, or when one makes other outputs), and what a recipe's content names (by
 * its address).
 *
 * Private to define*.c; all under db_lock(). What is handed out is good until
 * patterns_trim() or patterns_changed().
 */
#ifndef RECIPES_PATTERN_SET_H
#define RECIPES_PATTERN_SET_H

#include "recipes/define.h"

struct pattern {
	uint64_t ino;
	size_t len, fixed;
	char text[NS_NAME_MAX + 1]; /* what it defines: its name without the
				     * suffix, or one of its outputs */
	char file[NS_NAME_MAX + 1]; /* its name */
};

struct patterns { /* the one with the most fixed bytes first */
	size_t count;
	struct pattern v[];
};

/* What a recipe's content says about which names it defines. */
struct asked {
	bool out_dir; /* it makes a directory */
	/* Several outputs, as they are written; all with a stem, or none. */
	bool stems;
	size_t nouts;
	char **outs;
	/* What has to be there for a stem to count. 0: the recipe cannot be
	 * read, or asks for nothing. */
	size_t count;
	struct recipe_known {
		size_t len;
		char *text; /* a path with stems, as it is written */
	} v[];
};

int patterns_of(struct eval *ev, uint64_t at, uint64_t dir,
		const struct patterns **ret) MUST_USE;
int patterns_asked(struct eval *ev, const struct ns_attr *recipe,
		   const struct asked **ret) MUST_USE;
/* The same for a recipe file by its number. */
int patterns_recipe(struct eval *ev, uint64_t at, uint64_t ino,
		    const struct asked **ret) MUST_USE;
/* Forgets when much is remembered; before a question, not within. */
void patterns_trim(struct eval *ev);

#endif
