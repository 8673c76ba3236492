#include "recipes/fn.h"

#include <errno.h>

#include "recipes/json.h"
#include "recipes/json_out.h"
#include "recipes/json_path.h"

/* Parser, path and writer in a row: events of the parser go to the path, which
 * passes on those of the values it selects. Nothing is kept. */

static int read_input(struct fn_reader *r, struct json *j, struct err *err)
{
	struct err why = {""};
	const uint8_t *p;
	ssize_t n;
	int rc = 0;

	while (rc >= 0 && (n = fn_read(r, &p, err)) != 0) {
		if (n < 0)
			return (int)n;
		rc = json_feed(j, p, (size_t)n, &why);
	}
	if (rc >= 0)
		rc = json_end(j, &why);
	return rc < 0 && why.msg[0]
		       ? err_set(err, rc, "%s: %s", r->input->path, why.msg)
		       : rc;
}

static int run_json(struct fn_call *call, struct json_path *path,
		    struct json_out *to, struct err *err)
{
	CLEANUP_READER struct fn_reader r = {0};
	size_t i;
	int rc = 0;

	for (i = 0; i < call->ninputs && rc >= 0; i++) {
		CLEANUP(json_freep) struct json *j = NULL;

		rc = fn_open(&r, call, i, err);
		if (rc >= 0)
			rc = json_new(json_path_event, path, &j);
		if (rc >= 0)
			rc = read_input(&r, j, err);
	}
	return rc < 0 ? rc : json_out_end(to);
}

static int json(struct fn_call *call, struct err *err)
{
	CLEANUP(json_path_freep) struct json_path *path = NULL;
	CLEANUP(json_out_done) struct json_out to = {0};
	struct fn_out out;
	int rc;

	fn_out_init(&out, call, err);
	to.out = &out;
	to.pretty = fn_is(call, "format", "pretty");
	to.array = fn_true(call, "array");
	to.raw = fn_true(call, "raw");
	rc = json_path_new(fn_arg(call, "select"), json_out_event, &to, &path,
			   err);
	if (rc >= 0)
		rc = run_json(call, path, &to, err);
	return rc < 0 ? rc : fn_out_end(&out);
}

static int check(const struct fn_call *call, struct err *err)
{
	CLEANUP(json_path_freep) struct json_path *path = NULL;

	if (fn_true(call, "array") && fn_true(call, "raw"))
		return err_set(err, -EINVAL,
			       "`json` takes `array` or `raw`, not both");
	return json_path_new(fn_arg(call, "select"), json_out_event, NULL,
			     &path, err);
}

static const struct fn_param params[] = {
	PARAM_TEXT("select", ".",
		   "which values: .name, .\"any name\", [0], [] for each of an "
		   "array or object, one behind the other"),
	PARAM_CHOICE("format", "compact", "compact pretty",
		     "a value on one line, or spread over several"),
	PARAM_BOOL("array", "false", "all values as one array"),
	PARAM_BOOL("raw", "false", "texts without quotes and escapes"),
	{0},
};

static const struct function rows[] = {
	{
		.name = "json",
		.help = "values of JSON files or JSON lines, selected and "
			"formatted; numbers stay as they are written",
		.version = 1,
		.params = params,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.example = "== orders.json\n"
			   "{\"orders\": [{\"id\": 7, \"sum\": 1.50},\n"
			   "            {\"id\": 9, \"sum\": 20}]}\n"
			   "== sums.json.recipe\n"
			   "in: [orders.json]\n"
			   "fn: json\n"
			   "params: {select: '.orders[].sum', array: true}\n"
			   "== sums.json\n"
			   "[1.50,20]\n",
		.check = check,
		.run = json,
	},
};

const struct fn_family family_json = {"JSON", rows, ARRAY_LEN(rows)};
