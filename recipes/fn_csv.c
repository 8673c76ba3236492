#include "recipes/fn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "recipes/csv.h"
#include "recipes/json.h"
#include "recipes/sorter.h"
#include "recipes/word.h"

/* Records come from the parser one at a time and go on to the output, or, when
 * they are to be sorted, through a sorter, where a record is its keys and then
 * its columns, each with its length before it. Which columns of the input
 * those are is known once the first record (the header, if there is one) is
 * there. */

enum form { FORM_CSV, FORM_TSV, FORM_JSON, FORM_LINES };

struct table {
	struct fn_call *call;
	struct err *err;
	const char *path;
	enum form form;
	bool header, numbers, numeric, reverse;
	uint8_t delimiter;

	struct csv *names; /* owns what these point to */
	struct csv_record header_row;
	struct csv *select_text, *sort_text;
	struct csv_record select, sort;

	bool known;	 /* what follows: */
	size_t width;	 /* fields of each record */
	size_t *columns; /* that are written */
	size_t ncolumns;
	size_t *keys; /* to sort by */
	size_t nkeys;
	bool first; /* record of its input */

	struct sorter *sorter;
	struct buf packed;
	struct line *row; /* room for one that is written */
	struct fn_out out;
	struct buf text;
	bool any; /* was written */
};

static void table_done(struct table *t)
{
	csv_free(t->names);
	csv_free(t->select_text);
	csv_free(t->sort_text);
	free(t->columns);
	free(t->keys);
	free(t->row);
	sorter_free(t->sorter);
	buf_done(&t->packed);
	buf_done(&t->text);
}

static int wrong(const struct table *t, uint64_t line, const char *fmt, ...)
	PRINTF(3, 4);
static int wrong(const struct table *t, uint64_t line, const char *fmt, ...)
{
	char what[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(t->err, -EILSEQ, "%s:%llu: %s", t->path,
		       (unsigned long long)line, what);
}

/* --- params --------------------------------------------------------------- */

static int take_list(const struct fn_call *call, const char *name,
		     struct csv **ret, struct csv_record *ret_record,
		     struct err *err)
{
	int rc;

	if (!fn_given(call, name))
		return 0;
	rc = csv_split(fn_arg(call, name), strlen(fn_arg(call, name)), ret,
		       ret_record);
	if (rc != -EINVAL)
		return rc;
	return err_set(err, rc,
		       "`%s` of `csv` is a list of columns, as `name,price`, "
		       "not `%s`",
		       name, word_show(fn_arg(call, name)).s);
}

static int take_params(struct table *t, const struct fn_call *call,
		       struct err *err)
{
	int rc;

	t->form = fn_is(call, "to", "json")    ? FORM_JSON
		  : fn_is(call, "to", "jsonl") ? FORM_LINES
		  : fn_is(call, "to", "tsv")   ? FORM_TSV
					       : FORM_CSV;
	t->header = fn_true(call, "header");
	t->numbers = fn_true(call, "numbers");
	t->numeric = fn_true(call, "numeric");
	t->reverse = fn_true(call, "reverse");
	t->delimiter = t->form == FORM_TSV ? '\t' : ',';
	rc = take_list(call, "select", &t->select_text, &t->select, err);
	if (rc >= 0)
		rc = take_list(call, "sort", &t->sort_text, &t->sort, err);
	return rc;
}

/* Without a header, columns are numbers. */
static bool column_number(struct line l, size_t *ret)
{
	size_t n = 0, i;

	for (i = 0; i < l.n && i < 9 && l.p[i] >= '0' && l.p[i] <= '9'; i++)
		n = n * 10 + (size_t)(l.p[i] - '0');
	*ret = n - 1;
	return i == l.n && n;
}

static int check_numbers(const char *name, const struct csv_record *r,
			 struct err *err)
{
	size_t i, n;

	for (i = 0; i < r->n; i++)
		if (!column_number(r->fields[i], &n))
			return err_set(err, -EINVAL,
				       "`%s` of `csv`: without `header` "
				       "columns are numbers from 1 on, as "
				       "`3,1`",
				       name);
	return 0;
}

static int check(const struct fn_call *call, struct err *err)
{
	CLEANUP(table_done) struct table t = {0};
	uint8_t d = fn_byte(call, "delimiter");
	int rc = take_params(&t, call, err);

	if (d == '"' || d == '\n' || d == '\r')
		return err_set(err, -EINVAL,
			       "`delimiter` of `csv` cannot be a quote or the "
			       "end of a line");
	if (rc >= 0 && !t.header)
		rc = check_numbers("select", &t.select, err);
	if (rc >= 0 && !t.header)
		rc = check_numbers("sort", &t.sort, err);
	if (rc >= 0 && !t.sort.n && (t.numeric || t.reverse))
		return err_set(err, -EINVAL, "`%s` of `csv` goes with `sort`",
			       t.numeric ? "numeric" : "reverse");
	return rc;
}

/* --- columns -------------------------------------------------------------- */

static bool same(struct line a, struct line b)
{
	return !line_compare(a, b);
}

static int no_column(const struct table *t, const struct csv_record *header,
		     struct line name)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < header->n && b.len < 200; i++)
		buf_fmt(&b, "%s`%.*s`", i ? ", " : "",
			(int)MIN(header->fields[i].n, (size_t)60),
			(const char *)header->fields[i].p);
	if (i < header->n)
		buf_str(&b, ", ...");
	return wrong(t, header->line, "there is no column `%.*s`; there %s %s",
		     (int)MIN(name.n, (size_t)60), (const char *)name.p,
		     header->n == 1 ? "is" : "are", buf_cstr(&b));
}

