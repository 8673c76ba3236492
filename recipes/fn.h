/* recipes/fn.h - what the built-in functions share: params, reading, writing.
 *
 * Private to function.c and fn_FAMILY.c.
 */
#ifndef RECIPES_FN_H
#define RECIPES_FN_H

#include <string.h>

#include "recipes/function.h"
#include "recipes/order.h"

#define FN_BLOCK    KIB(256)
#define FN_LINE_MAX MIB(64)

/* Rows of params. */
#define PARAM_TEXT(n, v, h)                                             \
	{                                                               \
		.name = (n), .help = (h), .value = (v), .type = FN_TEXT \
	}
#define PARAM_BOOL(n, v, h)                                             \
	{                                                               \
		.name = (n), .help = (h), .value = (v), .type = FN_BOOL \
	}
#define PARAM_INT(n, v, lo, hi, h)                                      \
	{                                                               \
		.name = (n), .help = (h), .value = (v), .type = FN_INT, \
		.min = (lo), .max = (hi)                                \
	}
#define PARAM_CHOICE(n, v, c, h)                                           \
	{                                                                  \
		.name = (n), .help = (h), .value = (v), .type = FN_CHOICE, \
		.choices = (c)                                             \
	}
#define PARAM_BYTE(n, v, h)                                             \
	{                                                               \
		.name = (n), .help = (h), .value = (v), .type = FN_BYTE \
	}

/* Value of a param, or its default. */
const char *fn_arg(const struct fn_call *call, const char *name);
bool fn_given(const struct fn_call *call, const char *name);
bool fn_is(const struct fn_call *call, const char *name, const char *value);
bool fn_true(const struct fn_call *call, const char *name);
long fn_int(const struct fn_call *call, const char *name);
uint8_t fn_byte(const struct fn_call *call, const char *name);
/* For check: exactly one of two params is given. -EINVAL. */
int fn_one_of(const struct fn_call *call, const char *a, const char *b,
	      struct err *err) MUST_USE;

/* 0, or -ECANCELED when it is to stop or its time is over. The time is looked
 * at between blocks only (fn_read). */
bool fn_stopped(const struct fn_call *call);

/* --- reading ------------------------------------------------------------- */

/* Reads inputs from front to end. Memory: one block. */
struct fn_reader {
	struct fn_call *call;
	const struct fn_input *input;
	struct blob *blob;
	uint8_t *block;
	uint64_t off; /* may be set */
};

/* Input number i; a reader that was opened is opened again for the next.
 * -EINVAL for a directory. */
int fn_open(struct fn_reader *r, struct fn_call *call, size_t i,
	    struct err *err) MUST_USE;
/* A blob that is no input but part of one; input is for messages. */
int fn_open_blob(struct fn_reader *r, struct fn_call *call,
		 const struct fn_input *input, const struct addr *a,
		 struct err *err) MUST_USE;
void fn_reader_done(struct fn_reader *r);
#define CLEANUP_READER CLEANUP(fn_reader_done)

/* The next bytes, valid until the next call; 0 at the end. -ECANCELED. */
ssize_t fn_read(struct fn_reader *r, const uint8_t **ret,
		struct err *err) MUST_USE;
/* Exactly n bytes, at most fn_block(), from any place. */
int fn_read_at(struct fn_reader *r, uint64_t off, size_t n, const uint8_t **ret,
	       struct err *err) MUST_USE;
static inline size_t fn_block(const struct fn_call *call)
{
	return call->block ? MIN(call->block, (size_t)FN_BLOCK) : FN_BLOCK;
}
/* Skips a run of zeros that begins here and is known without reading it; its
 * length, which may be 0. */
int fn_skip_zeros(struct fn_reader *r, uint64_t *ret, struct err *err) MUST_USE;

/* Lines, of one input after the other. Memory: a block, and a line that does
 * not lie within one, at most FN_LINE_MAX. */
struct fn_lines {
	struct fn_call *call;
	struct fn_reader r;
	size_t first, end, next; /* inputs */
	const uint8_t *p, *stop; /* not given out yet */
	struct buf held;	 /* of a line that blocks cut */
	uint64_t number;	 /* of the line in its input, from 1 */
	bool newline;		 /* one stood behind the line */
};
/* Inputs first to end, end not included. */
void fn_lines_init(struct fn_lines *l, struct fn_call *call, size_t first,
		   size_t end);
void fn_lines_done(struct fn_lines *l);
#define CLEANUP_LINES CLEANUP(fn_lines_done)
/* 1 a line without its newline, valid until the next call; 0 at the end. */
int fn_next_line(struct fn_lines *l, struct line *ret,
		 struct err *err) MUST_USE;
/* "PATH:LINE: ..." of the line given last. */
int fn_line_error(const struct fn_lines *l, int rc, struct err *err,
		  const char *fmt, ...) PRINTF(4, 5);

/* --- writing ------------------------------------------------------------- */

int fn_write(struct fn_call *call, const void *p, size_t n,
	     struct err *err) MUST_USE;
/* A value and a newline. */
int fn_write_line(struct fn_call *call, const char *text,
		  struct err *err) MUST_USE;
/* That part of what is being read. Its runs of zeros cost nothing. */
int fn_copy(struct fn_reader *r, uint64_t start, uint64_t end,
	    struct err *err) MUST_USE;

/* Gathers what comes in small pieces. A failure stays, and fn_out_end()
 * says it. */
struct fn_out {
	struct fn_call *call;
	struct err *err;
	size_t n;
	int rc;
	uint8_t p[KIB(16)];
};
static inline void fn_out_init(struct fn_out *o, struct fn_call *call,
			       struct err *err)
{
	o->call = call;
	o->err = err;
	o->n = 0;
	o->rc = 0;
}
void fn_put(struct fn_out *o, const void *p, size_t n);
static inline void fn_put_byte(struct fn_out *o, uint8_t c)
{
	if (o->n < sizeof(o->p))
		o->p[o->n++] = c;
	else
		fn_put(o, &c, 1);
}
static inline void fn_put_str(struct fn_out *o, const char *s)
{
	fn_put(o, s, strlen(s));
}
/* A line and its newline. */
static inline void fn_put_line(struct fn_out *o, struct line l)
{
	fn_put(o, l.p, l.n);
	fn_put_byte(o, '\n');
}
int fn_out_end(struct fn_out *o) MUST_USE;

#endif
