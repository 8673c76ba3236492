#include "recipes/fn.h"

#include <errno.h>

#include "recipes/word.h"

/* Which fields or bytes: "1,3-5,7-", from 1 on. cut takes them in the order of
 * the line, columns as they are written. */

#define UNTIL_END UINT32_MAX

struct range {
	uint32_t from, to; /* included */
};

struct ranges {
	struct range *v;
	size_t n;
};

static void ranges_done(struct ranges *r)
{
	free(r->v);
}

static bool take_number(const char **p, uint32_t *ret)
{
	uint64_t n = 0;
	const char *s = *p;

	for (; *s >= '0' && *s <= '9'; s++) {
		n = n * 10 + (uint64_t)(*s - '0');
		if (n >= UNTIL_END)
			return false;
	}
	if (s == *p || !n)
		return false;
	*ret = (uint32_t)n;
	*p = s;
	return true;
}

static bool take_range(const char **p, struct range *ret)
{
	struct range r = {1, UNTIL_END};

	*p += strspn(*p, " ");
	if (**p != '-') {
		if (!take_number(p, &r.from))
			return false;
		r.to = r.from;
	}
	if (**p == '-') {
		++*p;
		r.to = UNTIL_END;
		if (**p >= '0' && **p <= '9' && !take_number(p, &r.to))
			return false;
	}
	*p += strspn(*p, " ");
	*ret = r;
	return r.from <= r.to && (**p == ',' || !**p);
}