static int find_column(const struct table *t, const struct csv_record *first,
		       struct line name, size_t *ret)
{
	size_t i;

	if (!t->header) {
		if (!column_number(name, ret))
			return -EINVAL;
		return *ret < first->n ? 0
				       : wrong(t, first->line,
					       "there is no column %zu: the "
					       "record has %zu",
					       *ret + 1, first->n);
	}
	for (i = 0; i < first->n; i++)
		if (same(first->fields[i], name)) {
			*ret = i;
			return 0;
		}
	return no_column(t, first, name);
}

static int find_columns(const struct table *t, const struct csv_record *first,
			const struct csv_record *names, size_t **ret,
			size_t *ret_n)
{
	size_t *v = calloc(names->n + 1, sizeof(*v)), i;
	int rc = v ? 0 : -ENOMEM;

	*ret = v;
	for (i = 0; i < names->n && rc >= 0; i++)
		rc = find_column(t, first, names->fields[i], &v[i]);
	*ret_n = names->n;
	return rc;
}

static int all_columns(struct table *t, size_t n)
{
	size_t i;

	t->columns = calloc(n, sizeof(*t->columns));
	if (!t->columns)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		t->columns[i] = i;
	t->ncolumns = n;
	return 0;
}

/* A copy that lasts. */
static int keep_header(struct table *t, const struct csv_record *r)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < r->n; i++) {
		if (i)
			buf_u8(&b, ',');
		csv_put(&b, ',', r->fields[i], r->n == 1);
	}
	return buf_err(&b) < 0
		       ? -ENOMEM
		       : csv_split(b.data, b.len, &t->names, &t->header_row);
}

static int learn(struct table *t, const struct csv_record *first)
{
	int rc;

	t->known = true;
	t->width = first->n;
	if (t->select.n)
		rc = find_columns(t, first, &t->select, &t->columns,
				  &t->ncolumns);
	else
		rc = all_columns(t, first->n);
	if (rc >= 0)
		rc = find_columns(t, first, &t->sort, &t->keys, &t->nkeys);
	t->row = calloc(t->ncolumns + 1, sizeof(*t->row));
	if (rc >= 0 && !t->row)
		rc = -ENOMEM;
	return rc < 0 || !t->header ? rc : keep_header(t, first);
}

/* --- writing -------------------------------------------------------------- */

static int put_json(struct table *t, struct line l, uint64_t line)
{
	if (t->numbers && json_is_number(l.p, l.n)) {
		buf_add(&t->text, l.p, l.n);
		return 0;
	}
	if (!json_is_utf8(l.p, l.n))
		return line ? wrong(t, line,
				    "a field is not UTF-8, which JSON has to "
				    "be")
			    : err_set(t->err, -EILSEQ,
				      "a field is not UTF-8, which JSON has "
				      "to be");
	buf_u8(&t->text, '"');
	json_escape(&t->text, (const char *)l.p, l.n);
	buf_u8(&t->text, '"');
	return 0;
}

