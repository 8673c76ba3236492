#include "cas/chunker.h"

#include "tests/cas/util.h"
#include "tests/lib/harness.h"

struct piece_at {
	size_t off, len;
	bool hole;
};

struct pieces {
	struct piece_at at[4096];
	size_t count;
};

static void add(struct pieces *p, size_t off, size_t len, bool hole)
{
	ck_assert_uint_lt(p->count, ARRAY_LEN(p->at));
	p->at[p->count++] = (struct piece_at){off, len, hole};
}

/* The rules as the manual page says them, without regard to speed. */
static void cut_segment(const struct chunker *c, const uint8_t *p, size_t from,
			size_t to, struct pieces *ret)
{
	uint64_t h, mask;
	size_t start, i;

	for (start = from; start < to; start = i) {
		i = start + CHUNK_MIN;
		if (to - start <= CHUNK_MIN) {
			i = to;
		} else {
			for (h = 0; i < to && i - start < CHUNK_MAX;) {
				mask = i - start < CHUNK_NORMAL
					       ? UINT64_C(0x3ffff) << 46
					       : UINT64_C(0x3fff) << 50;
				h = (h << 1) + c->gear[p[i++]];
				if (!(h & mask))
					break;
			}
		}
		add(ret, start, i - start, false);
	}
}

static void cut_by_the_book(const struct chunker *c, const uint8_t *p, size_t n,
			    struct pieces *ret)
{
	size_t segment = 0, i = 0, run;

	ret->count = 0;
	while (i < n) {
		run = i;
		while (run < n && !p[run])
			run++;
		if (run - i > HOLE_MORE_THAN) {
			cut_segment(c, p, segment, i, ret);
			add(ret, i, run - i, true);
			segment = run;
		}
		i = run > i ? run : i + 1;
	}
	cut_segment(c, p, segment, n, ret);
}

/* Shows the cutter the stream in steps of random size. */
static void cut_in_steps(const struct chunker *c, const uint8_t *p, size_t n,
			 uint64_t seed, struct pieces *ret)
{
	struct cutter t = {0};
	size_t off = 0, shown = 0, len;
	enum piece piece;

	ret->count = 0;
	while (off < n) {
		piece = cutter_next(&t, c, p + off, shown - off, shown == n,
				    &len);
		if (piece == PIECE_MORE) {
			ck_assert_uint_lt(shown, n);
			shown += MIN(n - shown, splitmix(&seed) % 800000 + 1);
			continue;
		}
		if (piece == PIECE_HOLE) {
			len = zeros_at(p + off, n - off);
			shown = MAX(shown, off + len);
		}
		add(ret, off, len, piece == PIECE_HOLE);
		off += len;
	}
}

/* Random data with runs of zeros of all critical lengths. */
static uint8_t *sparse_bytes(size_t n, uint64_t seed)
{
	static const size_t runs[] = {
		1,	   100,	     CHUNK_MIN,	    CHUNK_NORMAL,
		KIB(255),  KIB(256), KIB(256) + 1,  KIB(256) - 1,
		KIB(300),  KIB(512), KIB(512) + 1,  KIB(700),
		KIB(1100), KIB(256), KIB(256) + 16, KIB(128),
	};
	uint8_t *p = random_bytes(n, seed);
	size_t i = 0, len;

	if (splitmix(&seed) % 2)
		i = splitmix(&seed) % KIB(200);
	while (i < n) {
		len = MIN(runs[splitmix(&seed) % ARRAY_LEN(runs)], n - i);
		memset(p + i, 0, len);
		i += len;
		len = splitmix(&seed) % 3 ? splitmix(&seed) % KIB(200)
					  : splitmix(&seed) % 4 + 1;
		i += len;
	}
	return p;
}

static void assert_same(const struct pieces *a, const struct pieces *b)
{
	size_t i;

	ck_assert_uint_eq(a->count, b->count);
	for (i = 0; i < a->count; i++) {
		ck_assert_uint_eq(a->at[i].off, b->at[i].off);
		ck_assert_uint_eq(a->at[i].len, b->at[i].len);
		ck_assert_int_eq(a->at[i].hole, b->at[i].hole);
	}
}

START_TEST(chunker_gear_is_the_permanent_one)
{
	static struct chunker c;

	chunker_init(&c);
	ck_assert_uint_eq(c.gear[0], UINT64_C(0x1531f8ddc2479354));
	ck_assert_uint_eq(c.gear[1], UINT64_C(0xdd80e8fe20870544));
	ck_assert_uint_eq(c.gear[255], UINT64_C(0x89a8be854e4e2556));
}
END_TEST

START_TEST(chunker_cuts_between_minimum_and_maximum)
{
	static struct chunker c;
	size_t n = MIB(32), off = 0, count = 0, len;
	uint8_t *p = random_bytes(n, 1);

	chunker_init(&c);
	while (off < n) {
		len = chunker_cut(&c, p + off, n - off);
		ck_assert_uint_le(len, CHUNK_MAX);
		ck_assert(len > CHUNK_MIN || off + len == n);
		off += len;
		count++;
	}
	ck_assert_uint_gt(n / count, KIB(56));
	ck_assert_uint_lt(n / count, KIB(96));
	ck_assert_uint_eq(chunker_cut(&c, p, CHUNK_MIN), CHUNK_MIN);
	ck_assert_uint_eq(chunker_cut(&c, p, 1), 1);
	free(p);
}
END_TEST

START_TEST(chunker_runs_of_one_byte_give_full_chunks)
{
	static struct chunker c;
	uint8_t *p = malloc(MIB(1));
	unsigned b;

	chunker_init(&c);
	for (b = 0; b < 256; b++) {
		memset(p, (int)b, MIB(1));
		ck_assert_uint_eq(chunker_cut(&c, p, MIB(1)), CHUNK_MAX);
	}
	free(p);
}
END_TEST

START_TEST(cutter_agrees_with_the_rules_as_written)
{
	static struct pieces book, steps;
	static struct chunker c;
	uint64_t seed;
	uint8_t *p;
	size_t n;

	chunker_init(&c);
	for (seed = 1; seed <= 40; seed++) {
		n = MIB(2) + (seed * 77777) % MIB(2);
		p = sparse_bytes(n, seed);
		cut_by_the_book(&c, p, n, &book);
		cut_in_steps(&c, p, n, seed, &steps);
		assert_same(&book, &steps);
		free(p);
	}
}
END_TEST

START_TEST(zeros_are_counted_from_both_ends)
{
	uint8_t p[200];
	size_t n, at;

	for (n = 0; n <= sizeof(p); n++) {
		memset(p, 0, sizeof(p));
		ck_assert_uint_eq(zeros_at(p, n), n);
		ck_assert_uint_eq(zeros_before(p, n), n);
		for (at = 0; at < n; at++) {
			memset(p, 0, sizeof(p));
			p[at] = 1;
			ck_assert_uint_eq(zeros_at(p, n), at);
			ck_assert_uint_eq(zeros_before(p, n), n - 1 - at);
		}
	}
}
END_TEST

TESTS("chunker", chunker_gear_is_the_permanent_one,
      chunker_cuts_between_minimum_and_maximum,
      chunker_runs_of_one_byte_give_full_chunks,
      cutter_agrees_with_the_rules_as_written, zeros_are_counted_from_both_ends)
