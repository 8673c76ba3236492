#include "cas/blob_splice.h"

#include "cas/node.h"
#include "tests/cas/util.h"
#include "tests/lib/harness.h"

#include <errno.h>

/* A content in memory, and the same in the store. */
struct content {
	uint8_t *p;
	size_t n;
	struct addr a;
};

static struct addr put_all(struct store *s, const void *p, size_t n)
{
	struct addr a;

	ck_assert_int_eq(blob_put(s, p, n, &a), 0);
	return a;
}

static struct content content_of(struct store *s, uint8_t *p, size_t n)
{
	return (struct content){p, n, put_all(s, p, n)};
}

static size_t below(uint64_t *seed, uint64_t n)
{
	return n ? (size_t)(splitmix(seed) % n) : 0;
}

/* Lengths around everything that the format counts with. */
static size_t any_length(uint64_t *seed)
{
	static const size_t special[] = {
		0,
		1,
		4096,
		CHUNK_MIN,
		CHUNK_MIN + 1,
		CHUNK_NORMAL,
		CHUNK_MAX - 1,
		CHUNK_MAX,
		CHUNK_MAX + 1,
		HOLE_MORE_THAN / 2,
		MIB(1),
	};

	if (below(seed, 2))
		return special[below(seed, ARRAY_LEN(special))];
	return below(seed, below(seed, 4) ? 5000 : KIB(700));
}

/* Noise, zeros, or a pattern without cuts or with some. */
static void fill_any(uint8_t *p, size_t n, uint64_t *seed)
{
	size_t i, period;

	switch (below(seed, 5)) {
	case 0:
	case 1:
		memset(p, 0, n);
		break;
	case 2:
		period = 1 + below(seed, 40000);
		fill_random(p, MIN(n, period), 77);
		for (i = period; i < n; i++)
			p[i] = p[i - period];
		break;
	default:
		fill_random(p, n, splitmix(seed));
	}
}

/* A content of stretches of all kinds, about n bytes long. */
static struct content any_content(struct store *s, size_t n, uint64_t *seed)
{
	size_t cap = n + MIB(2), at = 0, len;
	uint8_t *p = malloc(cap);

	while (at < n) {
		len = MIN(any_length(seed), cap - at);
		fill_any(p + at, len, seed);
		at += len;
	}
	return content_of(s, p, at);
}

/* An offset that matters: an end of an entry of the content, give or take, an
 * end of a run of zeros, or any. */
static size_t any_offset(struct store *s, const struct content *c,
			 uint64_t *seed)
{
	size_t off = below(seed, c->n + 1);
	struct blob_entry e;
	struct blob *b;

	switch (below(seed, 6)) {
	case 0:
		return below(seed, 2) ? c->n : 0;
	case 1:
		return off + zeros_at(c->p + off, c->n - off);
	case 2:
		return off - zeros_before(c->p, off);
	case 3:
	case 4:
		if (off == c->n)
			return off;
		ck_assert_int_eq(blob_open(s, &c->a, &b), 0);
		ck_assert_int_eq(blob_entry(b, off, &e), 0);
		blob_close(b);
		off = (size_t)(below(seed, 2) ? e.start : e.end);
		off += below(seed, 3);
		return MIN(off - (off ? below(seed, 2) : 0), c->n);
	}
	return off;
}

#define EDITS 12

/* Random edits of a content, and what comes of them. */
struct trial {
	struct blob_edit e[EDITS];
	size_t count;
	struct blob *from[EDITS];
	uint8_t *bytes[EDITS];
	uint8_t *p;
	size_t n;
};

static void trial_done(struct trial *t)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		blob_close(t->from[i]);
		free(t->bytes[i]);
	}
	free(t->p);
}

static void append(struct trial *t, const void *p, size_t n)
{
	t->p = realloc(t->p, t->n + n + 1);
	if (p)
		memcpy(t->p + t->n, p, n);
	else
		memset(t->p + t->n, 0, n);
	t->n += n;
}

