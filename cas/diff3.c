#include "cas/diff3.h"

#include <errno.h>
#include <string.h>

#define LOOK 8000 /* bytes that tell whether it is a text */

struct stretch {
	const char *p;
	size_t len;
};

bool diff3_is_text(const void *p, size_t n)
{
	return !n || !memchr(p, '\0', MIN(n, (size_t)LOOK));
}

static struct stretch cut(const struct text *t, const size_t *start, long from,
			  long to)
{
	return (struct stretch){t->p + start[from], start[to] - start[from]};
}

static bool same(const struct stretch *a, const struct stretch *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->p, b->p, a->len));
}

/* Of a stretch without a line that all three have: 1, or 0 for a conflict. */
static int choose(const struct stretch *base, const struct stretch *ours,
		  const struct stretch *theirs, struct buf *ret)
{
	const struct stretch *take = NULL;

	if (same(ours, base) || same(ours, theirs))
		take = theirs;
	else if (same(theirs, base))
		take = ours;
	if (!take)
		return 0;
	buf_add(ret, take->p, take->len);
	return 1;
}

static int merge(const struct text *base, const struct text *ours,
		 const struct text *theirs, const struct lines *o,
		 const struct lines *t, struct buf *ret)
{
	long i = 0, j, x = 0, y = 0, x_end, y_end;
	struct stretch b, p, q;

	for (;;) {
		/* the next line that both have kept */
		for (j = i; j < o->a_n; j++)
			if (o->match[j] >= 0 && t->match[j] >= 0)
				break;
		x_end = j < o->a_n ? o->match[j] : o->b_n;
		y_end = j < o->a_n ? t->match[j] : t->b_n;
		b = cut(base, o->a_start, i, j);
		p = cut(ours, o->b_start, x, x_end);
		q = cut(theirs, t->b_start, y, y_end);
		if (!choose(&b, &p, &q, ret))
			return 0;
		if (j == o->a_n)
			return buf_err(ret) < 0 ? -ENOMEM : 1;
		b = cut(base, o->a_start, j, j + 1);
		buf_add(ret, b.p, b.len);
		i = j + 1;
		x = x_end + 1;
		y = y_end + 1;
	}
}

int diff3(const struct text *base, const struct text *ours,
	  const struct text *theirs, struct buf *ret)
{
	CLEANUP(lines_done) struct lines o = {0}, t = {0};
	int rc;

	if (base->len > DIFF3_MAX || ours->len > DIFF3_MAX ||
	    theirs->len > DIFF3_MAX)
		return -E2BIG;
	rc = lines_match(base, ours, &o);
	if (rc == 0)
		rc = lines_match(base, theirs, &t);
	return rc < 0 ? rc : merge(base, ours, theirs, &o, &t, ret);
}
