/* recipes/slip.h - what a YAML parser complains of, said as what to write.
 *
 * libyaml speaks of tokens and contexts; somebody who wrote a shell command
 * into a recipe wants to know that it has to be quoted. The known complaints
 * are a table here; an unknown one is handed on as it is.
 */
#ifndef RECIPES_SLIP_H
#define RECIPES_SLIP_H

#include "core/err.h"

#include <stdbool.h>

struct slip {
	const char *problem, *context; /* libyaml's words, NULL: none */
	unsigned line, context_line;   /* from 1 */
	const char *text;	       /* the whole source */
	size_t len;
	size_t at;	   /* where in it, in bytes */
	unsigned cut_line; /* last plain text with a comment behind, 0: none */
};

/* -EINVAL with the message. */
int slip_explain(const struct slip *s, struct err *err) MUST_USE;

#endif
