/* cli/json.h - fields of a flat JSON object, as .deriva/status gives it.
 *
 * Not a validator: it finds a key of the outermost object and steps over
 * nested values. -ENOENT: no such key, or null; -EINVAL: another type, or no
 * JSON up to there.
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "core/buf.h"

int json_string(const char *text, const char *key, struct buf *ret) MUST_USE;
int json_number(const char *text, const char *key, double *ret) MUST_USE;
int json_u64(const char *text, const char *key, uint64_t *ret) MUST_USE;

#endif
