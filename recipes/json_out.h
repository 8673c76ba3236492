/* recipes/json_out.h - JSON events as text, one value on a line or spread.
 *
 * Private to the functions. What is written has no blanks but those that
 * `pretty` asks for, which are those of jq.
 */
#ifndef RECIPES_JSON_OUT_H
#define RECIPES_JSON_OUT_H

#include "recipes/fn.h"
#include "recipes/json.h"

struct json_out {
	struct fn_out *out; /* or, when that is NULL, */
	struct buf *to;
	bool pretty, raw;
	bool array; /* around all values */

	bool any;      /* value of that array */
	bool key;      /* what comes stands behind a name, or is one */
	bool plain;    /* the text going on has no quotes */
	uint8_t *used; /* of each open array or object: it has something */
	size_t depth, room;
	struct buf text;
};
void json_out_done(struct json_out *o);

/* For json_new(), with the writer as context. */
int json_out_event(void *json_out, enum json_event event, const char *p,
		   size_t n);
int json_out_end(struct json_out *o) MUST_USE;

#endif