/* What the i-th edit puts in. */
static void any_insert(struct store *s, struct trial *t, size_t i,
		       const struct content *from, uint64_t *seed)
{
	struct blob_edit *e = &t->e[i];
	size_t off;

	e->insert = any_length(seed);
	switch (below(seed, 4)) {
	case 0:
		append(t, NULL, e->insert);
		break;
	case 1:
		off = any_offset(s, from, seed);
		e->insert = MIN(e->insert, from->n - off);
		if (below(seed, 2))
			e->insert = from->n - off;
		ck_assert_int_eq(blob_open(s, &from->a, &t->from[i]), 0);
		e->from = t->from[i];
		e->from_off = off;
		append(t, from->p + off, e->insert);
		break;
	default:
		t->bytes[i] = malloc(e->insert + 1);
		fill_any(t->bytes[i], e->insert, seed);
		e->bytes = t->bytes[i];
		append(t, e->bytes, e->insert);
	}
}

static int by_number(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void any_edits(struct store *s, const struct content *old,
		      const struct content *from, struct trial *t,
		      uint64_t *seed)
{
	size_t offs[2 * EDITS], i, at = 0;

	memset(t, 0, sizeof(*t));
	t->count = 1 + below(seed, EDITS);
	for (i = 0; i < 2 * t->count; i++)
		offs[i] = any_offset(s, old, seed);
	qsort(offs, 2 * t->count, sizeof(offs[0]), by_number);
	for (i = 0; i < t->count; i++) {
		t->e[i].off = offs[2 * i];
		if (below(seed, 3))
			t->e[i].remove = offs[2 * i + 1] - offs[2 * i];
		append(t, old->p + at, offs[2 * i] - at);
		if (below(seed, 4))
			any_insert(s, t, i, from, seed);
		at = offs[2 * i] + t->e[i].remove;
	}
	if (below(seed, 4) == 0) {
		t->e[t->count - 1].remove = UINT64_MAX; /* truncate */
		at = old->n;
	}
	append(t, old->p + at, old->n - at);
}

static void try_edits(struct store *s, const struct content *old,
		      const struct content *from, uint64_t seed)
{
	CLEANUP(trial_done) struct trial t;
	struct addr got, want;
	struct blob *b;
	uint64_t size, first = seed;

	any_edits(s, old, from, &t, &seed);
	ck_assert_int_eq(blob_open(s, &old->a, &b), 0);
	ck_assert_int_eq(blob_splice(s, b, t.e, t.count, &got, &size), 0);
	blob_close(b);
	ck_assert_uint_eq(size, t.n);
	want = put_all(s, t.p, t.n);
	ck_assert_msg(addr_eq(&got, &want), "seed %llu",
		      (unsigned long long)first);
}

static void random_edits(size_t n, unsigned contents, unsigned trials,
			 uint64_t seed)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct content old, from;
	unsigned i, k;

	for (i = 0; i < contents; i++) {
		old = any_content(s, below(&seed, n), &seed);
		from = any_content(s, below(&seed, n / 2), &seed);
		for (k = 0; k < trials; k++)
			try_edits(s, &old, &from, splitmix(&seed));
		free(old.p);
		free(from.p);
	}
	drop_store(s, dir);
}

START_TEST(splice_is_as_if_written_from_scratch)
{
	random_edits(MIB(4), 10, 40, 1);
}
END_TEST

START_TEST(splice_of_something_small_is_as_if_written)
{
	random_edits(KIB(300), 30, 60, 2);
}
END_TEST

/* In a file of many nodes. */
START_TEST(splice_of_many_nodes_is_as_if_written)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct content old = content_of(s, random_bytes(MIB(48), 3), MIB(48));
	unsigned i;

	for (i = 0; i < 8; i++)
		try_edits(s, &old, &old, 100 + i);
	free(old.p);
	drop_store(s, dir);
}
END_TEST

