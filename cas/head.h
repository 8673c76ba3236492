/* cas/head.h - heads of the Merkle log: the root of its first records, signed
 * with the key of the store (permanent; deriva-proof(5)).
 *
 * Only of what is durable: no power cut takes back what a head speaks of.
 *
 * Threads: one at a time.
 */
#ifndef CAS_HEAD_H
#define CAS_HEAD_H

#include "cas/mlog.h"
#include "cas/store.h"
#include "core/buf.h"
#include "core/tiles.h"

/* The lines that are signed, and behind them the signature. */
void head_text(const struct tile_head *h, bool with_signature, struct buf *ret);
bool head_is_signed(const struct tile_head *h);

/* Lines "NAME: VALUE" of a text, taken in order. */
struct lines {
	const char *p;
};
/* The value of the next line, when that is its name; up to `size` bytes with
 * the NUL. -EBADMSG. */
int lines_take(struct lines *l, const char *name, char *ret,
	       size_t size) MUST_USE;
/* Whether the next line has that name. */
bool lines_is(const struct lines *l, const char *name);
/* A line without a name. */
bool lines_skip(struct lines *l, const char *line);
/* Of values: digits alone; hexadecimal of exactly n bytes, in lower case. */
int number_parse(const char *s, uint64_t *ret) MUST_USE;
int hex_parse(const char *s, void *ret, size_t n) MUST_USE;
void hex_add(struct buf *b, const void *p, size_t n);

/* Reads what head_text() wrote; the signature is not checked. */
int head_parse(struct lines *l, struct tile_head *ret) MUST_USE;

/* Makes everything durable, and signs the log as it is then. The store's key is
 * made if there is none. The log comes back, too. Messages say what is wrong:
 * -EUCLEAN the log is not the one that was signed before. */
int head_make(struct store *s, struct peek *p, struct tile_head *ret,
	      struct mlog **ret_log, struct err *err) MUST_USE;

#endif
