#include "recipes/fn.h"

#include <errno.h>
#include <stdio.h>

#include "recipes/csv.h"
#include "recipes/json.h"
#include "recipes/sql_table.h"

enum form { FORM_CSV, FORM_TSV, FORM_JSON, FORM_LINES };

struct task {
	struct fn_call *call;
	struct query *query;
	enum form form;
	bool header;
	struct fn_out out;
	struct buf text;
	struct query_text *names; /* of the result; the statement's own */
	struct buf name_bytes;
	bool any;
};

static void task_done(struct task *t)
{
	query_close(t->query);
	buf_done(&t->text);
	buf_done(&t->name_bytes);
	free(t->names);
}

/* --- what goes in ----------------------------------------------------------
 */

static int insert(void *ctx, const struct query_text *values, struct err *err)
{
	struct task *t = ctx;

	return query_insert(t->query, values, err);
}

/* Inputs first to end have one name. */
static int load(struct task *t, const char *name, size_t first, size_t end,
		struct err *err)
{
	CLEANUP(sql_table_done)
	struct sql_table table = {
		.call = t->call,
		.format = fn_is(t->call, "format", "csv")    ? SQL_CSV
			  : fn_is(t->call, "format", "tsv")  ? SQL_TSV
			  : fn_is(t->call, "format", "json") ? SQL_JSON
							     : SQL_AUTO,
		.texts = fn_is(t->call, "types", "text"),
	};
	size_t i;
	int rc = 0;

	for (i = first; i < end && rc >= 0; i++)
		rc = sql_table_learn(&table, i, err);
	if (rc >= 0 && !table.n)
		rc = err_set(err, -EILSEQ, "%s: is empty: it names no columns",
			     t->call->inputs[first].path);
	if (rc < 0)
		return rc;
	for (i = 0; i < table.n; i++)
		if (table.columns[i].type == QUERY_NULL)
			table.columns[i].type = QUERY_TEXT;
	rc = query_table(t->query, name, table.columns, table.n, err);
	if (rc < 0)
		return rc == -EILSEQ ? err_prefix(err, rc, "%s",
						  t->call->inputs[first].path)
				     : rc;
	for (i = first; i < end && rc >= 0; i++)
		rc = sql_table_rows(&table, i, insert, t, err);
	return rc;
}

static int load_all(struct task *t, struct err *err)
{
	const struct fn_input *in = t->call->inputs;
	size_t n = t->call->ninputs, i, end;
	char name[32];
	int rc = 0;

	for (i = 0; i < n && rc >= 0; i = end) {
		end = i + 1;
		while (in[i].name && end < n &&
		       !strcmp(in[end].name, in[i].name))
			end++;
		snprintf(name, sizeof(name), "t%zu", i + 1);
		rc = load(t, in[i].name ? in[i].name : name, i, end, err);
	}
	return rc;
}

/* --- what comes out --------------------------------------------------------
 */

static int flush(struct task *t)
{
	fn_put(&t->out, t->text.data, t->text.len);
	if (buf_err(&t->text) < 0)
		return -ENOMEM;
	buf_reset(&t->text);
	return t->out.rc;
}

static struct line line_of(struct query_text v)
{
	return (struct line){v.p, v.n};
}

static uint8_t delimiter(const struct task *t)
{
	return t->form == FORM_TSV ? '\t' : ',';
}

static int head(void *ctx, const struct query_text *names, size_t n)
{
	struct task *t = ctx;
	size_t i, at = 0;

	t->names = calloc(n, sizeof(*t->names));
	for (i = 0; i < n; i++)
		buf_add(&t->name_bytes, names[i].p, names[i].n);
	if (!t->names || buf_err(&t->name_bytes) < 0)
		return -ENOMEM;
	for (i = 0; i < n; at += names[i].n, i++)
		t->names[i] = (struct query_text){buf_cstr(&t->name_bytes) + at,
						  names[i].n};
	if (!t->header || t->form == FORM_JSON || t->form == FORM_LINES)
		return 0;
	for (i = 0; i < n; i++) {
		if (i)
			buf_u8(&t->text, delimiter(t));
		csv_put(&t->text, delimiter(t), line_of(names[i]), n == 1);
	}
	buf_u8(&t->text, '\n');
	return flush(t);
}

static int put_text(struct task *t, struct query_text v)
{
	if (!json_is_utf8(v.p, v.n))
		return err_set(t->out.err, -EILSEQ,
			       "a value of the result is not UTF-8, which JSON "
			       "has to be");
	buf_u8(&t->text, '"');
	json_escape(&t->text, v.p, v.n);
	buf_u8(&t->text, '"');
	return 0;
}

