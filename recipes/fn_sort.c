#include "recipes/fn.h"

#include <errno.h>

#include "recipes/sorter.h"

static int gather(struct sorter *s, struct fn_call *call, struct err *err)
{
	CLEANUP_LINES struct fn_lines l;
	struct line line;
	int rc;

	fn_lines_init(&l, call, 0, call->ninputs);
	while ((rc = fn_next_line(&l, &line, err)) > 0) {
		rc = sorter_add(s, line.p, line.n, err);
		if (rc == -E2BIG)
			return err_set(err, -EILSEQ,
				       "%s:%llu: a line of more than %u MiB "
				       "cannot be sorted",
				       l.r.input->path,
				       (unsigned long long)l.number,
				       (unsigned)(RUN_LINE_MAX >> 20));
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int sort(struct fn_call *call, struct err *err)
{
	struct order order = {
		.numeric = fn_true(call, "numeric"),
		.reverse = fn_true(call, "reverse"),
		.unique = fn_true(call, "unique"),
	};
	CLEANUP(sorter_freep) struct sorter *s = NULL;
	struct fn_out out;
	struct line line;
	int rc;

	fn_out_init(&out, call, err);
	rc = sorter_new(&order, call->scratch_fd, call->stop, &s);
	if (rc >= 0)
		rc = gather(s, call, err);
	if (rc >= 0)
		rc = sorter_sort(s, err);
	if (rc < 0)
		return rc;
	while ((rc = sorter_next(s, &line, err)) > 0 && out.rc >= 0)
		fn_put_line(&out, line);
	return rc < 0 ? rc : fn_out_end(&out);
}

static const struct fn_param params[] = {
	PARAM_BOOL("numeric", "false",
		   "compare by the number that a line begins with"),
	PARAM_BOOL("reverse", "false", "from the last to the first"),
	PARAM_BOOL("unique", "false",
		   "of lines that compare equal, the first one alone"),
	{0},
};

static const struct function rows[] = {
	{
		.name = "sort",
		.help = "the lines of all inputs in order of their bytes, as "
			"sort(1) in the C locale",
		.version = 1,
		.params = params,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.example = "== names.txt\n"
			   "linus\n"
			   "ada\n"
			   "== more.txt\n"
			   "grace\n"
			   "ada\n"
			   "== sorted.txt.recipe\n"
			   "in: [names.txt, more.txt]\n"
			   "fn: sort\n"
			   "params: {unique: true}\n"
			   "== sorted.txt\n"
			   "ada\n"
			   "grace\n"
			   "linus\n",
		.run = sort,
	},
};

const struct fn_family family_sort = {"Ordering lines", rows, ARRAY_LEN(rows)};
