/* recipes/yaml.h - YAML text to a small tree, nothing passed over in silence.
 *
 * The one module that knows libyaml. It takes of YAML what recipe files need:
 * one document of texts, lists and maps, every scalar a text as written. What
 * else YAML has (aliases, anchors, tags, directives, a second document, keys
 * that are no texts or come twice) is an error here, and so is what it cannot
 * read; the message says how to write it.
 *
 * CRLF line ends count as LF, a byte order mark at the start is skipped.
 *
 * Errors: -EINVAL with "line N: ..." in err, -ENOMEM.
 */
#ifndef RECIPES_YAML_H
#define RECIPES_YAML_H

#include "core/err.h"

#include <stdbool.h>

#define YNODE_DEPTH_MAX 8

enum ynode_type { Y_TEXT, Y_LIST, Y_MAP };

struct ynode {
	enum ynode_type type;
	unsigned line;
	char *text;	      /* of a text: UTF-8 without NUL bytes */
	bool plain;	      /* written without quotes, on the key's line */
	bool block;	      /* written with | or > */
	bool comment;	      /* plain, and a comment follows on its line */
	struct ynode **items; /* of a map: key, value, key, value */
	size_t count;	      /* of items */
};

/* *ret is NULL when the text holds nothing but blanks and comments. */
int ynode_parse(const char *text, size_t len, struct ynode **ret,
		struct err *err) MUST_USE;
void ynode_free(struct ynode *n);
CLEANUP_FN(struct ynode, ynode_free)

/* Plain and empty: nothing was written behind the colon or the dash. */
static inline bool ynode_nothing(const struct ynode *n)
{
	return n->type == Y_TEXT && n->plain && !*n->text;
}
/* "a text", "a list", "a map", "nothing" */
const char *ynode_what(const struct ynode *n);

#endif
