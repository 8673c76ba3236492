/* recipes/canon.h - the canonical form of a computation, and its address.
 *
 * Covers all that the computation can see: the function (for `run` the text
 * and the sandbox's version), the inputs (name, position, kind, executable,
 * address and, for `run`, the path under which the command sees each), params,
 * values of env, addresses of tools, the shape of the output. Nothing else:
 * neither where the recipe lies nor who asks. The bytes are permanent;
 * deriva-store(5) has them.
 */
#ifndef RECIPES_CANON_H
#define RECIPES_CANON_H

#include "core/addr.h"
#include "core/buf.h"
#include "recipes/file.h"

/* Of what a command sees beside its inputs, where its result may depend on it.
 * What it is refused (recipes/sandbox_seccomp.h) is not counted: that takes
 * away ways to fail otherwise, and what a command made before is what it would
 * make now; a new version makes everybody's results be computed again. */
#define SANDBOX_VERSION 1

struct canon_input {
	const char *name; /* of a map, where inputs are sorted by it, an input's
			   * elements together; NULL for all in a plain list */
	bool list;	  /* written as a list or a glob; always so in a plain
			   * list */
	bool empty;	  /* stands for a named list that holds nothing; addr is
			   * zero, path "" */
	uint32_t position; /* within its name or list, from 0. Encoding takes
			    * the order of the array for it */
	bool dir;	   /* a directory object; else file content */
	bool executable;
	struct addr addr;
	uint64_t size;	  /* not covered: the address says it */
	const char *path; /* under which a command sees it, as bytes: relative
			   * to the recipe's directory, or absolute from the
			   * mount's root; of functions covered with paths */
	size_t path_len;
};

struct canon_value {
	const char *name;
	const char *value; /* NULL: not set (env) */
};

enum canon_shape {
	CANON_FILE,  /* one file: out_name */
	CANON_DIR,   /* a directory: out_name */
	CANON_FILES, /* several files of one run: outs */
};

struct canon_out {
	const char *name; /* of the variable, an identifier */
	const char *file; /* under which it is written */
};

struct canon {
	enum recipe_kind kind;
	uint32_t version; /* of the sandbox or the function; 0 when encoding:
			   * the present one */
	const char *text; /* shell text or function name */
	const char *const *argv; /* argument list */
	size_t argc;
	bool network;	/* the command reaches it */
	bool paths;	/* of a function: it sees its inputs' paths, so they
			 * are covered; else they are left out */
	bool observed;	/* inputs are observed: none are listed */
	uint32_t depth; /* observed: levels the recipe lies deep; else 0 */
	const struct canon_input *inputs; /* in order */
	size_t ninputs;
	const struct canon_value *params, *env; /* sorted by name */
	size_t nparams, nenv;
	const struct canon_tool {
		const char *name;
		struct addr addr;
	} * tools; /* sorted by name */
	size_t ntools;
	enum canon_shape shape;
	const char *out_name; /* file name of $out: "out", or with the suffix of
			       * the derived file when the command names out;
			       * NULL: "out". Not covered for functions */
	const struct canon_out *outs; /* sorted by name; with CANON_FILES */
	size_t nouts;
};

/* -E2BIG over OBJ_MAX of cas (16 MiB), -EINVAL for what is not in the form
 * above (not sorted, a name twice, an unknown function). */
int canon_encode(const struct canon *c, struct buf *ret) MUST_USE;

/* The reverse, into memory owned by *ret; -EBADMSG for anything that
 * canon_encode would not have written. */
struct canon_decoded;
int canon_decode(const void *p, size_t n, struct canon_decoded **ret) MUST_USE;
const struct canon *canon_get(const struct canon_decoded *d);
void canon_decoded_free(struct canon_decoded *d);
CLEANUP_FN(struct canon_decoded, canon_decoded_free)

#endif
