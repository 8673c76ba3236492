#include "recipes/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A push parser: a state, and for each byte what it does in that state. */
enum state {
	TOP,	     /* a value, or the end */
	VALUE,	     /* a value has to come */
	FIRST_VALUE, /* or ']' */
	FIRST_KEY,   /* or '}' */
	NEXT_KEY,
	COLON,
	AFTER, /* a value: ',' or the end of what it is in */
	TEXT,
	ESCAPE, /* behind a backslash */
	HEX,	/* the digits of \u */
	NUMBER,
	WORD,
};

struct json {
	json_fn fn;
	void *ctx;
	enum state state;
	uint64_t line;
	bool began; /* bytes were there */
	bool key;   /* the text is one */

	uint8_t *open; /* '[' or '{', the innermost last */
	size_t depth, room;

	struct buf number; /* or word */

	unsigned digits;     /* of \u that are still to come */
	uint32_t code, high; /* high: first half of a pair */

	uint8_t utf8[4]; /* a character that is not complete */
	unsigned have, need;
	unsigned bom;

	struct buf decoded;
	int failed;
	struct err why;
};

int json_new(json_fn fn, void *ctx, struct json **ret)
{
	struct json *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->fn = fn;
	j->ctx = ctx;
	j->line = 1;
	*ret = j;
	return 0;
}

void json_free(struct json *j)
{
	if (!j)
		return;
	free(j->open);
	buf_done(&j->number);
	buf_done(&j->decoded);
	free(j);
}

uint64_t json_line(const struct json *j)
{
	return j->line;
}

static int wrong(struct json *j, const char *fmt, ...) PRINTF(2, 3);
static int wrong(struct json *j, const char *fmt, ...)
{
	char what[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(&j->why, -EILSEQ, "line %llu: %s",
		       (unsigned long long)j->line, what);
}

static int event(struct json *j, enum json_event e, const void *p, size_t n)
{
	return j->fn(j->ctx, e, p, n);
}

/* --- UTF-8 (RFC 3629) ----------------------------------------------------- */

/* How many bytes a character that begins so has; 0: none does. */
static unsigned utf8_length(uint8_t c)
{
	return c < 0x80	  ? 1
	       : c < 0xc2 ? 0
	       : c < 0xe0 ? 2
	       : c < 0xf0 ? 3
	       : c < 0xf5 ? 4
			  : 0;
}

/* Whether c may be the byte at place i, behind the first one. */
static bool utf8_goes_on(uint8_t first, unsigned i, uint8_t c)
{
	uint8_t low = 0x80, high = 0xbf;

	if (i == 1) {
		low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : low;
		high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : high;
	}
	return c >= low && c <= high;
}

bool json_is_utf8(const void *bytes, size_t n)
{
	const uint8_t *p = bytes, *end = p + n;
	unsigned len, i;

	for (; p < end; p += len) {
		len = utf8_length(*p);
		if (!len || len > (size_t)(end - p))
			return false;
		for (i = 1; i < len; i++)
			if (!utf8_goes_on(*p, i, p[i]))
				return false;
	}
	return true;
}

static void add_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80) {
		buf_u8(b, (uint8_t)c);
		return;
	}
	if (c < 0x800) {
		buf_u8(b, (uint8_t)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buf_u8(b, (uint8_t)(0xe0 | c >> 12));
		} else {
			buf_u8(b, (uint8_t)(0xf0 | c >> 18));
			buf_u8(b, (uint8_t)(0x80 | (c >> 12 & 63)));
		}
		buf_u8(b, (uint8_t)(0x80 | (c >> 6 & 63)));
	}
	buf_u8(b, (uint8_t)(0x80 | (c & 63)));
}

/* --- numbers and words ---------------------------------------------------- */

static size_t digits_at(const char *p, const char *end)
{
	size_t n = 0;

	while (p + n < end && p[n] >= '0' && p[n] <= '9')
		n++;
	return n;
}

