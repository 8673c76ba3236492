#include "cas/lines.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/map.h"

#define CONTEXT	 3
#define FAR	 (LONG_MAX / 2)
#define PATIENCE 1024 /* differences from each end before a split is taken */

/* A text's lines: where each begins, which is like which, which are changed. */
struct side {
	const char *p;
	size_t *start; /* n + 1 of them */
	uint32_t *like;
	bool *changed;
	long n;
};

struct compare {
	struct side a, b;
	long *forward, *backward; /* furthest points of the diagonals */
};

static void side_done(struct side *s)
{
	free(s->start);
	free(s->like);
	free(s->changed);
}

static void compare_done(struct compare *c)
{
	side_done(&c->a);
	side_done(&c->b);
	free(c->forward);
	free(c->backward);
}

static size_t line_end(const struct text *t, size_t at)
{
	const char *nl = memchr(t->p + at, '\n', t->len - at);

	return nl ? (size_t)(nl - t->p) + 1 : t->len;
}

/* Lines that are the same get the same number. */
static int split(const struct text *t, struct map *numbers, struct side *s)
{
	size_t at, end, i = 0, n = 0;
	uintptr_t like;
	int rc = 0;

	for (at = 0; at < t->len; at = line_end(t, at))
		n++;
	s->p = t->p;
	s->n = (long)n;
	s->start = calloc(n + 1, sizeof(*s->start));
	s->like = calloc(n + 1, sizeof(*s->like));
	s->changed = calloc(n + 1, sizeof(*s->changed));
	if (!s->start || !s->like || !s->changed)
		return -ENOMEM;
	for (at = 0; rc == 0 && at < t->len; at = end) {
		end = line_end(t, at);
		s->start[i] = at;
		like = (uintptr_t)map_get(numbers, t->p + at, end - at);
		if (!like) {
			like = map_count(numbers) + 1;
			rc = map_put(numbers, t->p + at, end - at, (void *)like,
				     NULL);
		}
		s->like[i++] = (uint32_t)like;
	}
	s->start[n] = t->len;
	return rc;
}

/* --- the fewest changes
 * --------------------------------------------------------- */

struct box {
	long a, a_end, b, b_end;
};

static bool alike(const struct compare *c, long x, long y)
{
	return c->a.like[x] == c->b.like[y];
}

/* Outside of the box: it cannot be gone on from there. */
static bool outside(const struct box *r, long x, long y)
{
	return x < 0 || y < 0 || x > r->a_end - r->a || y > r->b_end - r->b;
}

/* One more difference from the front: the furthest points of the diagonals; 1
 * with a point where both searches have met. */
static int step_forward(struct compare *c, const struct box *r, long d,
			long delta, long *ret_x, long *ret_y)
{
	long *f = c->forward, k, x, y;

	for (k = -d; k <= d; k += 2) {
		x = k == -d || (k != d && f[k - 1] < f[k + 1]) ? f[k + 1]
							       : f[k - 1] + 1;
		y = x - k;
		if (outside(r, x, y)) {
			f[k] = -FAR;
			continue;
		}
		while (r->a + x < r->a_end && r->b + y < r->b_end &&
		       alike(c, r->a + x, r->b + y))
			x++, y++;
		f[k] = x;
		if ((delta & 1) && labs(k - delta) < d &&
		    x >= c->backward[k - delta]) {
			*ret_x = x;
			*ret_y = y;
			return 1;
		}
	}
	return 0;
}

static int step_backward(struct compare *c, const struct box *r, long d,
			 long delta, long *ret_x, long *ret_y)
{
	long *b = c->backward, k, x, y;

	for (k = -d; k <= d; k += 2) {
		x = k == d || (k != -d && b[k - 1] < b[k + 1]) ? b[k - 1]
							       : b[k + 1] - 1;
		y = x - k - delta;
		if (outside(r, x, y)) {
			b[k] = FAR;
			continue;
		}
		while (x > 0 && y > 0 && alike(c, r->a + x - 1, r->b + y - 1))
			x--, y--;
		b[k] = x;
		if (!(delta & 1) && labs(k + delta) <= d &&
		    x <= c->forward[k + delta]) {
			*ret_x = x;
			*ret_y = y;
			return 1;
		}
	}
	return 0;
}

/* The furthest that was come from the front, where patience ends. */
static void furthest(const struct compare *c, const struct box *r, long d,
		     long *ret_x, long *ret_y)
{
	long k, x, y, best = -1;

	for (k = -d; k <= d; k += 2) {
		x = c->forward[k];
		y = x - k;
		if (outside(r, x, y) || x + y <= best)
			continue;
		best = x + y;
		*ret_x = x;
		*ret_y = y;
	}
}

/* A point on a way with few changes through the box, neither of its corners. */
static void middle(struct compare *c, const struct box *r, long *ret_x,
		   long *ret_y)
{
	long n = r->a_end - r->a, delta = n - (r->b_end - r->b), d;

	c->forward[1] = 0;
	c->backward[-1] = n;
	for (d = 0;; d++) {
		if (step_forward(c, r, d, delta, ret_x, ret_y) ||
		    step_backward(c, r, d, delta, ret_x, ret_y))
			return;
		if (d == PATIENCE) {
			furthest(c, r, d, ret_x, ret_y);
			return;
		}
	}
}

