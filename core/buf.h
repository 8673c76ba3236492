/* core/buf.h - a byte buffer that grows; fixed-width little-endian coding.
 *
 * A buf whose allocation failed stays failed: every later append is a no-op
 * and buf_err() says -ENOMEM, so a long encoding is checked once at its end.
 * Always NUL-terminated behind len (when data is not NULL).
 */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include "core/macros.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct buf {
	uint8_t *data;
	size_t len, cap;
	bool failed;
};

#define BUF_INIT  \
	{         \
		0 \
	}

void buf_done(struct buf *b); /* frees, and leaves an empty buf */
#define CLEANUP_BUF CLEANUP(buf_done)

void buf_reset(struct buf *b); /* empty again, memory kept */
static inline MUST_USE int buf_err(const struct buf *b)
{
	return b->failed ? -ENOMEM : 0;
}

/* Room for n more bytes behind len; returns where, or NULL. The caller adds
 * what it used to len. */
void *buf_room(struct buf *b, size_t n) MUST_USE;
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_fmt(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
/* The text as C string; "" when nothing was ever added. */
const char *buf_cstr(const struct buf *b);
/* A JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD. */
void buf_json(struct buf *b, const char *s, size_t n);

/* A cursor over bytes from outside. Reading past the end sets bad, yields
 * zeros, and every later read does too: check bad once, at the end. */
struct cur {
	const uint8_t *p, *end;
	bool bad;
};

static inline struct cur cur_of(const void *p, size_t n)
{
	const uint8_t *b = p;

	return (struct cur){.p = b, .end = b + n, .bad = false};
}
static inline size_t cur_left(const struct cur *c)
{
	return (size_t)(c->end - c->p);
}
uint8_t cur_u8(struct cur *c);
uint16_t cur_u16(struct cur *c);
uint32_t cur_u32(struct cur *c);
uint64_t cur_u64(struct cur *c);
const void *cur_bytes(struct cur *c, size_t n); /* NULL when too short */

static inline uint32_t get_le32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}
static inline uint64_t get_le64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}
static inline void put_le32(void *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}
static inline void put_le64(void *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

#endif
