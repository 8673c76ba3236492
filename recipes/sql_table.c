#include "recipes/sql_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "recipes/csv.h"
#include "recipes/json.h"
#include "recipes/json_out.h"

#define SNIFF	KIB(16)
#define ROW_MAX MIB(16)

/* One reading of a file; what a cell is learned from, or put into a row. */
struct pass {
	struct sql_table *t;
	const char *path;
	struct err *err;
	int (*row)(void *ctx, const struct query_text *values, struct err *err);
	void *ctx; /* row NULL: learning */
	struct query_text *values;

	size_t *map; /* CSV: column of each field */
	size_t nmap;

	struct json *json;
	bool in_row, in_list;  /* JSON: an object; the array around it */
	size_t inside;	       /* depth of an array or object that is a value */
	enum json_event text;  /* JSON_KEY or JSON_STRING that is going on */
	struct buf key, bytes; /* all values of the row */
	size_t column, start;
	struct json_out nested;
	size_t *starts; /* in bytes, of values; SIZE_MAX: none */
};

static int wrong(const struct pass *p, uint64_t line, const char *fmt, ...)
	PRINTF(3, 4);
static int wrong(const struct pass *p, uint64_t line, const char *fmt, ...)
{
	char what[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(p->err, -EILSEQ, "%s:%llu: %s", p->path,
		       (unsigned long long)line, what);
}

/* --- columns ---------------------------------------------------------------
 */

void sql_table_done(struct sql_table *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		free((void *)(uintptr_t)t->columns[i].name.p);
	free(t->columns);
}

static bool same_name(struct query_text a, struct query_text b)
{
	const char *x = a.p, *y = b.p;
	size_t i;

	if (a.n != b.n)
		return false;
	for (i = 0; i < a.n; i++) /* as SQL compares names */
		if (tolower((unsigned char)x[i]) !=
		    tolower((unsigned char)y[i]))
			return false;
	return true;
}

static int find_column(const struct sql_table *t, struct query_text name,
		       size_t *ret)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (same_name(t->columns[i].name, name)) {
			*ret = i;
			return 0;
		}
	return -ENOENT;
}

static int add_column(struct sql_table *t, struct query_text name, size_t *ret)
{
	size_t room = t->room ? t->room * 2 : 32;
	struct query_column *v;
	char *copy;

	if (t->n == t->room) {
		v = reallocarray(t->columns, room, sizeof(*v));
		if (!v)
			return -ENOMEM;
		t->columns = v;
		t->room = room;
	}
	copy = malloc(name.n + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, name.p ? name.p : "", name.n);
	copy[name.n] = '\0';
	*ret = t->n++;
	t->columns[*ret] = (struct query_column){{copy, name.n}, QUERY_NULL};
	return 0;
}

static int name_column(struct pass *p, uint64_t line, struct query_text name,
		       size_t *ret)
{
	if (!name.n)
		return wrong(p, line, "a column has no name");
	if (memchr(name.p, '\0', name.n))
		return wrong(p, line, "the name of a column holds a NUL byte");
	if (!find_column(p->t, name, ret))
		return 0;
	return add_column(p->t, name, ret);
}

/* What a text is when it may be a number. What SQL would write in another way
 * (007, -0, more digits than it has) stays a text, but for fractions. */
static enum query_type type_of(struct query_text v)
{
	const char *s = v.p;

	if (!json_is_number(s, v.n))
		return QUERY_TEXT;
	if (memchr(s, '.', v.n) || memchr(s, 'e', v.n) || memchr(s, 'E', v.n))
		return QUERY_REAL;
	return v.n <= 18 && !(v.n > 1 && s[0] == '-' && s[1] == '0')
		       ? QUERY_INT
		       : QUERY_TEXT;
}

/* Types rise from NULL (nothing was seen) over INT and REAL to TEXT. */
static void learn(struct sql_table *t, size_t column, enum query_type type)
{
	struct query_column *c = &t->columns[column];

	c->type = MAX(c->type,
		      t->texts && type != QUERY_NULL ? QUERY_TEXT : type);
}

/* --- CSV
 * ---------------------------------------------------------------------- */

static struct query_text text_of(struct line l)
{
	return (struct query_text){l.p ? (const void *)l.p : "", l.n};
}

static int csv_header(struct pass *p, const struct csv_record *r)
{
	size_t i, k;
	int rc = 0;

	p->map = calloc(r->n, sizeof(*p->map));
	if (!p->map)
		return -ENOMEM;
	p->nmap = r->n;
	for (i = 0; i < r->n && rc >= 0; i++) {
		rc = name_column(p, r->line, text_of(r->fields[i]), &p->map[i]);
		for (k = 0; k < i && rc >= 0; k++)
			if (p->map[k] == p->map[i])
				rc = wrong(p, r->line,
					   "two columns are called `%.*s`",
					   (int)MIN(r->fields[i].n, (size_t)60),
					   (const char *)r->fields[i].p);
	}
	return rc;
}