/* The result of one edit is what the next begins with. */
START_TEST(splice_after_splice_is_as_if_written)
{
	char *dir;
	struct store *s = new_store(&dir);
	uint64_t seed = 4, size;
	struct content c = any_content(s, MIB(2), &seed), from;
	struct trial t;
	struct blob *b;
	unsigned i;

	from = any_content(s, MIB(1), &seed);
	for (i = 0; i < 200; i++) {
		any_edits(s, &c, &from, &t, &seed);
		ck_assert_int_eq(blob_open(s, &c.a, &b), 0);
		ck_assert_int_eq(blob_splice(s, b, t.e, t.count, &c.a, &size),
				 0);
		blob_close(b);
		free(c.p);
		c.p = steal(&t.p);
		c.n = t.n;
		trial_done(&t);
		if (c.n > MIB(6)) {
			ck_assert_int_eq(blob_open(s, &c.a, &b), 0);
			ck_assert_int_eq(
				blob_splice(s, b,
					    &(struct blob_edit){.off = MIB(2),
								.remove = c.n},
					    1, &c.a, &size),
				0);
			blob_close(b);
			c.n = MIB(2);
		}
		if (i % 5 == 0) {
			struct addr want = put_all(s, c.p, c.n);

			ck_assert_msg(addr_eq(&c.a, &want), "step %u", i);
		}
	}
	free(c.p);
	free(from.p);
	drop_store(s, dir);
}
END_TEST

/* --- tall trees ------------------------------------------------------------
 */

#define GAP (HOLE_MORE_THAN + 5)

/* Numbers with a hole behind each: many entries in little time. */
static struct addr put_numbers(struct store *s, const uint64_t *v, size_t n)
{
	struct blob_writer *w = blob_writer_new(s);
	struct addr a;
	size_t i;

	for (i = 0; i < n; i++) {
		ck_assert_int_eq(blob_write(w, &v[i], sizeof(v[i])), 0);
		ck_assert_int_eq(blob_write_zeros(w, GAP), 0);
	}
	ck_assert_int_eq(blob_finish(w, &a, NULL), 0);
	blob_writer_free(w);
	return a;
}

/* Some numbers go, some change, others come; the ends are no zeros. */
static void edit_numbers(struct store *s, size_t n, bool all_equal,
			 uint64_t seed)
{
	uint64_t *v = calloc(n + 20, sizeof(*v)), size;
	struct addr old, got, want;
	struct blob_edit e[6];
	uint8_t one[8 + GAP];
	size_t i, k, at[6];
	struct blob *b;

	for (i = 0; i < n; i++)
		v[i] = (all_equal ? 7 : splitmix(&seed)) |
		       UINT64_C(0x0100000000000001);
	old = put_numbers(s, v, n);
	memset(one, 0, sizeof(one));
	one[0] = one[7] = 9;
	memset(e, 0, sizeof(e));
	for (i = 0; i < ARRAY_LEN(e); i++)
		at[i] = below(&seed, n);
	qsort(at, ARRAY_LEN(e), sizeof(at[0]), by_number);
	for (i = k = 0; i < ARRAY_LEN(e); i++) {
		if (k && at[i] <= at[k - 1])
			continue;
		at[k] = at[i];
		e[k].off = at[i] * (8 + GAP);
		e[k].bytes = one;
		if (below(&seed, 3))
			e[k].insert = sizeof(one);
		if (!e[k].insert || below(&seed, 2))
			e[k].remove = sizeof(one);
		k++;
	}
	ck_assert_int_eq(blob_open(s, &old, &b), 0);
	ck_assert_int_eq(blob_splice(s, b, e, k, &got, &size), 0);
	blob_close(b);
	for (i = k; i-- > 0;) {
		memmove(v + at[i] + !!e[i].insert, v + at[i] + !!e[i].remove,
			(n - at[i] - !!e[i].remove) * sizeof(*v));
		if (e[i].insert)
			memcpy(&v[at[i]], one, 8);
		n = n + !!e[i].insert - !!e[i].remove;
	}
	ck_assert_uint_eq(size, n * (8 + GAP));
	want = put_numbers(s, v, n);
	ck_assert(addr_eq(&got, &want));
	free(v);
}