bool json_is_number(const void *text, size_t len)
{
	const char *p = text, *end = p + len;
	size_t n;

	p += p < end && *p == '-';
	n = digits_at(p, end);
	if (!n || (n > 1 && *p == '0'))
		return false;
	p += n;
	if (p < end && *p == '.') {
		n = digits_at(++p, end);
		if (!n)
			return false;
		p += n;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		n = digits_at(p, end);
		if (!n)
			return false;
		p += n;
	}
	return p == end;
}

static bool number_goes_on(uint8_t c)
{
	return (c >= '0' && c <= '9') || c == '.' || c == 'e' || c == 'E' ||
	       c == '+' || c == '-';
}

static void value_ended(struct json *j)
{
	j->state = j->depth ? AFTER : TOP;
}

static int end_number(struct json *j)
{
	const char *p = buf_cstr(&j->number);

	if (buf_err(&j->number) < 0)
		return -ENOMEM;
	if (!json_is_number(p, j->number.len))
		return wrong(j, "`%.40s` is no number of JSON", p);
	value_ended(j);
	return event(j, JSON_NUMBER, p, j->number.len);
}

static int end_word(struct json *j)
{
	static const char *const words[] = {"true", "false", "null"};
	const char *p = buf_cstr(&j->number);
	size_t i;

	if (buf_err(&j->number) < 0)
		return -ENOMEM;
	for (i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(p, words[i])) {
			value_ended(j);
			return event(j, JSON_WORD, p, j->number.len);
		}
	return wrong(j, "`%.40s` is no value of JSON; a text stands in \"\"",
		     p);
}

/* --- arrays and objects --------------------------------------------------- */

static int open_one(struct json *j, uint8_t c)
{
	size_t room = j->room ? j->room * 2 : 64;
	uint8_t *p;

	if (j->depth == JSON_DEPTH_MAX)
		return err_set(&j->why, -E2BIG,
			       "line %llu: nested more than %d deep",
			       (unsigned long long)j->line, JSON_DEPTH_MAX);
	if (j->depth == j->room) {
		p = realloc(j->open, room);
		if (!p)
			return -ENOMEM;
		j->open = p;
		j->room = room;
	}
	j->open[j->depth++] = c;
	j->state = c == '[' ? FIRST_VALUE : FIRST_KEY;
	return event(j, c == '[' ? JSON_ARRAY : JSON_OBJECT, NULL, 0);
}

static int close_one(struct json *j, uint8_t c)
{
	uint8_t open = j->open[--j->depth];

	if ((c == ']') != (open == '['))
		return wrong(j, "`%c` ends what `%c` began", c, open);
	value_ended(j);
	return event(j, c == ']' ? JSON_ARRAY_END : JSON_OBJECT_END, NULL, 0);
}

static int unexpected(struct json *j, uint8_t c, const char *wanted)
{
	if (c > ' ' && c < 0x7f)
		return wrong(j, "`%c` stands where %s is expected", c, wanted);
	return wrong(j, "byte 0x%02x stands where %s is expected", c, wanted);
}

static int begin_text(struct json *j, bool key)
{
	j->key = key;
	j->state = TEXT;
	return event(j, key ? JSON_KEY : JSON_STRING, NULL, 0);
}

static int begin_value(struct json *j, uint8_t c)
{
	if (c == '"')
		return begin_text(j, false);
	if (c == '[' || c == '{')
		return open_one(j, c);
	buf_reset(&j->number);
	buf_u8(&j->number, c);
	if (c == '-' || (c >= '0' && c <= '9'))
		j->state = NUMBER;
	else if (c >= 'a' && c <= 'z')
		j->state = WORD;
	else
		return unexpected(j, c, "a value");
	return 0;
}

/* Between texts, numbers and words. */
static int structure(struct json *j, uint8_t c)
{
	switch (j->state) {
	case FIRST_VALUE:
		if (c == ']')
			return close_one(j, c);
		return begin_value(j, c);
	case FIRST_KEY:
		if (c == '}')
			return close_one(j, c);
		/* fall through */
	case NEXT_KEY:
		return c == '"' ? begin_text(j, true)
				: unexpected(j, c, "a name in \"\"");
	case COLON:
		if (c != ':')
			return unexpected(j, c, "`:`");
		j->state = VALUE;
		return 0;
	case AFTER:
		if (c == ']' || c == '}')
			return close_one(j, c);
		if (c != ',')
			return unexpected(j, c, "`,`");
		j->state = j->open[j->depth - 1] == '[' ? VALUE : NEXT_KEY;
		return 0;
	default:
		return begin_value(j, c);
	}
}