static void mark(struct compare *c, struct box r)
{
	long x = 0, y = 0;

	while (r.a < r.a_end && r.b < r.b_end && alike(c, r.a, r.b))
		r.a++, r.b++;
	while (r.a < r.a_end && r.b < r.b_end &&
	       alike(c, r.a_end - 1, r.b_end - 1))
		r.a_end--, r.b_end--;
	if (r.a == r.a_end || r.b == r.b_end) {
		while (r.a < r.a_end)
			c->a.changed[r.a++] = true;
		while (r.b < r.b_end)
			c->b.changed[r.b++] = true;
		return;
	}
	middle(c, &r, &x, &y);
	mark(c, (struct box){r.a, r.a + x, r.b, r.b + y});
	mark(c, (struct box){r.a + x, r.a_end, r.b + y, r.b_end});
}

/* --- hunks
 * ------------------------------------------------------------------------ */

static void put_line(const struct side *s, long i, char sign, struct buf *out)
{
	size_t len = s->start[i + 1] - s->start[i];

	buf_u8(out, (uint8_t)sign);
	buf_add(out, s->p + s->start[i], len);
	if (!len || s->p[s->start[i + 1] - 1] != '\n')
		buf_str(out, "\n\\ No newline at end of file\n");
}

/* As in @@ -1,3 +1,4 @@: of nothing, the line before it. */
static void put_range(char sign, long from, long to, struct buf *out)
{
	buf_fmt(out, "%c%ld", sign, to > from ? from + 1 : from);
	if (to - from != 1)
		buf_fmt(out, ",%ld", to - from);
}

static void put_hunk(const struct compare *c, const struct box *r,
		     struct buf *out)
{
	long x = r->a, y = r->b;

	buf_str(out, "@@ ");
	put_range('-', r->a, r->a_end, out);
	buf_str(out, " ");
	put_range('+', r->b, r->b_end, out);
	buf_str(out, " @@\n");
	while (x < r->a_end || y < r->b_end)
		if (x < r->a_end && c->a.changed[x])
			put_line(&c->a, x++, '-', out);
		else if (y < r->b_end && c->b.changed[y])
			put_line(&c->b, y++, '+', out);
		else
			put_line(&c->a, x++, ' ', out), y++;
}

/* Changes that are less than two contexts apart stand in one hunk. */
static void put_hunks(const struct compare *c, struct buf *out)
{
	long x = 0, y = 0, same;
	struct box r;

	for (;;) {
		while (x < c->a.n && y < c->b.n && !c->a.changed[x] &&
		       !c->b.changed[y])
			x++, y++;
		if (x == c->a.n && y == c->b.n)
			return;
		same = MIN(x, (long)CONTEXT);
		r.a = x - same;
		r.b = y - same;
		for (same = 0;
		     same <= 2 * CONTEXT && (x < c->a.n || y < c->b.n);)
			if (x < c->a.n && c->a.changed[x])
				x++, same = 0;
			else if (y < c->b.n && c->b.changed[y])
				y++, same = 0;
			else
				x++, y++, same++;
		x -= same;
		y -= same;
		same = MIN(same, (long)CONTEXT);
		r.a_end = x + same;
		r.b_end = y + same;
		put_hunk(c, &r, out);
	}
}

static int compare(const struct text *a, const struct text *b,
		   struct compare *c)
{
	CLEANUP(map_freep) struct map *numbers = map_new();
	size_t diagonals = 2 * (PATIENCE + 2) + 1;
	long *forward, *backward;
	int rc = numbers ? split(a, numbers, &c->a) : -ENOMEM;

	if (rc == 0)
		rc = split(b, numbers, &c->b);
	if (rc < 0)
		return rc;
	c->forward = forward = calloc(diagonals, sizeof(*forward));
	c->backward = backward = calloc(diagonals, sizeof(*backward));
	if (!forward || !backward)
		return -ENOMEM;
	c->forward += PATIENCE + 2;
	c->backward += PATIENCE + 2;
	mark(c, (struct box){0, c->a.n, 0, c->b.n});
	c->forward = forward;
	c->backward = backward;
	return 0;
}

int lines_diff(const struct text *a, const struct text *b, struct buf *ret)
{
	CLEANUP(compare_done) struct compare c = {0};
	int rc = compare(a, b, &c);

	if (rc < 0)
		return rc;
	put_hunks(&c, ret);
	return buf_err(ret);
}

/* --- lines that are the same --------------------------------------------- */

int lines_match(const struct text *a, const struct text *b, struct lines *ret)
{
	CLEANUP(compare_done) struct compare c = {0};
	long x, y = 0, *match;
	int rc = compare(a, b, &c);

	if (rc < 0)
		return rc;
	match = calloc((size_t)c.a.n + 1, sizeof(*match));
	if (!match)
		return -ENOMEM;
	for (x = 0; x < c.a.n; x++) {
		match[x] = -1;
		if (c.a.changed[x])
			continue;
		while (c.b.changed[y])
			y++;
		match[x] = y++;
	}
	*ret = (struct lines){.a_n = c.a.n,
			      .b_n = c.b.n,
			      .a_start = steal(&c.a.start),
			      .b_start = steal(&c.b.start),
			      .match = match};
	return 0;
}

void lines_done(struct lines *l)
{
	free(l->a_start);
	free(l->b_start);
	free(l->match);
}
