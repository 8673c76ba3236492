#include "fs/extents.h"

#include "tests/lib/harness.h"

#include <string.h>

#define CELLS 3000

/* What each byte is, kept one by one: source (0: zeros), and offset. */
struct model {
	uint32_t source[CELLS];
	uint64_t off[CELLS];
	uint64_t seed;
};

/* xorshift64 (Marsaglia 2003) */
static uint64_t any(struct model *m, uint64_t below)
{
	m->seed ^= m->seed << 13;
	m->seed ^= m->seed >> 7;
	m->seed ^= m->seed << 17;
	return m->seed % below;
}

static void assert_same(const struct model *m, const struct extents *x)
{
	uint64_t off, start = 0, count[4] = {0};
	struct extent e, last = {0};
	bool in, was = false;

	for (off = 0; off < CELLS; off++) {
		in = extents_find(x, off, &e);
		ck_assert_uint_eq(in, m->source[off] != 0);
		ck_assert(e.start <= off && off < e.end);
		if (in) {
			ck_assert_uint_eq(e.source, m->source[off]);
			ck_assert_uint_eq(e.off + (off - e.start), m->off[off]);
			count[e.source]++;
		}
		if (off && e.start == off) { /* never two where one would do */
			ck_assert_uint_eq(last.end, off);
			ck_assert(in || was);
			ck_assert(!in || !was || last.source != e.source ||
				  last.off + (last.end - last.start) != e.off);
			start = off;
		}
		ck_assert_uint_eq(e.start, start);
		last = e;
		was = in;
	}
	for (off = 1; off < 4; off++)
		ck_assert_uint_eq(count[off],
				  extents_count_of(x, (uint32_t)off, 0, CELLS));
}

static void anything(struct model *m, struct extents *x, uint64_t most)
{
	uint64_t start = any(m, CELLS), i;
	struct extent e = {
		.start = start,
		.end = start + MIN(CELLS - start, 1 + any(m, most)),
		.source = (uint32_t)any(m, 4),
	};

	/* often such that it goes on with its neighbours */
	e.off = any(m, 2) ? start : any(m, CELLS);
	ck_assert_int_eq(extents_prepare(x), 0);
	if (e.source)
		extents_put(x, &e);
	else
		extents_clear(x, e.start, e.end);
	for (i = e.start; i < e.end; i++) {
		m->source[i] = e.source;
		m->off[i] = e.off + (i - e.start);
	}
}

static void like_cells(uint64_t most, unsigned steps)
{
	struct model *m = calloc(1, sizeof(*m));
	struct extents x = {0};
	unsigned i;

	m->seed = 88172645463325252;
	for (i = 0; i < steps; i++) {
		anything(m, &x, any(m, 50) ? most : CELLS);
		if (i % 300 == 0)
			assert_same(m, &x);
	}
	assert_same(m, &x);
	extents_done(&x);
	free(m);
}

START_TEST(extents_of_few_bytes_are_like_cells)
{
	like_cells(4, 6000);
}
END_TEST

START_TEST(extents_of_many_bytes_are_like_cells)
{
	like_cells(300, 6000);
}
END_TEST

/* Many, in no order: nothing is quadratic. */
START_TEST(extents_are_many_and_stay_quick)
{
	struct extents x = {0};
	struct extent e, got;
	uint64_t i, n = 300000;

	for (i = 0; i < n; i++) {
		/* 7919 and n have no common factor */
		e.start = i * 7919 % n * 10;
		e.end = e.start + 5;
		e.off = e.start;
		e.source = 1;
		if (extents_prepare(&x) < 0)
			break;
		extents_put(&x, &e);
	}
	ck_assert_uint_eq(i, n);
	for (i = 0; i < n; i++) {
		if (!extents_find(&x, i * 10 + 4, &got) || got.start != i * 10)
			break;
		if (extents_find(&x, i * 10 + 5, &got))
			break;
	}
	ck_assert_uint_eq(i, n);
	ck_assert_uint_eq(extents_count(&x, 0, UINT64_MAX), 5 * n);
	ck_assert_int_eq(extents_prepare(&x), 0);
	extents_clear(&x, 7, n * 10 - 7);
	ck_assert_uint_eq(extents_count_of(&x, 1, 0, UINT64_MAX), 7);
	ck_assert_int_eq(extents_prepare(&x), 0);
	extents_clear(&x, 0, UINT64_MAX);
	ck_assert(extents_empty(&x));
	extents_done(&x);
}
END_TEST

TESTS("extents", extents_of_few_bytes_are_like_cells,
      extents_of_many_bytes_are_like_cells, extents_are_many_and_stay_quick)