static int csv_row(struct pass *p, const struct csv_record *r)
{
	struct query_text v;
	size_t i;

	/* columns of other files alone stay NULL */
	for (i = 0; i < r->n; i++) {
		v = text_of(r->fields[i]);
		if (!p->row && v.n)
			learn(p->t, p->map[i], type_of(v));
		if (!v.n && p->t->columns[p->map[i]].type != QUERY_TEXT)
			v.p = NULL;
		if (p->row)
			p->values[p->map[i]] = v;
	}
	return p->row ? p->row(p->ctx, p->values, p->err) : 0;
}

static int csv_record(void *ctx, const struct csv_record *r)
{
	struct pass *p = ctx;

	if (fn_stopped(p->t->call))
		return -ECANCELED;
	if (!p->map)
		return csv_header(p, r);
	if (r->n != p->nmap)
		return wrong(p, r->line, "%zu field%s where the header has %zu",
			     r->n, r->n == 1 ? "" : "s", p->nmap);
	return csv_row(p, r);
}

/* --- JSON
 * --------------------------------------------------------------------- */

static int end_row(struct pass *p)
{
	size_t i;

	p->in_row = false;
	if (!p->row)
		return 0;
	if (fn_stopped(p->t->call))
		return -ECANCELED;
	buf_u8(&p->bytes, 0); /* never NULL */
	if (buf_err(&p->bytes) < 0)
		return -ENOMEM;
	for (i = 0; i < p->t->n; i++)
		p->values[i].p = p->starts[i] == SIZE_MAX
					 ? NULL
					 : p->bytes.data + p->starts[i];
	return p->row(p->ctx, p->values, p->err);
}

static void begin_row(struct pass *p)
{
	size_t i;

	p->in_row = true;
	buf_reset(&p->bytes);
	for (i = 0; p->row && i < p->t->n; i++)
		p->starts[i] = SIZE_MAX;
}

/* A value is complete: what lies in bytes from start on. */
static int end_value(struct pass *p, enum query_type type)
{
	if (p->bytes.len > ROW_MAX)
		return err_set(p->err, -E2BIG,
			       "%s:%llu: a row of more than %u "
			       "MiB",
			       p->path, (unsigned long long)json_line(p->json),
			       (unsigned)(ROW_MAX >> 20));
	if (!p->row) {
		learn(p->t, p->column, type);
		buf_reset(&p->bytes);
	} else if (type != QUERY_NULL) {
		p->starts[p->column] = p->start;
		p->values[p->column].n = p->bytes.len - p->start;
	}
	return 0;
}

static int plain_value(struct pass *p, enum json_event e, const char *s,
		       size_t n)
{
	struct query_text v = {s, n};

	if (e == JSON_NUMBER) {
		buf_add(&p->bytes, s, n);
		return end_value(p, type_of(v));
	}
	if (*s != 'n')
		buf_u8(&p->bytes, *s == 't' ? '1' : '0');
	return end_value(p, *s == 'n' ? QUERY_NULL : QUERY_INT);
}

/* In an array or object that is a value: it stays JSON. */
static int nested(struct pass *p, enum json_event e, const char *s, size_t n)
{
	int rc = json_out_event(&p->nested, e, s, n);

	if (e == JSON_OBJECT || e == JSON_ARRAY)
		p->inside++;
	else if (e == JSON_OBJECT_END || e == JSON_ARRAY_END)
		p->inside--;
	if (rc >= 0 && p->bytes.len > ROW_MAX)
		return end_value(p, QUERY_TEXT);
	return rc < 0 || p->inside ? rc : end_value(p, QUERY_TEXT);
}

static int end_text(struct pass *p)
{
	struct query_text name = {p->key.data, p->key.len};

	if (p->text == JSON_STRING)
		return end_value(p, QUERY_TEXT);
	return buf_err(&p->key) < 0
		       ? -ENOMEM
		       : name_column(p, json_line(p->json), name, &p->column);
}

static int in_row(struct pass *p, enum json_event e, const char *s, size_t n)
{
	switch (e) {
	case JSON_OBJECT_END:
		return end_row(p);
	case JSON_KEY:
		p->text = e;
		buf_reset(&p->key);
		return 0;
	case JSON_TEXT:
		if (p->key.len + n > KIB(64) && p->text == JSON_KEY)
			return wrong(p, json_line(p->json),
				     "a name of more than 64 KiB");
		if (p->bytes.len > ROW_MAX)
			return end_value(p, QUERY_TEXT);
		buf_add(p->text == JSON_KEY ? &p->key : &p->bytes, s, n);
		return 0;
	case JSON_TEXT_END:
		return end_text(p);
	case JSON_STRING:
		p->text = e;
		p->start = p->bytes.len;
		return 0;
	case JSON_OBJECT:
	case JSON_ARRAY:
		p->start = p->bytes.len;
		return nested(p, e, s, n);
	default:
		p->start = p->bytes.len;
		return plain_value(p, e, s, n);
	}
}