/* --- texts ---------------------------------------------------------------- */

static void add_char(struct json *j, uint32_t c)
{
	add_utf8(&j->decoded, c);
}

/* Half a pair that stands alone. */
static void end_pair(struct json *j)
{
	if (j->high)
		add_char(j, 0xfffd);
	j->high = 0;
}

static void end_hex(struct json *j)
{
	uint32_t c = j->code;

	j->state = TEXT;
	if (j->high && c >= 0xdc00 && c <= 0xdfff) {
		c = 0x10000 + ((j->high - 0xd800) << 10) + (c - 0xdc00);
		j->high = 0;
		add_char(j, c);
		return;
	}
	end_pair(j);
	if (c >= 0xd800 && c <= 0xdbff)
		j->high = c;
	else
		add_char(j, c >= 0xdc00 && c <= 0xdfff ? 0xfffd : c);
}

static int escape(struct json *j, uint8_t c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *p = c ? strchr(from, c) : NULL;

	if (c == 'u') {
		j->state = HEX;
		j->digits = 4;
		j->code = 0;
		return 0;
	}
	if (!p)
		return unexpected(j, c, "what may follow a backslash");
	end_pair(j);
	add_char(j, (uint8_t)to[p - from]);
	j->state = TEXT;
	return 0;
}

static int hex_digit(struct json *j, uint8_t c)
{
	uint32_t v = c >= '0' && c <= '9'   ? c - '0'
		     : c >= 'a' && c <= 'f' ? c - 'a' + 10
		     : c >= 'A' && c <= 'F' ? c - 'A' + 10
					    : 16;

	if (v == 16)
		return unexpected(j, c, "one of four hex digits");
	j->code = j->code << 4 | v;
	if (!--j->digits)
		end_hex(j);
	return 0;
}

static int give_text(struct json *j)
{
	int rc = 0;

	if (buf_err(&j->decoded) < 0)
		return -ENOMEM;
	if (j->decoded.len)
		rc = event(j, JSON_TEXT, j->decoded.data, j->decoded.len);
	buf_reset(&j->decoded);
	return rc;
}

static int end_text(struct json *j)
{
	int rc;

	end_pair(j);
	rc = give_text(j);
	if (rc < 0)
		return rc;
	if (j->key)
		j->state = COLON;
	else
		value_ended(j);
	return event(j, JSON_TEXT_END, NULL, 0);
}

static int long_char(struct json *j, uint8_t c)
{
	if (!j->have) {
		j->need = utf8_length(c);
		if (!j->need)
			return wrong(j, "a text is not UTF-8 (byte 0x%02x)", c);
	} else if (!utf8_goes_on(j->utf8[0], j->have, c)) {
		return wrong(j, "a text is not UTF-8 (byte 0x%02x)", c);
	}
	j->utf8[j->have++] = c;
	if (j->have == j->need) {
		buf_add(&j->decoded, j->utf8, j->have);
		j->have = 0;
	}
	return 0;
}

/* Takes what it can in one go; *p moves. */
static int text(struct json *j, const uint8_t **p, const uint8_t *end)
{
	const uint8_t *s = *p;

	if (j->have || *s >= 0x80) {
		if (!j->have)
			end_pair(j);
		++*p;
		return long_char(j, *s);
	}
	if (*s == '\\') {
		++*p;
		j->state = ESCAPE;
		return 0;
	}
	if (*s == '"') {
		++*p;
		return end_text(j);
	}
	end_pair(j);
	while (s < end && *s >= ' ' && *s < 0x80 && *s != '"' && *s != '\\')
		s++;
	if (s == *p)
		return wrong(j,
			     "a text holds the control character 0x%02x, which "
			     "has to be written as an escape",
			     *s);
	buf_add(&j->decoded, *p, (size_t)(s - *p));
	*p = s;
	return 0;
}

