/* recipes/json_path.h - which values of a stream of JSON events are wanted.
 *
 * A path is a part of what jq understands: `.` is the value itself, `.name`
 * and `."any name"` a member of an object, `[3]` an element of an array,
 * counted from 0, `[]` each of them in turn. What is not there gives nothing.
 *
 * Errors: -EINVAL a path that is none, with a message, -ENOMEM.
 */
#ifndef RECIPES_JSON_PATH_H
#define RECIPES_JSON_PATH_H

#include "recipes/json.h"

struct json_path;

/* Events of the values that are selected, whole, go to fn. */
int json_path_new(const char *text, json_fn fn, void *ctx,
		  struct json_path **ret, struct err *err) MUST_USE;
void json_path_free(struct json_path *p);
CLEANUP_FN(struct json_path, json_path_free)
/* For json_new(), with the path as context. */
int json_path_event(void *path, enum json_event event, const char *p, size_t n);

#endif
