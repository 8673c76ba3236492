/* recipes/function.h - built-in functions: computed in the process.
 *
 * A function sees its inputs as blobs in order, its params by name, and writes
 * its output into a blob writer. It streams: memory does not grow with the
 * size of the input unless its row says so. It looks at *stop between blocks
 * and returns -ECANCELED.
 *
 * A family of functions lies in one file, fn_FAMILY.c, which defines rows of
 * the table in function.c.
 *
 * Errors of run: -EILSEQ the input is not what the function takes (a corrupt
 *         gzip file): it fails for that input ever again; -ECANCELED; all else
 *         (-EBADMSG, -ENOSPC, -ENOMEM) is the store's or the moment's.
 */
#ifndef RECIPES_FUNCTION_H
#define RECIPES_FUNCTION_H

#include "cas/blob.h"
#include "recipes/canon.h"

struct fn_input {
	const char *name; /* NULL in a plain list */
	const char *path; /* for messages */
	struct addr addr;
	uint64_t size;
};

struct fn_call {
	struct store *store;
	const struct fn_input *inputs;
	size_t ninputs;
	const struct canon_value *params;
	size_t nparams;
	struct blob_writer *out;
	const bool *stop; /* read with __atomic_load_n */
	int scratch_fd;	  /* a directory for files of its own, -1: none */
	struct buf *text; /* what it wants to say, as a command's stderr */
};

enum fn_type { FN_TEXT, FN_BOOL, FN_INT };

struct fn_param {
	const char *name, *help;
	const char *value; /* the default; NULL: required */
	enum fn_type type; /* FN_BOOL: true or false */
	long min, max;	   /* of FN_INT */
};

struct function {
	const char *name, *help;
	uint32_t version; /* part of the address; rises when the same input
			   * gives another output than before */
	const struct fn_param *params; /* ends with name NULL */
	size_t min_inputs, max_inputs; /* SIZE_MAX: any number */
	const char *example;	       /* a recipe file */
	/* 0 or -errno with a message for the reader. */
	int (*run)(struct fn_call *call, struct err *err);
};

const struct function *function_find(const char *name);
const struct function *function_at(size_t i); /* NULL behind the last */
/* Unknown, missing and ill-formed params, number of inputs: -EINVAL. */
int function_check(const struct function *f, const struct canon_value *params,
		   size_t nparams, size_t ninputs, struct err *err) MUST_USE;
/* One param; and the params alone, as far as a recipe file says it. */
int function_check_param(const struct function *f,
			 const struct canon_value *param,
			 struct err *err) MUST_USE;
int function_check_params(const struct function *f,
			  const struct canon_value *params, size_t nparams,
			  struct err *err) MUST_USE;
/* Value of a param, or its default. */
const char *fn_arg(const struct fn_call *call, const struct function *f,
		   const char *name);
/* The nearest known name for "did you mean", NULL when none is near. */
const char *function_near(const char *name);

#endif