/* --- bytes ---------------------------------------------------------------- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static int between(struct json *j, uint8_t c)
{
	j->line += c == '\n';
	return is_blank(c) ? 0 : structure(j, c);
}

/* A number or a word: goes on, or ends before this byte. */
static int plain(struct json *j, const uint8_t **p)
{
	uint8_t c = **p;
	bool on =
		j->state == NUMBER ? number_goes_on(c) : (c >= 'a' && c <= 'z');

	if (on) {
		++*p;
		if (j->number.len >= JSON_NUMBER_MAX)
			return err_set(&j->why, -E2BIG,
				       "line %llu: a number of more than %u "
				       "KiB",
				       (unsigned long long)j->line,
				       (unsigned)(JSON_NUMBER_MAX >> 10));
		buf_u8(&j->number, c);
		return 0;
	}
	if (!is_blank(c) && !strchr(",]}", c))
		return unexpected(j, c, "the end of a value");
	return j->state == NUMBER ? end_number(j) : end_word(j);
}

static int feed(struct json *j, const uint8_t *p, const uint8_t *end)
{
	int rc = 0;

	while (p < end && rc >= 0)
		switch (j->state) {
		case TEXT:
			rc = text(j, &p, end);
			break;
		case ESCAPE:
			rc = escape(j, *p++);
			break;
		case HEX:
			rc = hex_digit(j, *p++);
			break;
		case NUMBER:
		case WORD:
			rc = plain(j, &p);
			break;
		default:
			rc = between(j, *p++);
		}
	if (rc >= 0 && j->decoded.len)
		rc = give_text(j);
	return rc;
}

static int keep(struct json *j, int rc, struct err *err)
{
	if (rc >= 0)
		return 0;
	j->failed = rc;
	return j->why.msg[0] ? err_set(err, rc, "%s", j->why.msg) : rc;
}

int json_feed(struct json *j, const void *bytes, size_t n, struct err *err)
{
	static const uint8_t mark[] = {0xef, 0xbb, 0xbf}; /* byte order */
	const uint8_t *p = bytes, *end = p + n;

	if (j->failed)
		return j->failed;
	while (!j->began && p < end && j->bom < sizeof(mark)) {
		if (*p != mark[j->bom]) {
			j->began = true;
			if (j->bom)
				return keep(j,
					    unexpected(j, mark[0], "a value"),
					    err);
			break;
		}
		j->bom++;
		p++;
	}
	j->began |= j->bom == sizeof(mark);
	return keep(j, feed(j, p, end), err);
}

int json_end(struct json *j, struct err *err)
{
	int rc = 0;

	if (j->failed)
		return j->failed;
	if (j->state == NUMBER)
		rc = end_number(j);
	else if (j->state == WORD)
		rc = end_word(j);
	if (rc >= 0 && (j->state != TOP || (j->bom && j->bom < 3)))
		rc = wrong(j, "ends in the middle of %s (truncated)",
			   j->state == TEXT || j->state == ESCAPE ||
					   j->state == HEX
				   ? "a text"
				   : "a value");
	return keep(j, rc, err);
}

/* --- writing -------------------------------------------------------------- */

/* As jq does: what has to be, and DEL. */
void json_escape(struct buf *b, const char *p, size_t n)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	size_t plain_len, i;
	const char *at;

	while (n) {
		for (plain_len = 0; plain_len < n; plain_len++) {
			uint8_t c = (uint8_t)p[plain_len];

			if (c < ' ' || c == '"' || c == '\\' || c == 0x7f)
				break;
		}
		buf_add(b, p, plain_len);
		p += plain_len;
		n -= plain_len;
		if (!n)
			break;
		at = *p ? strchr(from, *p) : NULL;
		i = at ? (size_t)(at - from) : 0;
		if (at)
			buf_fmt(b, "\\%c", to[i]);
		else
			buf_fmt(b, "\\u%04x", (uint8_t)*p);
		p++;
		n--;
	}
}
