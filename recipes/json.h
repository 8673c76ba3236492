/* recipes/json.h - JSON (RFC 8259) as a stream of events.
 *
 * Bytes go in as they come, in pieces of any length; events come out. Any
 * number of values may stand one behind the other, with or without white space
 * between them (JSON lines). Nothing is kept but the kinds of the open arrays
 * and objects and the number being read.
 *
 * Texts are decoded: escapes become UTF-8; half a surrogate pair becomes
 * U+FFFD. Numbers are given as they are written.
 *
 * Threads: one at a time.
 * Errors:  -EILSEQ with "line N: ...", -E2BIG nested deeper than JSON_DEPTH_MAX
 *          or a number of more than JSON_NUMBER_MAX, what the callback
 *          returned, -ENOMEM. An error stays.
 */
#ifndef RECIPES_JSON_H
#define RECIPES_JSON_H

#include "core/buf.h"
#include "core/err.h"

#define JSON_DEPTH_MAX	10000
#define JSON_NUMBER_MAX KIB(64)

enum json_event {
	JSON_OBJECT,
	JSON_OBJECT_END,
	JSON_ARRAY,
	JSON_ARRAY_END,
	JSON_KEY,    /* a text follows */
	JSON_STRING, /* a text follows */
	JSON_TEXT,   /* a part of it, perhaps none */
	JSON_TEXT_END,
	JSON_NUMBER, /* with its text */
	JSON_WORD,   /* true, false, null */
};

/* 0, or -errno to end it. */
typedef int (*json_fn)(void *ctx, enum json_event event, const char *p,
		       size_t n);

struct json;
int json_new(json_fn fn, void *ctx, struct json **ret) MUST_USE;
void json_free(struct json *j);
CLEANUP_FN(struct json, json_free)
int json_feed(struct json *j, const void *p, size_t n,
	      struct err *err) MUST_USE;
/* No more bytes come. */
int json_end(struct json *j, struct err *err) MUST_USE;
uint64_t json_line(const struct json *j); /* where it stands, from 1 */

/* Whether all of it is UTF-8; is a JSON number. */
bool json_is_utf8(const void *p, size_t n);
bool json_is_number(const void *p, size_t n);
/* A part of a text, which is UTF-8, with its escapes; no quotes. */
void json_escape(struct buf *b, const char *p, size_t n);

#endif