static int put_object(struct table *t, const struct line *row, uint64_t line)
{
	bool numbers = t->numbers;
	size_t i;
	int rc = 0;

	if (t->form == FORM_JSON)
		buf_str(&t->text, t->any ? ",\n" : "[\n");
	buf_u8(&t->text, t->header ? '{' : '[');
	for (i = 0; i < t->ncolumns && rc >= 0; i++) {
		if (i)
			buf_u8(&t->text, ',');
		if (t->header) {
			t->numbers = false;
			rc = put_json(t, t->header_row.fields[t->columns[i]],
				      line);
			t->numbers = numbers;
			buf_u8(&t->text, ':');
		}
		if (rc >= 0)
			rc = put_json(t, row[i], line);
	}
	buf_str(&t->text, t->header ? "}" : "]");
	if (t->form == FORM_LINES)
		buf_u8(&t->text, '\n');
	return rc;
}

/* line: where it stands, 0: not known any more. */
static int put_row(struct table *t, const struct line *row, uint64_t line)
{
	size_t i;
	int rc = 0;

	buf_reset(&t->text);
	if (t->form == FORM_JSON || t->form == FORM_LINES) {
		rc = put_object(t, row, line);
	} else {
		for (i = 0; i < t->ncolumns; i++) {
			if (i)
				buf_u8(&t->text, t->delimiter);
			csv_put(&t->text, t->delimiter, row[i],
				t->ncolumns == 1);
		}
		buf_u8(&t->text, '\n');
	}
	t->any = true;
	if (rc >= 0 && buf_err(&t->text) < 0)
		rc = -ENOMEM;
	fn_put(&t->out, t->text.data, t->text.len);
	return rc < 0 ? rc : t->out.rc;
}

static void pick(const struct table *t, const struct line *fields)
{
	size_t i;

	for (i = 0; i < t->ncolumns; i++)
		t->row[i] = fields[t->columns[i]];
}

static int put_header(struct table *t)
{
	int rc;

	if (!t->header || t->form == FORM_JSON || t->form == FORM_LINES)
		return 0;
	pick(t, t->header_row.fields);
	rc = put_row(t, t->row, 1);
	t->any = false;
	return rc;
}

static int end_rows(struct table *t)
{
	if (t->form == FORM_JSON)
		fn_put_str(&t->out, t->any ? "\n]\n" : "[]\n");
	return fn_out_end(&t->out);
}

/* --- sorting -------------------------------------------------------------- */

static void pack(struct buf *b, struct line l)
{
	uint32_t n = (uint32_t)l.n;

	buf_add(b, &n, sizeof(n));
	buf_add(b, l.p, l.n);
}

static struct line unpack(struct line *from)
{
	struct line l;
	uint32_t n;

	memcpy(&n, from->p, sizeof(n));
	l = (struct line){from->p + sizeof(n), n};
	from->p += sizeof(n) + n;
	from->n -= sizeof(n) + n;
	return l;
}

static int compare_rows(const void *ctx, struct line a, struct line b)
{
	const struct table *t = ctx;
	size_t i;
	int c = 0;

	for (i = 0; i < t->nkeys && !c; i++) {
		struct line x = unpack(&a), y = unpack(&b);

		c = t->numeric ? line_compare_numbers(x, y)
			       : line_compare(x, y);
	}
	return t->reverse ? -c : c;
}

static int gather(struct table *t, const struct csv_record *r)
{
	size_t i;
	int rc;

	buf_reset(&t->packed);
	for (i = 0; i < t->nkeys; i++)
		pack(&t->packed, r->fields[t->keys[i]]);
	for (i = 0; i < t->ncolumns; i++)
		pack(&t->packed, r->fields[t->columns[i]]);
	if (buf_err(&t->packed) < 0)
		return -ENOMEM;
	rc = sorter_add(t->sorter, t->packed.data, t->packed.len, t->err);
	return rc == -E2BIG ? wrong(t, r->line,
				    "a record of more than %u MiB with its "
				    "keys cannot be sorted",
				    (unsigned)(RUN_LINE_MAX >> 20))
			    : rc;
}

static int put_sorted(struct table *t)
{
	struct line l;
	size_t i;
	int rc = sorter_sort(t->sorter, t->err);

	while (rc >= 0 && (rc = sorter_next(t->sorter, &l, t->err)) > 0) {
		for (i = 0; i < t->nkeys; i++)
			unpack(&l);
		for (i = 0; i < t->ncolumns; i++)
			t->row[i] = unpack(&l);
		rc = put_row(t, t->row, 0);
	}
	return rc;
}

/* --- records -------------------------------------------------------------- */

static int take_header(struct table *t, const struct csv_record *r)
{
	size_t i;

	if (r->n != t->header_row.n)
		return wrong(t, r->line,
			     "the header has %zu columns, that of the first "
			     "input %zu",
			     r->n, t->header_row.n);
	for (i = 0; i < r->n; i++)
		if (!same(r->fields[i], t->header_row.fields[i]))
			return wrong(t, r->line,
				     "column %zu is not called as in the first "
				     "input",
				     i + 1);
	return 0;
}

