#include "recipes/fn.h"

#include <errno.h>

/* The template is read line by line; `{{name}}` in it is the param of that
 * name, or the content of the input that has it. The markers can be others. */

struct template
{
	struct fn_call *call;
	struct err *err;
	const char *open, *close;
	size_t source; /* which input is the template */
	struct fn_out out;
	bool *used; /* params */
};

static void template_done(struct template *t)
{
	free(t->used);
}

static bool is_marker(const char *name)
{
	return !strcmp(name, "open") || !strcmp(name, "close");
}

static int check(const struct fn_call *call, struct err *err)
{
	if (*fn_arg(call, "open") && *fn_arg(call, "close") &&
	    !strchr(fn_arg(call, "open"), '\n') &&
	    !strchr(fn_arg(call, "close"), '\n'))
		return 0;
	return err_set(err, -EINVAL,
		       "`open` and `close` of `template` are texts of one line "
		       "and not empty");
}

static int find_source(struct template *t)
{
	const struct fn_call *call = t->call;
	size_t i;

	if (!call->inputs[0].name) {
		if (call->ninputs == 1)
			return 0;
		return err_set(t->err, -EINVAL,
			       "write `in` as a map: `template` and the names "
			       "that stand in it");
	}
	for (i = 0; i < call->ninputs; i++)
		if (!strcmp(call->inputs[i].name, "template")) {
			t->source = i;
			return 0;
		}
	return err_set(t->err, -EINVAL,
		       "none of the inputs is called `template`");
}

/* A whole input, but for its last newline. */
static int put_input(struct template *t, size_t i)
{
	CLEANUP_READER struct fn_reader r = {0};
	const uint8_t *last;
	uint64_t size;
	int rc = fn_out_end(&t->out);

	if (rc >= 0)
		rc = fn_open(&r, t->call, i, t->err);
	if (rc < 0)
		return rc;
	size = blob_size(r.blob);
	if (size) {
		rc = fn_read_at(&r, size - 1, 1, &last, t->err);
		if (rc < 0)
			return rc;
		size -= *last == '\n';
	}
	return fn_copy(&r, 0, size, t->err);
}

static bool is_called(const char *name, struct line l)
{
	return name && strlen(name) == l.n && !memcmp(name, l.p, l.n);
}

static int put_value(struct template *t, const struct fn_lines *l,
		     struct line name)
{
	const struct fn_call *call = t->call;
	size_t i;

	for (i = 0; i < call->nparams; i++)
		if (is_called(call->params[i].name, name) &&
		    !is_marker(call->params[i].name)) {
			t->used[i] = true;
			fn_put_str(&t->out, call->params[i].value);
			return t->out.rc;
		}
	for (i = 0; i < call->ninputs; i++)
		if (i != t->source && is_called(call->inputs[i].name, name))
			return put_input(t, i);
	return fn_line_error(l, -EILSEQ, t->err,
			     "neither a param nor an input is called `%.*s`",
			     (int)MIN(name.n, (size_t)60),
			     (const char *)name.p);
}

static struct line trim(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (p < end && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (struct line){p, (size_t)(end - p)};
}

static int put_line(struct template *t, const struct fn_lines *l,
		    struct line line)
{
	const uint8_t *p = line.p, *end = line.p + line.n, *open, *close;
	size_t nopen = strlen(t->open), nclose = strlen(t->close);
	int rc;

	for (; p < end; p = close + nclose) {
		open = memmem(p, (size_t)(end - p), t->open, nopen);
		if (!open)
			break;
		fn_put(&t->out, p, (size_t)(open - p));
		close = memmem(open + nopen, (size_t)(end - open) - nopen,
			       t->close, nclose);
		if (!close)
			return fn_line_error(l, -EILSEQ, t->err,
					     "`%s` without its `%s` on the "
					     "same line; when it means "
					     "something else, choose another "
					     "with `open`",
					     t->open, t->close);
		rc = put_value(t, l, trim(open + nopen, close));
		if (rc < 0)
			return rc;
	}
	fn_put(&t->out, p, (size_t)(end - p));
	if (l->newline)
		fn_put_byte(&t->out, '\n');
	return t->out.rc;
}

static int fill_in(struct template *t)
{
	CLEANUP_LINES struct fn_lines l;
	struct line line;
	int rc;

	fn_lines_init(&l, t->call, t->source, t->source + 1);
	while ((rc = fn_next_line(&l, &line, t->err)) > 0) {
		rc = put_line(t, &l, line);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : fn_out_end(&t->out);
}

/* A param that stands nowhere is a slip of the pen. */
static int check_used(const struct template *t)
{
	const struct fn_call *call = t->call;
	size_t i;

	for (i = 0; i < call->nparams; i++)
		if (!t->used[i] && !is_marker(call->params[i].name))
			return err_set(t->err, -EINVAL,
				       "the param `%s` stands nowhere in %s",
				       call->params[i].name,
				       call->inputs[t->source].path);
	return 0;
}

static int run(struct fn_call *call, struct err *err)
{
	CLEANUP(template_done)
	struct template t = {
		.call = call,
		.err = err,
		.open = fn_arg(call, "open"),
		.close = fn_arg(call, "close"),
		.used = calloc(call->nparams + 1, sizeof(bool)),
	};
	int rc;

	fn_out_init(&t.out, call, err);
	if (!t.used)
		return -ENOMEM;
	rc = find_source(&t);
	if (rc >= 0)
		rc = fill_in(&t);
	return rc < 0 ? rc : check_used(&t);
}

static const struct fn_param params[] = {
	PARAM_TEXT("open", "{{", "what begins a name in the template"),
	PARAM_TEXT("close", "}}", "what ends it"),
	{0},
};

static const struct function rows[] = {
	{
		.name = "template",
		.help = "a text with {{name}} in it replaced by the param, or "
			"the input, of that name",
		.version = 1,
		.params = params,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.any_param = true,
		.example = "== page.tmpl\n"
			   "<h1>{{title}}</h1>\n"
			   "<p>{{ body }}</p>\n"
			   "== body.txt\n"
			   "Good morning.\n"
			   "== page.html.recipe\n"
			   "in: {template: page.tmpl, body: body.txt}\n"
			   "fn: template\n"
			   "params: {title: Hello}\n"
			   "== page.html\n"
			   "<h1>Hello</h1>\n"
			   "<p>Good morning.</p>\n",
		.check = check,
		.run = run,
	},
};

const struct fn_family family_template = {"Filling in", rows, ARRAY_LEN(rows)};