START_TEST(splice_of_a_tall_tree_is_as_if_written)
{
	char *dir;
	struct store *s = new_store(&dir);

	edit_numbers(s, 12000, false, 20);
	drop_store(s, dir);
}
END_TEST

/* Where no address cuts, nodes are full at 1024, and never meet again. */
START_TEST(splice_of_nodes_without_cuts_is_as_if_written)
{
	char *dir;
	struct store *s = new_store(&dir);
	unsigned i;

	for (i = 0; i < 4; i++)
		edit_numbers(s, 3000, true, 30 + i);
	drop_store(s, dir);
}
END_TEST

/* --- runs of zeros ---------------------------------------------------------
 */

/* A run of zeros of a length, from any side, becomes one of another. */
START_TEST(splice_at_the_limit_of_a_hole_is_as_if_written)
{
	static const size_t lengths[] = {
		0,
		1,
		HOLE_MORE_THAN / 2,
		HOLE_MORE_THAN - 1,
		HOLE_MORE_THAN,
		HOLE_MORE_THAN + 1,
		HOLE_MORE_THAN + 2,
		2 * HOLE_MORE_THAN + 1,
	};
	char *dir;
	struct store *s = new_store(&dir);
	size_t side = KIB(300), i, k, len, cut;
	uint8_t *p = random_bytes(4 * side + MIB(2), 5), *q;
	struct blob_edit e;
	struct content old;
	struct addr got, want;
	struct blob *b;
	uint64_t size;

	q = malloc(2 * side + MIB(2));
	for (i = 0; i < ARRAY_LEN(lengths); i++) {
		len = lengths[i];
		memset(p + side, 0, len);
		fill_random(p + side + len, side, 6);
		p[side + len] = 1;
		p[side - 1] = 1;
		old = content_of(s, p, 2 * side + len);
		ck_assert_int_eq(blob_open(s, &old.a, &b), 0);
		for (k = 0; k < 4 * ARRAY_LEN(lengths); k++) {
			/* zeros put in, or some taken out: in front, in the
			 * middle, behind, and over its end */
			cut = MIN(lengths[k / 4], len);
			e = (struct blob_edit){.off = side};
			if (k % 4 == 1)
				e.off = side + (len - cut) / 2;
			else if (k % 4 == 2)
				e.off = side + len - cut;
			if (k % 4 == 3)
				e.insert = lengths[k / 4];
			else
				e.remove = cut;
			memcpy(q, p, e.off);
			memset(q + e.off, 0, e.insert);
			memcpy(q + e.off + e.insert, p + e.off + e.remove,
			       old.n - e.off - e.remove);
			ck_assert_int_eq(blob_splice(s, b, &e, 1, &got, &size),
					 0);
			want = put_all(s, q, old.n - e.remove + e.insert);
			ck_assert_msg(addr_eq(&got, &want), "run %zu, edit %zu",
				      i, k);
		}
		blob_close(b);
	}
	free(p);
	free(q);
	drop_store(s, dir);
}
END_TEST

START_TEST(splice_of_a_file_of_zeros_is_as_if_written)
{
	static const uint64_t sizes[] = {1, HOLE_MORE_THAN, HOLE_MORE_THAN + 1,
					 MIB(3)};
	char *dir;
	struct store *s = new_store(&dir);
	uint8_t *p = calloc(1, MIB(8));
	struct content old;
	struct addr got, want;
	struct blob *b;
	uint64_t size;
	size_t i, k, n;

	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		old = content_of(s, p, sizes[i]);
		ck_assert_int_eq(blob_open(s, &old.a, &b), 0);
		for (k = 0; k < ARRAY_LEN(sizes); k++) {
			struct blob_edit e = {.off = sizes[i] / 2,
					      .insert = sizes[k]};

			n = sizes[i] + sizes[k];
			ck_assert_int_eq(blob_splice(s, b, &e, 1, &got, &size),
					 0);
			want = put_all(s, p, n);
			ck_assert(addr_eq(&got, &want));
			e = (struct blob_edit){.off = sizes[k],
					       .remove = UINT64_MAX};
			n = sizes[k]; /* cut short or made longer */
			ck_assert_int_eq(blob_splice(s, b, &e, 1, &got, &size),
					 0);
			ck_assert_uint_eq(size, n);
			want = put_all(s, p, n);
			ck_assert(addr_eq(&got, &want));
		}
		blob_close(b);
	}
	free(p);
	drop_store(s, dir);
}
END_TEST

