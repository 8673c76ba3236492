/* recipes/key.h - the keys of a recipe file, each read into the definition.
 *
 * Between recipes/file.c, which knows which keys there are and checks what
 * concerns several of them, and key_FAMILY.c, which read their values.
 * -EINVAL with "line N: ..." in the reader's err.
 */
#ifndef RECIPES_KEY_H
#define RECIPES_KEY_H

#include "recipes/file.h"
#include "recipes/yaml.h"

struct recipe_reader {
	struct recipe_def *def;
	const struct ynode *in, *run, *fn, *params, *env; /* NULL: absent */
	const struct ynode *tools, *network;
	size_t paths; /* listed so far */
	struct err *err;
};

/* key_in.c */
int key_in(struct recipe_reader *r, const struct ynode *n) MUST_USE;

/* key_run.c */
int key_run(struct recipe_reader *r, const struct ynode *n) MUST_USE;
int key_fn(struct recipe_reader *r, const struct ynode *n) MUST_USE;
int key_params(struct recipe_reader *r, const struct ynode *n) MUST_USE;
int key_env(struct recipe_reader *r, const struct ynode *n) MUST_USE;

/* key_limit.c: limits, and how the result is kept and shown */
int key_timeout(struct recipe_reader *r, const struct ynode *n) MUST_USE;
int key_memory(struct recipe_reader *r, const struct ynode *n) MUST_USE;
int key_stat(struct recipe_reader *r, const struct ynode *n) MUST_USE;

/* key_out.c */
int key_out(struct recipe_reader *r, const struct ynode *n) MUST_USE;

/* key_policy.c */
int key_network(struct recipe_reader *r, const struct ynode *n) MUST_USE;
int key_tools(struct recipe_reader *r, const struct ynode *n) MUST_USE;
int key_eager(struct recipe_reader *r, const struct ynode *n) MUST_USE;
int key_keep(struct recipe_reader *r, const struct ynode *n) MUST_USE;

/* Whether an input, a param or a variable of env (what) may have that name:
 * an identifier, and none of those that every run sets. */
int key_check_name(struct recipe_reader *r, const char *what, const char *name,
		   unsigned line) MUST_USE;
/* The value of a key (as the message names it) is a text, and not empty. */
int key_check_word(struct recipe_reader *r, const char *key,
		   const struct ynode *n) MUST_USE;

#endif