static int take_record(void *ctx, const struct csv_record *r)
{
	struct table *t = ctx;
	bool header = t->first && t->header;
	int rc;

	if (fn_stopped(t->call))
		return -ECANCELED;
	t->first = false;
	if (!t->known) {
		rc = learn(t, r);
		if (rc >= 0 && header)
			return put_header(t);
		if (rc < 0)
			return rc;
	} else if (header) {
		return take_header(t, r);
	}
	if (r->n != t->width)
		return wrong(t, r->line, "%zu field%s where the %s has %zu",
			     r->n, r->n == 1 ? "" : "s",
			     t->header ? "header" : "first record", t->width);
	if (t->nkeys)
		return gather(t, r);
	pick(t, r->fields);
	return put_row(t, t->row, r->line);
}

static int read_input(struct table *t, struct fn_reader *r)
{
	CLEANUP(csv_freep) struct csv *c = NULL;
	struct err why = {""};
	const uint8_t *p;
	ssize_t n = 0;
	int rc;

	t->path = r->input->path;
	t->first = true;
	rc = csv_new(fn_byte(t->call, "delimiter"), take_record, t, &c);
	while (rc >= 0 && (n = fn_read(r, &p, t->err)) > 0)
		rc = csv_feed(c, p, (size_t)n, &why);
	if (rc >= 0 && n < 0)
		return (int)n;
	if (rc >= 0)
		rc = csv_end(c, &why);
	return rc < 0 && why.msg[0]
		       ? err_set(t->err, rc, "%s: %s", t->path, why.msg)
		       : rc;
}

static int read_inputs(struct table *t, struct fn_call *call)
{
	CLEANUP_READER struct fn_reader r = {0};
	size_t i;
	int rc = 0;

	for (i = 0; i < call->ninputs && rc >= 0; i++) {
		rc = fn_open(&r, call, i, t->err);
		if (rc >= 0)
			rc = read_input(t, &r);
	}
	return rc;
}

static int csv(struct fn_call *call, struct err *err)
{
	CLEANUP(table_done) struct table t = {.call = call, .err = err};
	struct order order = {.compare = compare_rows, .ctx = &t};
	int rc = take_params(&t, call, err);

	fn_out_init(&t.out, call, err);
	if (rc >= 0)
		rc = sorter_new(&order, call->scratch_fd, call->stop,
				&t.sorter);
	if (rc >= 0)
		rc = read_inputs(&t, call);
	if (rc >= 0 && t.nkeys)
		rc = put_sorted(&t);
	return rc < 0 ? rc : end_rows(&t);
}

static const struct fn_param params[] = {
	PARAM_TEXT("select", "",
		   "which columns, in this order: \"name,price\"; without "
		   "`header` numbers: \"3,1\""),
	PARAM_TEXT("sort", "", "columns to sort by, the first one first"),
	PARAM_BOOL("numeric", "false",
		   "sort by the number that a field begins with"),
	PARAM_BOOL("reverse", "false", "from the last to the first"),
	PARAM_CHOICE("to", "csv", "csv tsv json jsonl",
		     "the output: CSV, tabs instead of commas, a JSON array, "
		     "a JSON value a line"),
	PARAM_BOOL("header", "true",
		   "the first record of each input names its columns"),
	PARAM_BOOL("numbers", "false",
		   "in JSON, what is a number is none in quotes"),
	PARAM_BYTE("delimiter", ",",
		   "the byte between fields of the input, or the word tab"),
	{0},
};

static const struct function rows[] = {
	{
		.name = "csv",
		.help = "columns of CSV files, selected, sorted, or made JSON",
		.version = 1,
		.params = params,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.example = "== stock.csv\n"
			   "name,price,note\n"
			   "pear,2.50,\"sweet, green\"\n"
			   "apple,10,red\n"
			   "== cheap.json.recipe\n"
			   "in: [stock.csv]\n"
			   "fn: csv\n"
			   "params:\n"
			   "  select: name,price\n"
			   "  sort: price\n"
			   "  numeric: true\n"
			   "  to: jsonl\n"
			   "  numbers: true\n"
			   "== cheap.json\n"
			   "{\"name\":\"pear\",\"price\":2.50}\n"
			   "{\"name\":\"apple\",\"price\":10}\n",
		.check = check,
		.run = csv,
	},
};

const struct fn_family family_csv = {"Tables", rows, ARRAY_LEN(rows)};