/* --- cost ------------------------------------------------------------------
 */

static struct object_totals totals(struct store *s)
{
	struct object_totals t;

	ck_assert_int_eq(store_sync(s), 0);
	db_lock(store_db(s));
	ck_assert_int_eq(objects_totals(store_objects(s), &t), 0);
	db_unlock(store_db(s));
	return t;
}

/* A content of many times the same chunks is made by a few splices: each takes
 * what there is twice. */
static struct addr grown(struct store *s, uint64_t n, uint64_t *ret_size)
{
	uint8_t *p = random_bytes(MIB(16), 8);
	struct addr a = put_all(s, p, MIB(16));
	uint64_t size = MIB(16);
	struct blob *b;

	free(p);
	while (size < n) {
		struct blob_edit e = {.off = size, .insert = size};

		ck_assert_int_eq(blob_open(s, &a, &b), 0);
		e.from = b;
		ck_assert_int_eq(blob_splice(s, b, &e, 1, &a, &size), 0);
		blob_close(b);
	}
	*ret_size = size;
	return a;
}

static uint64_t edit_once(struct store *s, const struct addr *a,
			  const struct blob_edit *e)
{
	struct object_totals before = totals(s), after;
	struct addr got;
	struct blob *b;
	uint64_t size;

	ck_assert_int_eq(blob_open(s, a, &b), 0);
	ck_assert_int_eq(blob_splice(s, b, e, 1, &got, &size), 0);
	blob_close(b);
	after = totals(s);
	ck_assert_uint_le(after.objects - before.objects, 20);
	return after.raw - before.raw;
}

/* 64 GiB: reading or hashing all of it would take a minute. */
START_TEST(splice_costs_what_the_edit_touches)
{
	char *dir;
	struct store *s = new_store(&dir);
	uint64_t size;
	struct addr a = grown(s, GIB(64), &size);
	uint8_t *p = random_bytes(4096, 9);
	struct blob_edit e = {.bytes = p, .insert = 4096, .remove = 4096};
	unsigned i;

	for (i = 0; i < 20; i++) {
		e.off = size / 20 * i + 12345;
		ck_assert_uint_le(edit_once(s, &a, &e), MIB(2));
	}
	e = (struct blob_edit){.off = size, .bytes = p, .insert = 100};
	ck_assert_uint_le(edit_once(s, &a, &e), MIB(1));
	e = (struct blob_edit){.off = 0, .bytes = p, .insert = 100};
	ck_assert_uint_le(edit_once(s, &a, &e), MIB(1));
	e = (struct blob_edit){.off = size / 3, .remove = 77};
	ck_assert_uint_le(edit_once(s, &a, &e), MIB(1));
	e = (struct blob_edit){.off = size / 3, .remove = UINT64_MAX};
	ck_assert_uint_le(edit_once(s, &a, &e), MIB(1));
	e = (struct blob_edit){.off = size / 3, .insert = GIB(1024)};
	ck_assert_uint_le(edit_once(s, &a, &e), MIB(1));
	free(p);
	drop_store(s, dir);
}
END_TEST

