/* recipes/file.h - recipe files: YAML text to a definition, or a clear error.
 *
 * Every scalar is text. What YAML would pass over in silence is an error here:
 * unknown and repeated keys, a second document, aliases, anchors, tags, a
 * comment behind a plain scalar of `run`. Messages carry the line and say how
 * to write it ("quote it, or write `run: |`").
 *
 * Pure: bytes in, a definition out; no file, no store.
 * Errors: -EINVAL with "line N: ..." in err, -E2BIG over a named limit,
 *         -ENOMEM.
 */
#ifndef RECIPES_FILE_H
#define RECIPES_FILE_H

#include "core/err.h"
#include "recipes/pattern.h"

#include <stdbool.h>

#define RECIPE_FILE_MAX	  MIB(1)
#define RECIPE_INPUTS_MAX 100000 /* paths as written */
#define RECIPE_PATH_MAX	  4095	 /* bytes of one path */
#define RECIPE_OUTS_MAX	  1000	 /* outputs of one run */
#define RECIPE_TIMEOUT_NS (3600 * NSEC_PER_SEC)
#define RECIPE_MEMORY_MIN MIB(1)

/* One path. With a stem it is as written (recipes/pattern.h) until
 * recipe_def_fill(), else `%%` is already made `%`. Quoted or not, it may glob,
 * and "." ".." and "//" are left for who resolves it. It is relative to the
 * recipe's directory unless it starts with '/'. */
struct recipe_path {
	char *text;
	unsigned line;
	bool glob; /* has * ? or [ */
	bool stem; /* has a `%` to be filled in */
	bool dir;  /* ends in '/': nothing but a directory will do */
};

/* One name and its paths; name NULL for the elements of a plain list, which
 * all lie in one input. */
struct recipe_input {
	char *name;
	bool list; /* written as a list, also of one, or as a glob */
	struct recipe_path *paths;
	size_t count;
	unsigned line;
};

struct recipe_pair { /* sorted by name */
	char *name, *value;
	unsigned line;
};

/* One of several outputs: the variable that says where to write it, and the
 * name of the file beside the recipe. Its stem, if there is one, is as it is
 * written until recipe_def_fill(). */
struct recipe_out {
	char *name, *file;
	unsigned line;
};

/* What becomes of the bytes of its result; the values are in the store. */
enum recipe_keep {
	RECIPE_KEEP_AUTO = 0,
	RECIPE_KEEP_ALWAYS = 1,
	RECIPE_KEEP_NEVER = 2, /* dropped when the last reader closes it */
};

enum recipe_kind { RECIPE_RUN_SHELL, RECIPE_RUN_ARGV, RECIPE_FN };

struct recipe_def {
	enum recipe_kind kind;
	char *run;   /* shell text */
	char **argv; /* argument list, NULL-terminated */
	size_t argc;
	char *fn;
	unsigned run_line;

	struct recipe_input *inputs; /* a map's sorted by name */
	size_t ninputs;

	struct recipe_pair *params;
	size_t nparams;
	char **env; /* names, sorted; values are the caller's business */
	size_t nenv;
	char **tools; /* sorted */
	size_t ntools;
	unsigned tools_line;

	bool out_dir;		 /* the output is a directory */
	struct recipe_out *outs; /* several files, sorted by name; or none */
	size_t nouts;
	bool observed; /* there is no list of inputs */

	int64_t timeout_ns; /* default 1 h */
	uint64_t memory;    /* 0: the default */
	bool stat_lazy;
	bool stat_set;
	bool network;
	bool eager;
	enum recipe_keep keep;
};

int recipe_parse(const char *text, size_t len, struct recipe_def **ret,
		 struct err *err) MUST_USE;
/* How many bytes of a path with a stem, as it is written, name a file that has
 * to be there for the stem to count: all before the first component that
 * globs. 0 when there is no stem in that. */
size_t recipe_path_known(const struct recipe_path *p);
/* Puts the stem into all paths and names of outputs; len 0: the recipe is no
 * pattern, and -EINVAL, with the line in err, when one of them holds a stem.
 * -EINVAL also for a pattern whose inputs do not say which stems there are, or
 * with an output that is the same for all stems. */
int recipe_def_fill(struct recipe_def *d, const char *stem, size_t len,
		    struct err *err) MUST_USE;
void recipe_def_free(struct recipe_def *d);
CLEANUP_FN(struct recipe_def, recipe_def_free)

/* Shell-style match of one path component: * ? [a-z] [!a-z]; a leading dot
 * only by a literal dot; bytes, not characters. */
bool glob_match(const char *pattern, size_t plen, const char *name, size_t len);

#endif
