/* recipes/function.h - built-in functions: computed in the process.
 *
 * A function sees its inputs as blobs or directories in order, its params by
 * name, and writes its output into a blob writer, or makes a directory
 * (recipes/dir_out.h). It streams: memory does not grow with the size of the
 * input unless its help says so. It looks between blocks whether it is to stop
 * (fn_stopped in recipes/fn.h).
 *
 * A family of functions lies in one file, fn_FAMILY.c, as a table of rows;
 * recipes/families.h names the families.
 *
 * What a function gives depends on what its address covers alone: its name and
 * version, params, and the inputs' content, names and order; with `paths` also
 * the paths under which the recipe names them. Not on the machine, the time or
 * how blocks fall.
 *
 * Errors of run: -EILSEQ the input is not what the function takes (a corrupt
 *         gzip file), -EINVAL params and inputs do not go together, -E2BIG over
 *         a limit that the message names: it fails for that input ever again;
 *         -ECANCELED stopped; all else (-EBADMSG, -ENOSPC, -ENOMEM) is the
 *         store's or the moment's.
 */
#ifndef RECIPES_FUNCTION_H
#define RECIPES_FUNCTION_H

#include "cas/blob.h"
#include "recipes/canon.h"

struct dir_out;
struct function;

struct fn_input {
	const char *name; /* NULL in a plain list */
	const char *path; /* as the recipe names it; for messages, or covered
			   * (`paths` of the function) */
	struct addr addr;
	uint64_t size;	 /* of a file */
	bool dir;	 /* a directory object */
	bool executable; /* a file that is */
};

struct fn_call {
	const struct function *fn;
	struct store *store;
	const struct fn_input *inputs;
	size_t ninputs;
	const struct canon_value *params;
	size_t nparams;
	struct blob_writer *out; /* of a function that makes a file */
	struct dir_out *dir;	 /* of one that makes a directory */
	const bool *stop;	 /* read with __atomic_load_n */
	int64_t deadline_ns;	 /* of clock_mono_ns(), 0: none */
	int scratch_fd;	  /* a directory for files of its own, -1: none */
	size_t block;	  /* how much to read at a time, 0: as usual */
	struct buf *text; /* what it wants to say, as a command's stderr */
};

enum fn_type {
	FN_TEXT,
	FN_BOOL,   /* true or false */
	FN_INT,	   /* min to max */
	FN_CHOICE, /* one of choices */
	FN_BYTE,   /* one byte that separates: itself, or the word "tab" */
};

struct fn_param {
	const char *name, *help;
	const char *value; /* the default, "": not set; NULL: required */
	enum fn_type type;
	long min, max;
	const char *choices; /* words with a blank between them */
};

struct function {
	const char *name, *help;
	uint32_t version; /* part of the address; rises when the same input
			   * gives another output than before */
	const struct fn_param *params; /* ends with name NULL */
	size_t min_inputs, max_inputs; /* SIZE_MAX: any number */
	bool any_param; /* takes params of other names, too, as texts */
	bool paths;	/* sees the paths of its inputs: they are covered */
	bool dirs;	/* inputs may be directories */
	bool makes_dir; /* its output is a directory, `out: dir`: who calls
			 * it gives `dir`, and finishes it afterwards */
	/* Files, each below a line `== NAME`: recipes and what they take, and
	 * as the last one what comes out of it. The tests run it. */
	const char *example;
	/* What single params do not say; sees params alone. May be NULL. */
	int (*check)(const struct fn_call *call, struct err *err);
	/* 0 or -errno with a message for the reader. */
	int (*run)(struct fn_call *call, struct err *err);
};

struct fn_family {
	const char *name; /* heading */
	const struct function *rows;
	size_t count;
};

const struct function *function_find(const char *name);
const struct function *function_at(size_t i); /* NULL behind the last */
const struct fn_family *fn_family_at(size_t i);
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
/* The nearest known name for "did you mean", NULL when none is near. */
const char *function_near(const char *name);

#endif
