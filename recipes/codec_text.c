#include "recipes/codec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Bytes as base64 (RFC 4648, with padding) and hexadecimal digits, and back.
 * Encoding breaks lines as base64(1) does: one newline behind each line, none
 * at all when lines are not broken. Decoding passes over white space and wants
 * all else to be right. */

static const char digits64[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char digits16[] = "0123456789abcdef";

struct text {
	size_t wrap, column;
	uint32_t bits;	  /* of a group that is not complete */
	unsigned have;	  /* bytes (encoding) or digits (decoding) of it */
	unsigned padding; /* = seen */
	uint64_t line;
	bool ended; /* the last newline was written */
};

static int text_open(const struct codec *c, int level, uint64_t size,
		     void **ret)
{
	struct text *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->wrap = level ? (size_t)level - 1 : 0;
	t->line = 1;
	*ret = t;
	return 0;
}

/* --- encoding ------------------------------------------------------------- */

static size_t put_digit(struct text *t, char digit, uint8_t *out)
{
	size_t n = 0;

	out[n++] = (uint8_t)digit;
	if (t->wrap && ++t->column == t->wrap) {
		out[n++] = '\n';
		t->column = 0;
	}
	return n;
}

/* A group of 1 to 3 bytes as 4 digits. */
static size_t put_group(struct text *t, uint8_t *out)
{
	uint32_t bits = t->bits << 8 * (3 - t->have);
	unsigned i;
	size_t n = 0;

	for (i = 0; i < 4; i++)
		n += put_digit(t,
			       i <= t->have
				       ? digits64[bits >> (18 - 6 * i) & 63]
				       : '=',
			       out + n);
	t->have = 0;
	t->bits = 0;
	return n;
}

static size_t end_text(struct text *t, uint8_t *out)
{
	size_t n = t->have ? put_group(t, out) : 0;

	if (t->column) {
		out[n++] = '\n';
		t->column = 0;
	}
	return n;
}

static int base64_step(void *z, const uint8_t **p, size_t *n, bool last,
		       uint8_t *out, size_t cap, size_t *ret_len,
		       struct err *err)
{
	struct text *t = z;
	size_t len = 0;

	for (; *n && len + 8 <= cap; ++*p, --*n) {
		t->bits = t->bits << 8 | **p;
		if (++t->have == 3)
			len += put_group(t, out + len);
	}
	if (last && !*n)
		len += end_text(t, out + len);
	*ret_len = len;
	return last && !*n;
}

static int hex_step(void *z, const uint8_t **p, size_t *n, bool last,
		    uint8_t *out, size_t cap, size_t *ret_len, struct err *err)
{
	struct text *t = z;
	size_t len = 0;

	for (; *n && len + 8 <= cap; ++*p, --*n) {
		len += put_digit(t, digits16[**p >> 4], out + len);
		len += put_digit(t, digits16[**p & 15], out + len);
	}
	if (last && !*n)
		len += end_text(t, out + len);
	*ret_len = len;
	return last && !*n;
}

const struct codec codec_base64 = {"base64", true, text_open, base64_step,
				   free};
const struct codec codec_hex = {"hex", true, text_open, hex_step, free};

/* --- decoding ------------------------------------------------------------- */

static bool is_space(struct text *t, uint8_t c)
{
	t->line += c == '\n';
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int bad_digit(const struct text *t, uint8_t c, const char *what,
		     struct err *err)
{
	char shown[8] = {'`', (char)c, '`'};

	if (c <= ' ' || c >= 0x7f)
		snprintf(shown, sizeof(shown), "0x%02x", c);
	return err_set(err, -EILSEQ, "line %llu: %s is no digit of %s",
		       (unsigned long long)t->line, shown, what);
}

static size_t put_bytes(struct text *t, unsigned bytes, uint8_t *out)
{
	uint32_t bits = t->bits << 6 * (4 - t->have);
	unsigned i;

	for (i = 0; i < bytes; i++)
		out[i] = (uint8_t)(bits >> (16 - 8 * i));
	t->have = 0;
	t->bits = 0;
	return bytes;
}

/* A digit, or padding; -EILSEQ. Bytes that are complete go out. */
static int take64(struct text *t, uint8_t c, uint8_t *out, struct err *err)
{
	const char *d = c ? strchr(digits64, c) : NULL;
	unsigned have = t->have;

	if (c == '=' &&
	    (t->padding ? t->padding == 1 && have == 3 : have >= 2)) {
		if (!t->padding && have == 2) {
			t->padding = 1;
			t->have = 3;
			t->bits <<= 6;
			return 0;
		}
		have = t->padding ? 1 : 2; /* bytes */
		t->padding = 2;
		t->bits <<= 6;
		t->have = 4;
		return (int)put_bytes(t, have, out);
	}
	if (!d)
		return bad_digit(t, c, "base64", err);
	if (t->padding)
		return err_set(err, -EILSEQ,
			       "line %llu: base64 goes on behind its `=`",
			       (unsigned long long)t->line);
	t->bits = t->bits << 6 | (uint32_t)(d - digits64);
	return ++t->have == 4 ? (int)put_bytes(t, 3, out) : 0;
}

static int unbase64_step(void *z, const uint8_t **p, size_t *n, bool last,
			 uint8_t *out, size_t cap, size_t *ret_len,
			 struct err *err)
{
	struct text *t = z;
	size_t len = 0;
	int got;

	for (; *n && len + 3 <= cap; ++*p, --*n) {
		if (is_space(t, **p))
			continue;
		got = take64(t, **p, out + len, err);
		if (got < 0)
			return got;
		len += (size_t)got;
	}
	*ret_len = len;
	return !t->have;
}

static int unhex_step(void *z, const uint8_t **p, size_t *n, bool last,
		      uint8_t *out, size_t cap, size_t *ret_len,
		      struct err *err)
{
	struct text *t = z;
	size_t len = 0;
	const char *d;
	uint8_t c;

	for (; *n && len < cap; ++*p, --*n) {
		if (is_space(t, **p))
			continue;
		c = **p >= 'A' && **p <= 'F' ? **p + ('a' - 'A') : **p;
		d = c ? strchr(digits16, c) : NULL;
		if (!d)
			return bad_digit(t, **p, "hex", err);
		t->bits = t->bits << 4 | (uint32_t)(d - digits16);
		if (++t->have == 2) {
			out[len++] = (uint8_t)t->bits;
			t->have = 0;
			t->bits = 0;
		}
	}
	*ret_len = len;
	return !t->have;
}

const struct codec codec_unbase64 = {"base64", true, text_open, unbase64_step,
				     free};
const struct codec codec_unhex = {"hex", true, text_open, unhex_step, free};
