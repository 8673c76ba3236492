#include "recipes/fn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "recipes/regex.h"

/* --- filter -------------------------------------------------------------- */

static int filter_regex(const struct fn_call *call, struct regex **ret,
			struct err *err)
{
	bool literal = fn_given(call, "literal");
	int flags = (literal ? REGEX_LITERAL : 0) |
		    (fn_true(call, "ignore_case") ? REGEX_CASELESS : 0) |
		    (fn_true(call, "whole") ? REGEX_WHOLE : 0);

	return regex_new(fn_arg(call, literal ? "literal" : "regex"), flags,
			 ret, err);
}

static int check_filter(const struct fn_call *call, struct err *err)
{
	CLEANUP(regex_freep) struct regex *re = NULL;
	int rc = fn_one_of(call, "literal", "regex", err);

	return rc < 0 ? rc : filter_regex(call, &re, err);
}

static int filter(struct fn_call *call, struct err *err)
{
	CLEANUP(regex_freep) struct regex *re = NULL;
	CLEANUP_LINES struct fn_lines l;
	bool invert = fn_true(call, "invert");
	struct fn_out out;
	struct err why = {""};
	struct line line;
	int rc, match;

	fn_lines_init(&l, call, 0, call->ninputs);
	fn_out_init(&out, call, err);
	rc = filter_regex(call, &re, err);
	if (rc < 0)
		return rc;
	while ((rc = fn_next_line(&l, &line, err)) > 0 && out.rc >= 0) {
		match = regex_match(re, line.p, line.n, 0, false, &why);
		if (match < 0)
			return fn_line_error(&l, match, err, "%s", why.msg);
		if (match != invert)
			fn_put_line(&out, line);
	}
	return rc < 0 ? rc : fn_out_end(&out);
}

/* --- uniq ---------------------------------------------------------------- */

enum which { ALL, REPEATED, SINGLE };

struct uniq {
	struct fn_out out;
	enum which which;
	bool count, fold;
	struct buf first; /* of equal lines */
	uint64_t n;	  /* how many of them, 0: none yet */
};

static void uniq_done(struct uniq *u)
{
	buf_done(&u->first);
}

/* As of sort(1) and uniq(1) in the C locale: ASCII letters alone. */
static bool same_folded(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint8_t x = a[i], y = b[i];

		x += x >= 'A' && x <= 'Z' ? 'a' - 'A' : 0;
		y += y >= 'A' && y <= 'Z' ? 'a' - 'A' : 0;
		if (x != y)
			return false;
	}
	return true;
}

static bool same(const struct uniq *u, struct line l)
{
	if (l.n != u->first.len)
		return false;
	if (!l.n)
		return true;
	return u->fold ? same_folded(u->first.data, l.p, l.n)
		       : !memcmp(u->first.data, l.p, l.n);
}

static void emit(struct uniq *u)
{
	char number[32];
	int n;

	if (!u->n || (u->which == REPEATED && u->n == 1) ||
	    (u->which == SINGLE && u->n > 1))
		return;
	if (u->count) {
		n = snprintf(number, sizeof(number), "%7" PRIu64 " ", u->n);
		fn_put(&u->out, number, (size_t)n);
	}
	fn_put_line(&u->out, (struct line){u->first.data, u->first.len});
}

static int uniq(struct fn_call *call, struct err *err)
{
	CLEANUP(uniq_done)
	struct uniq u = {
		.which = fn_is(call, "only", "repeated") ? REPEATED
			 : fn_is(call, "only", "single") ? SINGLE
							 : ALL,
		.count = fn_true(call, "count"),
		.fold = fn_true(call, "ignore_case"),
	};
	CLEANUP_LINES struct fn_lines l;
	struct line line;
	int rc;

	fn_lines_init(&l, call, 0, call->ninputs);
	fn_out_init(&u.out, call, err);
	while ((rc = fn_next_line(&l, &line, err)) > 0 && u.out.rc >= 0) {
		if (u.n && same(&u, line)) {
			u.n++;
			continue;
		}
		emit(&u);
		buf_reset(&u.first);
		buf_add(&u.first, line.p, line.n);
		u.n = 1;
		if (buf_err(&u.first) < 0)
			return -ENOMEM;
	}
	if (rc < 0)
		return rc;
	emit(&u);
	return fn_out_end(&u.out);
}

static const struct fn_param filter_params[] = {
	PARAM_TEXT("literal", "", "lines that hold this text"),
	PARAM_TEXT("regex", "",
		   "lines that this regular expression (PCRE2) matches"),
	PARAM_BOOL("invert", "false", "the other lines"),
	PARAM_BOOL("ignore_case", "false", "upper and lower case are alike"),
	PARAM_BOOL("whole", "false", "the line has to match as a whole"),
	{0},
};
static const struct fn_param uniq_params[] = {
	PARAM_BOOL("count", "false",
		   "write in front how many they are, as uniq -c does"),
	PARAM_CHOICE("only", "all", "all repeated single",
		     "of which lines: those that are repeated, those that "
		     "are not"),
	PARAM_BOOL("ignore_case", "false",
		   "upper and lower case of a to z are alike"),
	{0},
};

static const struct function rows[] = {
	{
		.name = "filter",
		.help = "the lines that match a text or a regular expression, "
			"of all inputs",
		.version = 1,
		.params = filter_params,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.example = "== app.log\n"
			   "10:01 info started\n"
			   "10:02 error disk full\n"
			   "10:03 ERROR no route\n"
			   "== errors.log.recipe\n"
			   "in: [app.log]\n"
			   "fn: filter\n"
			   "params: {regex: '^\\S+ error\\b', "
			   "ignore_case: true}\n"
			   "== errors.log\n"
			   "10:02 error disk full\n"
			   "10:03 ERROR no route\n",
		.check = check_filter,
		.run = filter,
	},
	{
		.name = "uniq",
		.help = "one of each run of equal lines that stand together",
		.version = 1,
		.params = uniq_params,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.example = "== visits.txt\n"
			   "10.0.0.1\n"
			   "10.0.0.1\n"
			   "10.0.0.7\n"
			   "== counted.txt.recipe\n"
			   "in: [visits.txt]\n"
			   "fn: uniq\n"
			   "params: {count: true}\n"
			   "== counted.txt\n"
			   "      2 10.0.0.1\n"
			   "      1 10.0.0.7\n",
		.run = uniq,
	},
};

const struct fn_family family_filter = {"Choosing lines", rows,
					ARRAY_LEN(rows)};
