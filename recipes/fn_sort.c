#include "recipes/fn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "recipes/order.h"
#include "recipes/runs.h"

/* External merge sort (Knuth, TAOCP 3, 5.4): lines are gathered until they and
 * their index fill RUN_MEMORY, sorted, and, unless they were all, written to
 * scratch as a run; then FAN_IN runs at a time are merged until the last merge
 * writes the output. Both ways keep equal lines in the order of the input. */

#define RUN_MEMORY MIB(48)
#define LINE_COST  16 /* its index entry, and qsort's copy of it */

struct entry {
	uint32_t off, len; /* newline not counted */
};

struct sorter {
	struct fn_call *call;
	struct order order;
	struct buf text;
	struct entry *lines;
	size_t nlines, room;
	size_t begun; /* where the line that is not complete begins */
	struct runs *runs;
	const char *path; /* of the input being read */
};

static void sorter_done(struct sorter *s)
{
	buf_done(&s->text);
	free(s->lines);
	runs_close(s->runs);
}

static struct line line_of(const struct sorter *s, const struct entry *e)
{
	return (struct line){s->text.data + e->off, e->len};
}

static int compare_entries(const void *a, const void *b, void *ctx)
{
	const struct entry *x = a, *y = b;
	const struct sorter *s = ctx;
	int c = order_compare(&s->order, line_of(s, x), line_of(s, y));

	return c ? c : (x->off > y->off) - (x->off < y->off);
}

/* Sorted, and one of each when that is wanted, to the output or a new run. */
static int emit(struct sorter *s, struct err *err)
{
	struct run_writer w = {.order = &s->order};
	size_t i;
	int rc;

	if (fn_stopped(s->call))
		return -ECANCELED;
	if (s->nlines)
		qsort_r(s->lines, s->nlines, sizeof(*s->lines), compare_entries,
			s);
	if (!s->runs)
		w.out = s->call->out;
	else
		runs_begin(s->runs, &w);
	for (i = 0, rc = 0; i < s->nlines && rc >= 0; i++) {
		rc = run_write(&w, line_of(s, &s->lines[i]));
		if (i % 65536 == 0 && fn_stopped(s->call))
			rc = -ECANCELED;
	}
	if (rc >= 0)
		rc = s->runs ? runs_end(s->runs, &w) : run_writer_end(&w);
	run_writer_done(&w);
	if (rc < 0 && rc != -ECANCELED)
		return err_set(err, rc, "writing %s: %s",
			       s->runs ? "to scratch" : "the output",
			       err_name(rc));
	return rc;
}

/* What was gathered becomes a run; the incomplete line moves to the front. */
static int spill(struct sorter *s, struct err *err)
{
	size_t tail = s->text.len - s->begun;
	int rc;

	if (!s->nlines) /* one long line */
		return 0;
	if (!s->runs) {
		rc = runs_open(s->call->scratch_fd, &s->order, s->call->stop,
			       &s->runs);
		if (rc < 0)
			return err_set(err, rc,
				       "sorting more than fits into memory "
				       "needs a scratch file: %s",
				       err_name(rc));
	}
	rc = emit(s, err);
	if (rc < 0)
		return rc;
	memmove(s->text.data, s->text.data + s->begun, tail);
	s->text.len = tail;
	s->begun = 0;
	s->nlines = 0;
	return 0;
}

static int too_long(const struct sorter *s, struct err *err)
{
	return err_set(err, -EILSEQ,
		       "%s: a line of more than %u MiB cannot be sorted",
		       s->path, (unsigned)(RUN_LINE_MAX >> 20));
}

static int end_line(struct sorter *s, size_t newline, struct err *err)
{
	struct entry *p;
	size_t room;

	if (newline - s->begun > RUN_LINE_MAX)
		return too_long(s, err);

	if (s->nlines == s->room) {
		room = s->room ? s->room * 2 : 1024;
		p = reallocarray(s->lines, room, sizeof(*p));
		if (!p)
			return -ENOMEM;
		s->lines = p;
		s->room = room;
	}
	s->lines[s->nlines++] = (struct entry){(uint32_t)s->begun,
					       (uint32_t)(newline - s->begun)};
	s->begun = newline + 1;
	return 0;
}

static int gather(struct sorter *s, const uint8_t *p, size_t n, struct err *err)
{
	size_t from = s->text.len;
	const uint8_t *nl;
	int rc;

	buf_add(&s->text, p, n);
	if (buf_err(&s->text) < 0)
		return -ENOMEM;
	for (;;) {
		nl = memchr(s->text.data + from, '\n', s->text.len - from);
		if (!nl)
			break;
		from = (size_t)(nl - s->text.data) + 1;
		rc = end_line(s, from - 1, err);
		if (rc < 0)
			return rc;
	}
	if (s->text.len - s->begun > RUN_LINE_MAX)
		return too_long(s, err);
	if (s->text.len + s->nlines * LINE_COST < RUN_MEMORY)
		return 0;
	return spill(s, err);
}

static int read_input(struct sorter *s, struct fn_reader *r, struct err *err)
{
	const uint8_t *p;
	ssize_t n;
	int rc;

	s->path = r->input->path;
	while ((n = fn_read(r, &p, err)) > 0) {
		rc = gather(s, p, (size_t)n, err);
		if (rc < 0)
			return rc;
	}
	if (n < 0)
		return (int)n;
	/* a last line without newline gets one */
	return s->begun < s->text.len ? gather(s, (const uint8_t *)"\n", 1, err)
				      : 0;
}

static int finish(struct sorter *s, struct err *err)
{
	int rc;

	if (!s->runs)
		return emit(s, err);
	rc = spill(s, err);
	if (rc < 0)
		return rc;
	rc = runs_merge(s->runs, s->call->out);
	if (rc < 0 && rc != -ECANCELED)
		return err_set(err, rc, "merging sorted lines: %s",
			       err_name(rc));
	return rc;
}

static int sort(struct fn_call *call, struct err *err)
{
	CLEANUP(sorter_done)
	struct sorter s = {
		.call = call,
		.order =
			{
				.numeric = fn_true(call, "numeric"),
				.reverse = fn_true(call, "reverse"),
				.unique = fn_true(call, "unique"),
			},
	};
	CLEANUP_READER struct fn_reader r = {0};
	size_t i;
	int rc;

	for (i = 0; i < call->ninputs; i++) {
		rc = fn_open(&r, call, i, err);
		if (rc >= 0)
			rc = read_input(&s, &r, err);
		if (rc < 0)
			return rc;
	}
	return finish(&s, err);
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