static int parse_ranges(const char *text, struct ranges *ret)
{
	size_t room = 1;
	const char *p;

	for (p = text; *p; p++)
		room += *p == ',';
	ret->v = calloc(room, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	for (p = text;; p++) {
		if (!take_range(&p, &ret->v[ret->n++]))
			return -EINVAL;
		if (!*p)
			return 0;
	}
}

static int take_ranges(const struct fn_call *call, const char *name,
		       struct ranges *ret, struct err *err)
{
	int rc = parse_ranges(fn_arg(call, name), ret);

	return rc == -EINVAL
		       ? err_set(err, rc,
				 "`%s` of `%s` is a list of numbers and ranges "
				 "from 1 on, as `1,3-5,7-`, not `%s`",
				 name, call->fn->name,
				 word_show(fn_arg(call, name)).s)
		       : rc;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

/* In order, without overlaps. */
static void normalise(struct ranges *r)
{
	size_t i, n = 0;

	qsort(r->v, r->n, sizeof(*r->v), compare_ranges);
	for (i = 0; i < r->n; i++)
		if (n && r->v[i].from <= r->v[n - 1].to)
			r->v[n - 1].to = MAX(r->v[n - 1].to, r->v[i].to);
		else
			r->v[n++] = r->v[i];
	r->n = n;
}

/* --- cut ----------------------------------------------------------------- */

static const char *cut_what(const struct fn_call *call)
{
	return fn_given(call, "fields") ? "fields" : "bytes";
}

static int check_cut(const struct fn_call *call, struct err *err)
{
	CLEANUP(ranges_done) struct ranges r = {0};
	int rc = fn_one_of(call, "fields", "bytes", err);

	return rc < 0 ? rc : take_ranges(call, cut_what(call), &r, err);
}

static void cut_bytes(const struct ranges *r, struct line l, struct fn_out *out)
{
	size_t i;

	for (i = 0; i < r->n && r->v[i].from <= l.n; i++)
		fn_put(out, l.p + r->v[i].from - 1,
		       MIN(l.n, (size_t)r->v[i].to) - r->v[i].from + 1);
	fn_put_byte(out, '\n');
}

/* The field that begins at p, whose end is returned. */
static const uint8_t *field_end(const uint8_t *p, const uint8_t *end,
				uint8_t delimiter)
{
	const uint8_t *d =
		p < end ? memchr(p, delimiter, (size_t)(end - p)) : NULL;

	return d ? d : end;
}

static void cut_fields(const struct ranges *r, struct line l, uint8_t delimiter,
		       bool only, struct fn_out *out)
{
	const uint8_t *p = l.p, *end = l.p + l.n, *stop;
	bool any = false;
	uint32_t number;
	size_t i = 0;

	if (field_end(p, end, delimiter) == end) {
		if (!only)
			fn_put_line(out, l);
		return;
	}
	for (number = 1; i < r->n; number++, p = stop + 1) {
		stop = field_end(p, end, delimiter);
		if (number >= r->v[i].from) {
			if (any)
				fn_put_byte(out, delimiter);
			any = true;
			fn_put(out, p, (size_t)(stop - p));
			i += number == r->v[i].to;
		}
		if (stop == end)
			break;
	}
	fn_put_byte(out, '\n');
}

static int cut(struct fn_call *call, struct err *err)
{
	CLEANUP(ranges_done) struct ranges r = {0};
	CLEANUP_LINES struct fn_lines l;
	bool bytes = fn_given(call, "bytes");
	bool only = fn_true(call, "only_delimited");
	uint8_t delimiter = fn_byte(call, "delimiter");
	struct fn_out out;
	struct line line;
	int rc;

	fn_lines_init(&l, call, 0, call->ninputs);
	fn_out_init(&out, call, err);
	rc = take_ranges(call, cut_what(call), &r, err);
	if (rc < 0)
		return rc;
	normalise(&r);
	while ((rc = fn_next_line(&l, &line, err)) > 0 && out.rc >= 0)
		if (bytes)
			cut_bytes(&r, line, &out);
		else
			cut_fields(&r, line, delimiter, only, &out);
	return rc < 0 ? rc : fn_out_end(&out);
}

/* --- columns ------------------------------------------------------------- */

static int check_columns(const struct fn_call *call, struct err *err)
{
	CLEANUP(ranges_done) struct ranges r = {0};

	return take_ranges(call, "fields", &r, err);
}

struct fields {
	struct line *v;
	size_t n, room;
};

static void fields_done(struct fields *f)
{
	free(f->v);
}

static int add_field(struct fields *f, const uint8_t *p, const uint8_t *end)
{
	size_t room = f->room ? f->room * 2 : 64;
	struct line *v;

	if (f->n == f->room) {
		v = reallocarray(f->v, room, sizeof(*v));
		if (!v)
			return -ENOMEM;
		f->v = v;
		f->room = room;
	}
	f->v[f->n++] = (struct line){p, (size_t)(end - p)};
	return 0;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* Runs of blanks separate, and do not count at either end. */
static int take_fields(struct fields *f, struct line l)
{
	const uint8_t *p = l.p, *end = l.p + l.n, *start;
	int rc;

	f->n = 0;
	for (;;) {
		while (p < end && is_blank(*p))
			p++;
		if (p == end)
			return 0;
		for (start = p; p < end && !is_blank(*p); p++)
			;
		rc = add_field(f, start, p);
		if (rc < 0)
			return rc;
	}
}

static int columns(struct fn_call *call, struct err *err)
{
	CLEANUP(ranges_done) struct ranges r = {0};
	CLEANUP(fields_done) struct fields f = {0};
	CLEANUP_LINES struct fn_lines l;
	const char *separator = fn_arg(call, "separator");
	struct fn_out out;
	struct line line;
	size_t i, k;
	int rc;

	fn_lines_init(&l, call, 0, call->ninputs);
	fn_out_init(&out, call, err);
	rc = take_ranges(call, "fields", &r, err);
	if (rc < 0)
		return rc;
	while ((rc = fn_next_line(&l, &line, err)) > 0 && out.rc >= 0) {
		bool any = false;

		rc = take_fields(&f, line);
		if (rc < 0)
			return rc;
		for (i = 0; i < r.n; i++)
			for (k = r.v[i].from; k <= MIN((size_t)r.v[i].to, f.n);
			     k++) {
				if (any)
					fn_put_str(&out, separator);
				any = true;
				fn_put(&out, f.v[k - 1].p, f.v[k - 1].n);
			}
		fn_put_byte(&out, '\n');
	}
	return rc < 0 ? rc : fn_out_end(&out);
}

static const struct fn_param columns_params[] = {
	PARAM_TEXT("fields", NULL, "which, in this order: \"3,1\", \"2-\""),
	PARAM_TEXT("separator", " ", "what is written between them"),
	{0},
};
static const struct fn_param cut_params[] = {
	PARAM_TEXT("fields", "", "which, as \"1,3-5,7-\""),
	PARAM_TEXT("bytes", "", "which bytes, instead of fields"),
	PARAM_BYTE("delimiter", "tab",
		   "the byte between fields, or the word tab"),
	PARAM_BOOL("only_delimited", "false",
		   "leave out lines without a delimiter, which are otherwise "
		   "written as they are"),
	{0},
};

static const struct function rows[] = {
	{
		.name = "columns",
		.help = "words of each line, which blanks separate, in any "
			"order; as awk '{print $3, $1}'",
		.version = 1,
		.params = columns_params,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.example = "== sizes.txt\n"
			   "  120 a.txt   red\n"
			   "    7 b.txt   blue\n"
			   "== names.txt.recipe\n"
			   "in: [sizes.txt]\n"
			   "fn: columns\n"
			   "params: {fields: \"3,2\"}\n"
			   "== names.txt\n"
			   "red a.txt\n"
			   "blue b.txt\n",
		.check = check_columns,
		.run = columns,
	},
	{
		.name = "cut",
		.help = "fields or bytes of each line, as cut(1)",
		.version = 1,
		.params = cut_params,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.example = "== users.txt\n"
			   "root:0:/root\n"
			   "ada:1000:/home/ada\n"
			   "== homes.txt.recipe\n"
			   "in: [users.txt]\n"
			   "fn: cut\n"
			   "params: {fields: \"1,3\", delimiter: \":\"}\n"
			   "== homes.txt\n"
			   "root:/root\n"
			   "ada:/home/ada\n",
		.check = check_cut,
		.run = cut,
	},
};

const struct fn_family family_cut = {"Parts of lines", rows, ARRAY_LEN(rows)};
