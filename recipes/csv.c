#include "recipes/csv.h"

#include <errno.h>
#include <string.h>

enum state {
	RECORD, /* begins */
	FIELD,	/* begins, behind a delimiter */
	PLAIN,
	QUOTED,
	QUOTE,	  /* in a quoted field: its end, or the first of two */
	QUOTE_CR, /* the end, and CR */
	PLAIN_CR, /* CR in a plain field, or instead of one */
};

struct csv {
	csv_fn fn;
	void *ctx;
	uint8_t delimiter;
	enum state state;
	uint64_t line;	 /* being read */
	uint64_t began;	 /* where the record does */
	uint64_t quoted; /* where the quoted field does */
	struct buf text; /* all fields, one behind the other */
	struct line *fields;
	size_t *starts; /* in text */
	size_t n, room;
	unsigned bom;
	bool started;
	bool alone; /* the one record stays */
	int failed;
	struct err why;
};

int csv_new(uint8_t delimiter, csv_fn fn, void *ctx, struct csv **ret)
{
	struct csv *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->delimiter = delimiter;
	c->fn = fn;
	c->ctx = ctx;
	c->line = 1;
	*ret = c;
	return 0;
}

void csv_free(struct csv *c)
{
	if (!c)
		return;
	buf_done(&c->text);
	free(c->fields);
	free(c->starts);
	free(c);
}

static int grow(struct csv *c)
{
	size_t room = c->room ? c->room * 2 : 64;
	struct line *fields = reallocarray(c->fields, room, sizeof(*fields));
	size_t *starts;

	if (!fields)
		return -ENOMEM;
	c->fields = fields;
	starts = reallocarray(c->starts, room, sizeof(*starts));
	if (!starts)
		return -ENOMEM;
	c->starts = starts;
	c->room = room;
	return 0;
}

/* Its start alone: where text lies may change. */
static int begin_field(struct csv *c)
{
	int rc = c->n == c->room ? grow(c) : 0;

	if (rc >= 0)
		c->starts[c->n++] = c->text.len;
	return rc;
}

static int end_record(struct csv *c)
{
	struct csv_record r = {.n = c->n, .line = c->began};
	size_t i, end;
	int rc;

	if (!buf_room(&c->text, 1)) /* no field need have a byte */
		return -ENOMEM;
	for (i = 0; i < c->n; i++) {
		end = i + 1 < c->n ? c->starts[i + 1] : c->text.len;
		c->fields[i] = (struct line){c->text.data + c->starts[i],
					     end - c->starts[i]};
	}
	r.fields = c->fields;
	c->state = RECORD;
	rc = c->fn(c->ctx, &r);
	if (c->alone)
		return rc;
	buf_reset(&c->text);
	c->n = 0;
	return rc;
}

static int add(struct csv *c, const uint8_t *p, size_t n)
{
	if (c->text.len + n + c->n > CSV_RECORD_MAX)
		return err_set(&c->why, -E2BIG,
			       "line %llu: a record of more than %u MiB",
			       (unsigned long long)c->began,
			       (unsigned)(CSV_RECORD_MAX >> 20));
	buf_add(&c->text, p, n);
	return 0;
}

/* A byte at the start of a field, or behind the plain part of one. */
static int outside(struct csv *c, uint8_t b)
{
	static const uint8_t cr = '\r';
	int rc = 0;

	if (c->state == PLAIN_CR && b != '\n') {
		c->state = PLAIN; /* it was a byte like any other */
		rc = add(c, &cr, 1);
		if (rc < 0)
			return rc;
	}
	if (b == c->delimiter) {
		c->state = FIELD;
		rc = add(c, NULL, 0);
		return rc < 0 ? rc : begin_field(c);
	}
	if (b == '\n')
		return end_record(c);
	if (b == '\r') {
		c->state = PLAIN_CR;
		return 0;
	}
	if (b == '"' && c->state == FIELD) {
		c->state = QUOTED;
		c->quoted = c->line;
		return 0;
	}
	c->state = PLAIN;
	return add(c, &b, 1);
}

static int behind_quote(struct csv *c, uint8_t b)
{
	if (b == '"' && c->state == QUOTE) {
		c->state = QUOTED;
		return add(c, &b, 1);
	}
	if (b == '\n')
		return end_record(c);
	if (b == '\r' && c->state == QUOTE) {
		c->state = QUOTE_CR;
		return 0;
	}
	if (b == c->delimiter && c->state == QUOTE) {
		c->state = FIELD;
		return begin_field(c);
	}
	return err_set(&c->why, -EILSEQ,
		       "line %llu: something stands behind the quote that ends "
		       "a field; a quote inside of it is written twice",
		       (unsigned long long)c->line);
}

static int begin_record(struct csv *c, uint8_t b)
{
	int rc;

	if (b == '\n')
		return 0; /* an empty line */
	c->began = c->line;
	c->state = FIELD;
	rc = begin_field(c);
	return rc < 0 ? rc : outside(c, b);
}