static int put_object(struct task *t, const struct query_value *v, size_t n)
{
	size_t i;
	int rc = 0;

	if (t->form == FORM_JSON)
		buf_str(&t->text, t->any ? ",\n" : "[\n");
	buf_u8(&t->text, '{');
	for (i = 0; i < n && rc >= 0; i++) {
		if (i)
			buf_u8(&t->text, ',');
		rc = put_text(t, t->names[i]);
		buf_u8(&t->text, ':');
		if (rc < 0)
			break;
		if (v[i].type == QUERY_TEXT || v[i].type == QUERY_BLOB)
			rc = put_text(t, v[i].text);
		else if (json_is_number(v[i].text.p, v[i].text.n))
			buf_add(&t->text, v[i].text.p, v[i].text.n);
		else /* NULL, and infinity, which JSON does not have */
			buf_str(&t->text, "null");
	}
	buf_u8(&t->text, '}');
	if (t->form == FORM_LINES)
		buf_u8(&t->text, '\n');
	return rc;
}

static int row(void *ctx, const struct query_value *v, size_t n)
{
	struct task *t = ctx;
	size_t i;
	int rc = 0;

	if (t->form == FORM_JSON || t->form == FORM_LINES) {
		rc = put_object(t, v, n);
	} else {
		for (i = 0; i < n; i++) {
			if (i)
				buf_u8(&t->text, delimiter(t));
			csv_put(&t->text, delimiter(t), line_of(v[i].text),
				n == 1);
		}
		buf_u8(&t->text, '\n');
	}
	t->any = true;
	return rc < 0 ? rc : flush(t);
}

static int sql(struct fn_call *call, struct err *err)
{
	CLEANUP(task_done)
	struct task t = {
		.call = call,
		.form = fn_is(call, "to", "json")    ? FORM_JSON
			: fn_is(call, "to", "jsonl") ? FORM_LINES
			: fn_is(call, "to", "tsv")   ? FORM_TSV
						     : FORM_CSV,
		.header = fn_true(call, "header"),
	};
	int rc;

	fn_out_init(&t.out, call, err);
	rc = query_open(call->scratch_fd, call->stop, call->deadline_ns,
			&t.query);
	if (rc >= 0)
		rc = load_all(&t, err);
	if (rc >= 0)
		rc = query_run(t.query, fn_arg(call, "query"), head, row, &t,
			       err);
	if (rc < 0)
		return rc;
	if (t.form == FORM_JSON)
		fn_put_str(&t.out, t.any ? "\n]\n" : "[]\n");
	return fn_out_end(&t.out);
}

/* SQLite asks the machine for these, whose zone is not in the address. */
static int check(const struct fn_call *call, struct err *err)
{
	const char *query = fn_arg(call, "query");

	if (!query[strspn(query, " \t\n")])
		return err_set(err, -EINVAL, "`query` of `sql` is empty");
	if (strcasestr(query, "'localtime'") || strcasestr(query, "'utc'"))
		return err_set(err, -EINVAL,
			       "`query` of `sql` cannot use the zone of the "
			       "machine ('localtime', 'utc'): times are UTC");
	return 0;
}

static const struct fn_param params[] = {
	PARAM_TEXT("query", NULL,
		   "a SELECT of SQLite. Inputs are its tables: named as in "
		   "`in`, else t1, t2, ..."),
	PARAM_CHOICE("format", "auto", "auto csv tsv json",
		     "of the inputs: CSV or TSV with a header, JSON objects; "
		     "auto: by what they begin with"),
	PARAM_CHOICE("types", "auto", "auto text",
		     "auto: columns that hold numbers alone are numbers; text: "
		     "none are"),
	PARAM_CHOICE("to", "csv", "csv tsv json jsonl",
		     "the output: CSV, tabs instead of commas, a JSON array, "
		     "a JSON object a line"),
	PARAM_BOOL("header", "true", "names of the columns first, in CSV"),
	{0},
};

static const struct function rows[] = {
	{
		.name = "sql",
		.help = "a query over the inputs as tables: CSV, TSV, JSON "
			"lines",
		.version = 1,
		.params = params,
		.min_inputs = 0,
		.max_inputs = SIZE_MAX,
		.example = "== people.csv\n"
			   "name,city\n"
			   "Ada,London\n"
			   "Grace,New York\n"
			   "== visits.jsonl\n"
			   "{\"who\": \"Ada\", \"pages\": 3}\n"
			   "{\"who\": \"Ada\", \"pages\": 4}\n"
			   "== pages.csv.recipe\n"
			   "in: {people: people.csv, visits: visits.jsonl}\n"
			   "fn: sql\n"
			   "params:\n"
			   "  query: |\n"
			   "    SELECT name, city, sum(pages) AS pages\n"
			   "    FROM people JOIN visits ON who = name\n"
			   "    GROUP BY name ORDER BY name\n"
			   "== pages.csv\n"
			   "name,city,pages\n"
			   "Ada,London,7\n",
		.check = check,
		.run = sql,
	},
};

const struct fn_family family_sql = {"Queries", rows, ARRAY_LEN(rows)};