/* Edits in a sparse file of eight EiB less a byte cost as little. */
START_TEST(splice_of_holes_costs_nothing)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct addr empty, a, back, none;
	struct blob_edit e = {.insert = BLOB_SIZE_MAX};
	uint64_t size, seed = 10;
	struct blob *b;
	unsigned i;

	blob_empty_addr(&empty);
	ck_assert_int_eq(blob_open(s, &empty, &b), 0);
	ck_assert_int_eq(blob_splice(s, b, &e, 1, &none, &size), 0);
	blob_close(b);
	a = none;
	for (i = 0; i < 300; i++) {
		e = (struct blob_edit){
			.off = splitmix(&seed) % (BLOB_SIZE_MAX - 4096),
			.bytes = "data",
			.insert = 4,
			.remove = 4,
		};
		ck_assert_int_eq(blob_open(s, &a, &b), 0);
		ck_assert_int_eq(blob_splice(s, b, &e, 1, &a, &size), 0);
		ck_assert_uint_eq(size, BLOB_SIZE_MAX);
		blob_close(b);
	}
	ck_assert_uint_le(totals(s).raw, MIB(8));
	/* and zeros over them all are what there was */
	e = (struct blob_edit){.remove = size, .insert = size};
	ck_assert_int_eq(blob_open(s, &a, &b), 0);
	ck_assert_int_eq(blob_splice(s, b, &e, 1, &back, &size), 0);
	blob_close(b);
	ck_assert(addr_eq(&back, &none));
	drop_store(s, dir);
}
END_TEST

START_TEST(splice_without_an_edit_is_the_same)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct content c = content_of(s, random_bytes(MIB(3), 11), MIB(3));
	struct blob_edit whole = {.insert = MIB(3)};
	struct addr a, empty;
	struct blob *b, *none;
	uint64_t size;

	ck_assert_int_eq(blob_open(s, &c.a, &b), 0);
	ck_assert_int_eq(blob_splice(s, b, NULL, 0, &a, &size), 0);
	ck_assert(addr_eq(&a, &c.a));
	ck_assert_uint_eq(size, MIB(3));
	/* all of it in another */
	blob_empty_addr(&empty);
	ck_assert_int_eq(blob_open(s, &empty, &none), 0);
	whole.from = b;
	ck_assert_int_eq(blob_splice(s, none, &whole, 1, &a, &size), 0);
	ck_assert(addr_eq(&a, &c.a));
	blob_close(none);
	blob_close(b);
	free(c.p);
	drop_store(s, dir);
}
END_TEST

START_TEST(splice_refuses_what_makes_no_sense)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct content c = content_of(s, random_bytes(MIB(1), 12), MIB(1));
	struct blob_edit back[] = {{.off = 100, .remove = 10}, {.off = 109}};
	struct blob_edit more = {.insert = 2, .from_off = MIB(1) - 1};
	struct blob_edit huge = {.off = 5, .insert = BLOB_SIZE_MAX};
	struct blob *b;
	struct addr a;

	ck_assert_int_eq(blob_open(s, &c.a, &b), 0);
	ck_assert_int_eq(blob_splice(s, b, back, 2, &a, NULL), -EINVAL);
	more.from = b;
	ck_assert_int_eq(blob_splice(s, b, &more, 1, &a, NULL), -ERANGE);
	ck_assert_int_eq(blob_splice(s, b, &huge, 1, &a, NULL), -EFBIG);
	blob_close(b);
	free(c.p);
	drop_store(s, dir);
}
END_TEST

TESTS("splice", splice_is_as_if_written_from_scratch,
      splice_of_something_small_is_as_if_written,
      splice_of_many_nodes_is_as_if_written,
      splice_after_splice_is_as_if_written,
      splice_of_a_tall_tree_is_as_if_written,
      splice_of_nodes_without_cuts_is_as_if_written,
      splice_at_the_limit_of_a_hole_is_as_if_written,
      splice_of_a_file_of_zeros_is_as_if_written,
      splice_costs_what_the_edit_touches, splice_of_holes_costs_nothing,
      splice_without_an_edit_is_the_same, splice_refuses_what_makes_no_sense)