/* CR alone on a line is an empty one, too. */
static int end_line(struct csv *c)
{
	if (c->state == PLAIN_CR && c->n == 1 && !c->text.len) {
		c->n = 0;
		c->state = RECORD;
		return 0;
	}
	return outside(c, '\n');
}

static int one(struct csv *c, uint8_t b)
{
	int rc;

	switch (c->state) {
	case RECORD:
		rc = begin_record(c, b);
		break;
	case QUOTED:
		c->state = b == '"' ? QUOTE : QUOTED;
		rc = b == '"' ? 0 : add(c, &b, 1);
		break;
	case QUOTE:
	case QUOTE_CR:
		rc = behind_quote(c, b);
		break;
	default:
		rc = b == '\n' ? end_line(c) : outside(c, b);
	}
	c->line += b == '\n';
	return rc;
}

/* How many bytes from p on just belong to the field. */
static size_t run_length(const struct csv *c, const uint8_t *p,
			 const uint8_t *end)
{
	const uint8_t *s = p;

	if (c->state == QUOTED)
		while (s < end && *s != '"' && *s != '\n')
			s++;
	else if (c->state == PLAIN)
		while (s < end && *s != c->delimiter && *s != '\n' &&
		       *s != '\r')
			s++;
	return (size_t)(s - p);
}

static int feed(struct csv *c, const uint8_t *p, const uint8_t *end)
{
	size_t n;
	int rc = 0;

	while (p < end && rc >= 0) {
		n = run_length(c, p, end);
		rc = n ? add(c, p, n) : one(c, *p);
		p += n ? n : 1;
	}
	return rc;
}

static int keep(struct csv *c, int rc, struct err *err)
{
	if (rc >= 0)
		return 0;
	c->failed = rc;
	return c->why.msg[0] ? err_set(err, rc, "%s", c->why.msg) : rc;
}

static const uint8_t mark[] = {0xef, 0xbb, 0xbf}; /* byte order */

int csv_feed(struct csv *c, const void *bytes, size_t n, struct err *err)
{
	const uint8_t *p = bytes, *end = p + n;
	int rc;

	if (c->failed)
		return c->failed;
	while (!c->started && p < end) {
		if (*p == mark[c->bom]) {
			p++;
			c->started = ++c->bom == sizeof(mark);
			continue;
		}
		c->started = true; /* what was taken for one is none */
		rc = keep(c, feed(c, mark, mark + c->bom), err);
		if (rc < 0)
			return rc;
	}
	return keep(c, feed(c, p, end), err);
}

int csv_end(struct csv *c, struct err *err)
{
	int rc = 0;

	if (c->failed)
		return c->failed;
	if (!c->started && c->bom)
		rc = feed(c, mark, mark + c->bom);
	c->started = true;
	if (rc >= 0 && c->state == QUOTED)
		rc = err_set(&c->why, -EILSEQ,
			     "line %llu: a quote begins a field here and none "
			     "ends it",
			     (unsigned long long)c->quoted);
	else if (rc >= 0 && c->state != RECORD)
		rc = one(c, '\n');
	return keep(c, rc, err);
}

static int keep_record(void *ctx, const struct csv_record *r)
{
	struct csv_record *to = ctx;

	if (to->n)
		return -EINVAL;
	*to = *r;
	return 0;
}

int csv_split(const void *p, size_t n, struct csv **ret,
	      struct csv_record *ret_record)
{
	CLEANUP(csv_freep) struct csv *c = NULL;
	struct csv_record r = {0};
	int rc = csv_new(',', keep_record, &r, &c);

	if (rc < 0)
		return rc;
	c->alone = true;
	rc = csv_feed(c, p, n, NULL);
	if (rc >= 0)
		rc = csv_end(c, NULL);
	if (rc < 0 || !r.n)
		return rc == -ENOMEM ? rc : -EINVAL;
	*ret_record = r;
	*ret = steal(&c);
	return 0;
}

/* --- writing -------------------------------------------------------------- */

void csv_put(struct buf *b, uint8_t delimiter, struct line f, bool only)
{
	const uint8_t *p, *end = f.p + f.n, *q;
	bool quote = only && !f.n;

	for (p = f.p; p < end && !quote; p++)
		quote = *p == delimiter || *p == '"' || *p == '\n' ||
			*p == '\r';
	/* what would be taken for a byte order mark, if it came first */
	quote |= f.n >= sizeof(mark) && !memcmp(f.p, mark, sizeof(mark));
	if (!quote) {
		buf_add(b, f.p, f.n);
		return;
	}
	buf_u8(b, '"');
	for (p = f.p; p < end; p = q) {
		q = memchr(p, '"', (size_t)(end - p));
		q = q ? q + 1 : end;
		buf_add(b, p, (size_t)(q - p));
		if (q[-1] == '"')
			buf_u8(b, '"');
	}
	buf_u8(b, '"');
}
