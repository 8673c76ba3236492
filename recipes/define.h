/* recipes/define.h - inside evaluation: which recipe defines a name.
 *
 * An explicit recipe ("top.txt.recipe") defines its name whatever else there
 * is, or instead the outputs that it lists (`out: {html: x.html}`); two such
 * recipes for one name are in conflict, and reading it says so. A pattern
 * ("%.jpg.recipe") defines a name when its stem fits and every input that has
 * the stem, outside of globs, is there: as a source, or defined in its turn. Of
 * several patterns the one with the most fixed bytes wins, then the first by
 * name. A pattern is used once in a chain, as in make, so that "%x.recipe" with
 * the input "%" ends. An ordinary file wins over a pattern, and blocks an
 * explicit recipe.
 *
 * A pattern that cannot be read defines nothing but the names that had a
 * content before: who asks for those is told what is wrong with it.
 *
 * Who watches (a target, or NULL) hears of everything that would change the
 * answer.
 *
 * Private to evaluation; all under db_lock().
 */
#ifndef RECIPES_DEFINE_H
#define RECIPES_DEFINE_H

#include "recipes/target.h"

struct recipe_def;

/* Patterns used already on the way to a name, by the recipe file's inode. */
struct chain {
	uint64_t ino;
	const struct chain *up;
};

struct defined {
	struct ns_attr recipe; /* the recipe file */
	char file[NS_NAME_MAX + 1];
	char rival[NS_NAME_MAX + 1]; /* another that makes the same name; "" */
	size_t stem_len;	     /* 0: an explicit recipe */
	char stem[NS_NAME_MAX + 1];
};

/* A question, with what it has cost so far. */
struct finder {
	struct eval *ev;
	struct target *watcher; /* may be NULL */
	uint64_t at;
	unsigned steps; /* chains looked into */
	/* Of define_list(), may be NULL: told of each explicit recipe that an
	 * ordinary file is in the way of. */
	void (*blocked)(void *ctx, uint64_t dir, const char *file);
	void *blocked_ctx;
};

struct asked;

/* 0, -ENOENT, or -EEXIST for an explicit recipe that is blocked. */
int define_find(struct finder *f, uint64_t dir, const char *name, size_t len,
		const struct chain *chain, struct defined *ret) MUST_USE;

/* All names of a directory that define_find() would find, each once, in byte
 * order. fits: only names that this pattern may match are wanted (others may
 * come, too); NULL: all. */
int define_list(struct finder *f, uint64_t dir, const struct chain *chain,
		const char *fits, size_t fits_len,
		int (*fn)(void *ctx, const char *name, size_t len, bool is_dir),
		void *ctx) MUST_USE;

/* Reads and parses a recipe file; -EINVAL, -E2BIG with the line in err. */
int define_load(struct eval *ev, const struct ns_attr *file,
		struct recipe_def **ret, struct err *err) MUST_USE;

/* --- between define.c and define_list.c ----------------------------------- */

bool define_in_chain(const struct chain *c, uint64_t ino);
/* Whether all that the pattern asks for is there with that stem: 0 or 1. */
int define_applies(struct finder *f, uint64_t dir, const struct ns_attr *recipe,
		   const struct asked *asked, const char *stem, size_t len,
		   const struct chain *chain) MUST_USE;

/* --- pattern_set.c ----------------------------------------------------------
 */

/* A name with a percent sign came or went there. */
void patterns_changed(struct eval *ev, uint64_t dir);
/* Anything may have. */
void patterns_forget(struct eval *ev);
void patterns_free(struct eval *ev);

#endif