static int json_event(void *ctx, enum json_event e, const char *s, size_t n)
{
	struct pass *p = ctx;

	if (p->inside)
		return nested(p, e, s, n);
	if (p->in_row)
		return in_row(p, e, s, n);
	if (e == JSON_OBJECT) {
		begin_row(p);
		return 0;
	}
	if ((e == JSON_ARRAY && !p->in_list) ||
	    (e == JSON_ARRAY_END && p->in_list)) {
		p->in_list = !p->in_list;
		return 0;
	}
	return wrong(p, json_line(p->json),
		     "a row is an object, {\"name\": value, ...}");
}

/* --- a file
 * ------------------------------------------------------------------- */

/* By the first byte that is no blank, and the first line. */
static int sniff(struct fn_reader *r, enum sql_format *ret, struct err *err)
{
	size_t n = (size_t)MIN(blob_size(r->blob), SNIFF), i;
	const uint8_t *p, *nl;
	int rc = fn_read_at(r, 0, n, &p, err);

	if (rc < 0)
		return rc;
	r->off = 0;
	i = n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3) ? 3 : 0;
	while (i < n && (p[i] == ' ' || (p[i] >= '\t' && p[i] <= '\r')))
		i++;
	nl = n ? memchr(p + i, '\n', n - i) : NULL;
	n = nl ? (size_t)(nl - p) : n;
	*ret = SQL_CSV;
	if (i < n && (p[i] == '{' || p[i] == '['))
		*ret = SQL_JSON;
	else if (i < n && memchr(p + i, '\t', n - i) &&
		 !memchr(p + i, ',', n - i))
		*ret = SQL_TSV;
	return 0;
}

static int feed_csv(struct pass *p, struct fn_reader *r, uint8_t delimiter,
		    struct err *why)
{
	CLEANUP(csv_freep) struct csv *c = NULL;
	const uint8_t *bytes;
	ssize_t n = 0;
	int rc = csv_new(delimiter, csv_record, p, &c);

	while (rc >= 0 && (n = fn_read(r, &bytes, p->err)) > 0)
		rc = csv_feed(c, bytes, (size_t)n, why);
	if (rc >= 0 && n < 0)
		rc = (int)n;
	return rc < 0 ? rc : csv_end(c, why);
}

static int feed_json(struct pass *p, struct fn_reader *r, struct err *why)
{
	const uint8_t *bytes;
	ssize_t n = 0;
	int rc = json_new(json_event, p, &p->json);

	p->nested.to = &p->bytes;
	while (rc >= 0 && (n = fn_read(r, &bytes, p->err)) > 0)
		rc = json_feed(p->json, bytes, (size_t)n, why);
	if (rc >= 0 && n < 0)
		rc = (int)n;
	return rc < 0 ? rc : json_end(p->json, why);
}

static void pass_done(struct pass *p)
{
	free(p->values);
	free(p->map);
	free(p->starts);
	json_free(p->json);
	json_out_done(&p->nested);
	buf_done(&p->key);
	buf_done(&p->bytes);
}

static int read_file(struct pass *p, size_t input, struct err *err)
{
	CLEANUP_READER struct fn_reader r = {0};
	enum sql_format format = p->t->format;
	struct err why = {""};
	int rc = fn_open(&r, p->t->call, input, err);

	p->err = err;
	p->path = p->t->call->inputs[input].path;
	p->values = calloc(p->t->n + 1, sizeof(*p->values));
	p->starts = calloc(p->t->n + 1, sizeof(*p->starts));
	if (!p->values || !p->starts)
		return -ENOMEM;
	if (rc >= 0 && format == SQL_AUTO)
		rc = sniff(&r, &format, err);
	if (rc >= 0)
		rc = format == SQL_JSON
			     ? feed_json(p, &r, &why)
			     : feed_csv(p, &r, format == SQL_TSV ? '\t' : ',',
					&why);
	return rc < 0 && why.msg[0]
		       ? err_set(err, rc, "%s: %s", p->path, why.msg)
		       : rc;
}

int sql_table_learn(struct sql_table *t, size_t input, struct err *err)
{
	CLEANUP(pass_done) struct pass p = {.t = t};

	return read_file(&p, input, err);
}

int sql_table_rows(struct sql_table *t, size_t input,
		   int (*row)(void *ctx, const struct query_text *values,
			      struct err *err),
		   void *ctx, struct err *err)
{
	CLEANUP(pass_done) struct pass p = {.t = t, .row = row, .ctx = ctx};

	return read_file(&p, input, err);
}
