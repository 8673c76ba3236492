/* Extents lie in leaves of up to 128, and the leaves in one array: found by
 * bisection in each. A leaf that is full is divided, one that is empty goes.
 *
 * What a change may need (two leaves, room in the array for them) is there
 * before it begins, so that it never stops half-way.
 */
#include "fs/extents.h"

#include <errno.h>
#include <string.h>

#define LEAF 128

struct extent_leaf {
	size_t n;
	struct extent e[LEAF];
};

/* A place between extents: before the i-th of a leaf. i may be the leaf's n:
 * then it is the last leaf, or none. */
struct place {
	size_t leaf, i;
};

void extents_done(struct extents *x)
{
	size_t i;

	for (i = 0; i < x->count; i++)
		free(x->leaves[i]);
	for (i = 0; i < ARRAY_LEN(x->spare); i++)
		free(x->spare[i]);
	free(x->leaves);
	*x = (struct extents){0};
}

/* --- finding -------------------------------------------------------------- */

/* The first extent that ends behind off. */
static struct place place_of(const struct extents *x, uint64_t off)
{
	size_t lo = 0, hi = x->count, mid;
	const struct extent_leaf *l;
	struct place p;

	/* the first leaf whose last extent does */
	while (lo < hi) {
		mid = (lo + hi) / 2;
		l = x->leaves[mid];
		if (l->e[l->n - 1].end <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == x->count) { /* behind all */
		p.leaf = x->count ? x->count - 1 : 0;
		p.i = x->count ? x->leaves[p.leaf]->n : 0;
		return p;
	}
	p.leaf = lo;
	l = x->leaves[lo];
	lo = 0;
	hi = l->n;
	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (l->e[mid].end <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	p.i = lo;
	return p;
}

/* NULL: behind all. */
static struct extent *at(const struct extents *x, struct place p)
{
	if (p.leaf >= x->count || p.i >= x->leaves[p.leaf]->n)
		return NULL;
	return &x->leaves[p.leaf]->e[p.i];
}

static struct extent *before(const struct extents *x, struct place p)
{
	struct extent_leaf *l;

	if (p.leaf < x->count && p.i)
		return &x->leaves[p.leaf]->e[p.i - 1];
	if (!p.leaf)
		return NULL;
	l = x->leaves[p.leaf - 1];
	return &l->e[l->n - 1];
}

static struct place next(const struct extents *x, struct place p)
{
	p.i++;
	if (p.i >= x->leaves[p.leaf]->n && p.leaf + 1 < x->count)
		p = (struct place){p.leaf + 1, 0};
	return p;
}

bool extents_find(const struct extents *x, uint64_t off, struct extent *ret)
{
	struct place p = place_of(x, off);
	const struct extent *e = at(x, p), *b;

	if (e && e->start <= off) {
		*ret = *e;
		return true;
	}
	b = before(x, p);
	*ret = (struct extent){
		.start = b ? b->end : 0,
		.end = e ? e->start : UINT64_MAX,
	};
	return false;
}

static uint64_t count(const struct extents *x, bool any, uint32_t source,
		      uint64_t start, uint64_t end)
{
	struct place p = place_of(x, start);
	const struct extent *e;
	uint64_t sum = 0;

	for (; (e = at(x, p)) && e->start < end; p = next(x, p))
		if (any || e->source == source)
			sum += MIN(e->end, end) - MAX(e->start, start);
	return sum;
}

uint64_t extents_count(const struct extents *x, uint64_t start, uint64_t end)
{
	return count(x, true, 0, start, end);
}

uint64_t extents_count_of(const struct extents *x, uint32_t source,
			  uint64_t start, uint64_t end)
{
	return count(x, false, source, start, end);
}

/* --- changing ------------------------------------------------------------- */

int extents_prepare(struct extents *x)
{
	struct extent_leaf **p;
	size_t cap, i;

	for (i = 0; i < ARRAY_LEN(x->spare); i++) {
		if (!x->spare[i])
			x->spare[i] = malloc(sizeof(*x->spare[i]));
		if (!x->spare[i])
			return -ENOMEM;
	}
	if (x->count + ARRAY_LEN(x->spare) <= x->cap)
		return 0;
	cap = x->cap ? x->cap * 2 : 4;
	p = realloc(x->leaves, cap * sizeof(struct extent_leaf *));
	if (!p)
		return -ENOMEM;
	x->leaves = p;
	x->cap = cap;
	return 0;
}

/* A new leaf in the array, with n extents of another's end. */
static void add_leaf(struct extents *x, size_t where, const struct extent *e,
		     size_t n)
{
	struct extent_leaf *l =
		x->spare[0] ? steal(&x->spare[0]) : steal(&x->spare[1]);

	memmove(&x->leaves[where + 1], &x->leaves[where],
		(x->count - where) * sizeof(struct extent_leaf *));
	x->leaves[where] = l;
	x->count++;
	l->n = n;
	if (n)
		memcpy(l->e, e, n * sizeof(*e));
}

static void drop_leaf(struct extents *x, size_t where)
{
	struct extent_leaf *l = x->leaves[where];

	x->count--;
	memmove(&x->leaves[where], &x->leaves[where + 1],
		(x->count - where) * sizeof(struct extent_leaf *));
	free(l);
}

/* At most twice a change. */
static void insert(struct extents *x, struct place p, const struct extent *e)
{
	struct extent_leaf *l;
	size_t half;

	if (!x->count)
		add_leaf(x, 0, NULL, 0);
	l = x->leaves[p.leaf];
	if (l->n == LEAF) {
		/* what is appended one by one leaves full ones behind */
		half = p.i == LEAF ? LEAF : LEAF / 2;
		add_leaf(x, p.leaf + 1, l->e + half, LEAF - half);
		l->n = half;
		if (p.i > half || half == LEAF)
			p = (struct place){p.leaf + 1, p.i - half};
		l = x->leaves[p.leaf];
	}
	memmove(&l->e[p.i + 1], &l->e[p.i], (l->n - p.i) * sizeof(*e));
	l->e[p.i] = *e;
	l->n++;
}

/* n extents of one leaf go. */
static void erase(struct extents *x, struct place p, size_t n)
{
	struct extent_leaf *l = x->leaves[p.leaf];

	l->n -= n;
	memmove(&l->e[p.i], &l->e[p.i + n], (l->n - p.i) * sizeof(l->e[0]));
	if (!l->n)
		drop_leaf(x, p.leaf);
}

static void clear(struct extents *x, uint64_t start, uint64_t end)
{
	struct place p = place_of(x, start);
	struct extent *e = at(x, p), rest;
	struct extent_leaf *l;
	size_t n;

	if (e && e->start < start) {
		rest = *e;
		e->end = start;
		if (rest.end > end) { /* from its middle: two are left */
			rest.off += end - rest.start;
			rest.start = end;
			p.i++;
			insert(x, p, &rest);
			return;
		}
	}
	for (;;) {
		p = place_of(x, start);
		e = at(x, p);
		if (!e || e->start >= end)
			return;
		if (e->end > end) {
			e->off += end - e->start;
			e->start = end;
			return;
		}
		l = x->leaves[p.leaf];
		for (n = 1; p.i + n < l->n && l->e[p.i + n].end <= end; n++)
			;
		erase(x, p, n);
	}
}

void extents_clear(struct extents *x, uint64_t start, uint64_t end)
{
	if (start < end)
		clear(x, start, end);
}

/* Whether b goes on with what a is. */
static bool joins(const struct extent *a, const struct extent *b)
{
	return a && b && a->end == b->start && a->source == b->source &&
	       a->off + (a->end - a->start) == b->off;
}

void extents_put(struct extents *x, const struct extent *e)
{
	struct extent *prev, *follows;
	struct place p;

	if (e->start >= e->end)
		return;
	clear(x, e->start, e->end);
	p = place_of(x, e->start);
	prev = before(x, p);
	follows = at(x, p);
	if (joins(prev, e)) {
		prev->end = e->end;
		if (joins(prev, follows)) {
			prev->end = follows->end;
			erase(x, p, 1);
		}
	} else if (joins(e, follows)) {
		follows->start = e->start;
		follows->off = e->off;
	} else {
		insert(x, p, e);
	}
}
