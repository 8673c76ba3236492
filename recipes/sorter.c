#include "recipes/sorter.h"

#include <errno.h>
#include <string.h>

#define RUN_MEMORY MIB(48)
#define LINE_COST  16 /* its index entry, and qsort's copy of it */

struct entry {
	uint32_t off, len;
};

struct sorter {
	const struct order *order;
	const bool *stop;
	int scratch_fd;
	struct buf text;
	struct entry *lines;
	size_t nlines, room;
	struct runs *runs;
	size_t next;	 /* without runs: to be given */
	struct buf last; /* given last, for order->unique */
	bool any;
};

int sorter_new(const struct order *order, int scratch_fd, const bool *stop,
	       struct sorter **ret)
{
	struct sorter *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->order = order;
	s->stop = stop;
	s->scratch_fd = scratch_fd;
	*ret = s;
	return 0;
}

void sorter_free(struct sorter *s)
{
	if (!s)
		return;
	buf_done(&s->text);
	buf_done(&s->last);
	free(s->lines);
	runs_close(s->runs);
	free(s);
}

static bool stopped(const struct sorter *s)
{
	return s->stop && __atomic_load_n(s->stop, __ATOMIC_RELAXED);
}

static struct line line_of(const struct sorter *s, const struct entry *e)
{
	return (struct line){s->text.data + e->off, e->len};
}

static int compare_entries(const void *a, const void *b, void *ctx)
{
	const struct entry *x = a, *y = b;
	const struct sorter *s = ctx;
	int c = order_compare(s->order, line_of(s, x), line_of(s, y));

	return c ? c : (x->off > y->off) - (x->off < y->off);
}

static void sort_lines(struct sorter *s)
{
	if (s->nlines)
		qsort_r(s->lines, s->nlines, sizeof(*s->lines), compare_entries,
			s);
}

static int write_run(struct sorter *s)
{
	struct run_writer w = {.order = s->order};
	size_t i;
	int rc = 0;

	runs_begin(s->runs, &w);
	for (i = 0; i < s->nlines && rc >= 0; i++) {
		rc = run_write(&w, line_of(s, &s->lines[i]));
		if (i % 65536 == 0 && stopped(s))
			rc = -ECANCELED;
	}
	if (rc >= 0)
		rc = runs_end(s->runs, &w);
	run_writer_done(&w);
	return rc;
}

/* What was gathered becomes a run. */
static int spill(struct sorter *s, struct err *err)
{
	int rc;

	if (!s->runs) {
		rc = runs_open(s->scratch_fd, s->order, s->stop, &s->runs);
		if (rc < 0)
			return err_set(err, rc,
				       "sorting more than fits into memory "
				       "needs a scratch file: %s",
				       err_name(rc));
	}
	if (stopped(s))
		return -ECANCELED;
	sort_lines(s);
	rc = write_run(s);
	if (rc < 0)
		return rc == -ECANCELED
			       ? rc
			       : err_set(err, rc, "writing to scratch: %s",
					 err_name(rc));
	buf_reset(&s->text);
	s->nlines = 0;
	return 0;
}

static int grow(struct sorter *s)
{
	size_t room = s->room ? s->room * 2 : 1024;
	struct entry *p = reallocarray(s->lines, room, sizeof(*p));

	if (!p)
		return -ENOMEM;
	s->lines = p;
	s->room = room;
	return 0;
}

int sorter_add(struct sorter *s, const void *p, size_t n, struct err *err)
{
	int rc;

	if (n > RUN_LINE_MAX)
		return -E2BIG;
	if (s->nlines &&
	    s->text.len + n + (s->nlines + 1) * LINE_COST > RUN_MEMORY) {
		rc = spill(s, err);
		if (rc < 0)
			return rc;
	}
	if (s->nlines == s->room) {
		rc = grow(s);
		if (rc < 0)
			return rc;
	}
	s->lines[s->nlines++] =
		(struct entry){(uint32_t)s->text.len, (uint32_t)n};
	buf_add(&s->text, p, n);
	return buf_err(&s->text);
}

int sorter_sort(struct sorter *s, struct err *err)
{
	int rc;

	if (stopped(s))
		return -ECANCELED;
	if (!s->runs) {
		sort_lines(s);
		return 0;
	}
	rc = spill(s, err);
	if (rc < 0)
		return rc;
	rc = runs_merge(s->runs);
	return rc == -ECANCELED || rc >= 0
		       ? rc
		       : err_set(err, rc, "merging what was sorted: %s",
				 err_name(rc));
}

static int next_any(struct sorter *s, struct line *ret, struct err *err)
{
	int rc;

	if (!s->runs) {
		if (s->next == s->nlines)
			return 0;
		if (s->next % 65536 == 0 && stopped(s))
			return -ECANCELED;
		*ret = line_of(s, &s->lines[s->next++]);
		return 1;
	}
	rc = runs_next(s->runs, ret);
	return rc == -ECANCELED || rc >= 0
		       ? rc
		       : err_set(err, rc, "merging what was sorted: %s",
				 err_name(rc));
}

int sorter_next(struct sorter *s, struct line *ret, struct err *err)
{
	struct line last;
	int rc;

	while ((rc = next_any(s, ret, err)) > 0 && s->order->unique) {
		last = (struct line){s->last.data, s->last.len};
		if (s->any && !order_compare(s->order, last, *ret))
			continue;
		s->any = true;
		buf_reset(&s->last);
		buf_add(&s->last, ret->p, ret->n);
		if (buf_err(&s->last) < 0)
			return -ENOMEM;
		return 1;
	}
	return rc;
}
