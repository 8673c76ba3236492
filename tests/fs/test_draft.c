#include "tests/lib/harness.h"

#include <errno.h>

#include "fs/draft.h"

/* A draft beside a plain buffer that everything is done to as well. */
struct bench {
	char *dir;
	struct store *store;
	struct draft *draft;
	uint8_t *model;
	uint8_t *other; /* what copy_in() takes from */
	struct addr other_addr;
	size_t size, cap;
	uint64_t seed;
};

static void setup(struct bench *b, size_t cap)
{
	struct err err = {""};
	char *path = NULL;

	*b = (struct bench){.dir = test_dir(), .cap = cap, .seed = 88172645463};
	b->model = calloc(1, cap);
	ck_assert_int_gt(asprintf(&path, "%s/store", b->dir), 0);
	ck_assert_msg(store_open(path, STORE_CREATE, &b->store, &err) == 0,
		      "%s", err.msg);
	free(path);
	ck_assert_int_eq(draft_new(b->store, NULL, &b->draft), 0);
}

static void teardown(struct bench *b)
{
	draft_free(b->draft);
	free(b->model);
	free(b->other);
	ck_assert_int_eq(store_close(b->store), 0);
	remove_tree(b->dir);
	free(b->dir);
}
#define BENCH CLEANUP(teardown) struct bench

/* xorshift64 (Marsaglia 2003) */
static uint64_t any(struct bench *b, uint64_t below)
{
	b->seed ^= b->seed << 13;
	b->seed ^= b->seed >> 7;
	b->seed ^= b->seed << 17;
	return b->seed % below;
}

static void put(struct bench *b, size_t off, size_t n)
{
	uint8_t *p = b->model + off;
	size_t i;

	ck_assert_uint_le(off + n, b->cap);
	for (i = 0; i < n; i++)
		p[i] = (uint8_t)any(b, 251);
	ck_assert_int_eq(draft_write(b->draft, p, n, off), 0);
	b->size = MAX(b->size, n ? off + n : 0);
	ck_assert_uint_eq(draft_size(b->draft), b->size);
}

static void cut(struct bench *b, size_t size)
{
	ck_assert_int_eq(draft_truncate(b->draft, size), 0);
	if (size < b->size)
		memset(b->model + size, 0, b->size - size);
	b->size = size;
	ck_assert_uint_eq(draft_size(b->draft), size);
}

static void look(struct bench *b, size_t off, size_t n)
{
	size_t want = off < b->size ? MIN(n, b->size - off) : 0;
	uint8_t *p = malloc(n + 1);

	memset(p, 0xaa, n + 1);
	ck_assert_int_eq(draft_read(b->draft, p, n, off), (ssize_t)want);
	ck_assert(!memcmp(p, b->model + off, want));
	ck_assert_uint_eq(p[want], 0xaa);
	free(p);
}

static void commit(struct bench *b)
{
	struct addr got, want;
	uint64_t size;

	ck_assert_int_eq(draft_commit(b->draft, &got, &size), 0);
	ck_assert_uint_eq(size, b->size);
	ck_assert_int_eq(blob_put(b->store, b->model, b->size, &want), 0);
	ck_assert(addr_eq(&got, &want));
	ck_assert(!draft_dirty(b->draft));
}

/* Over what it was taken in as, a new one. */
static void reopen(struct bench *b)
{
	struct blob *base = NULL;
	struct addr a;

	ck_assert_int_eq(blob_put(b->store, b->model, b->size, &a), 0);
	ck_assert_int_eq(blob_open(b->store, &a, &base), 0);
	draft_free(b->draft);
	b->draft = NULL;
	ck_assert_int_eq(draft_new(b->store, base, &b->draft), 0);
	ck_assert_uint_eq(draft_size(b->draft), b->size);
}

static void zero(struct bench *b, size_t off, size_t n)
{
	ck_assert_int_eq(draft_zero(b->draft, off, off + n), 0);
	if (off < b->size)
		memset(b->model + off, 0, MIN(n, b->size - off));
	ck_assert_uint_eq(draft_size(b->draft), b->size);
}

/* From a content of its own that is as long as anything here. */
static void copy_in(struct bench *b, size_t at, size_t n)
{
	struct blob *from = NULL;
	size_t i, off = any(b, b->cap - n + 1);

	if (!b->other) {
		b->other = malloc(b->cap);
		for (i = 0; i < b->cap; i++) /* with a hole in it */
			b->other[i] = i > b->cap / 2
					      ? 0
					      : (uint8_t)(i * 2654435761 >> 20);
		ck_assert_int_eq(blob_put(b->store, b->other, b->cap,
					  &b->other_addr),
				 0);
	}
	ck_assert_int_eq(blob_open(b->store, &b->other_addr, &from), 0);
	ck_assert_int_eq(draft_copy(b->draft, at, from, off, n), 0);
	memcpy(b->model + at, b->other + off, n);
	b->size = MAX(b->size, at + n);
	ck_assert_uint_eq(draft_size(b->draft), b->size);
}

/* What is said to be a hole is zeros, and the walk ends. */
static void seek_all(struct bench *b)
{
	uint64_t off = 0, to;
	bool hole = false;
	int r;

	while (off < b->size) {
		r = draft_seek(b->draft, off, !hole, &to);
		if (r == -ENXIO) {
			ck_assert(hole);
			to = b->size;
		} else {
			ck_assert_int_eq(r, 0);
		}
		ck_assert(to >= off && to <= b->size);
		for (; hole && off < to && !b->model[off]; off++)
			;
		ck_assert(!hole || off == to);
		off = to;
		hole = !hole;
	}
	ck_assert_int_eq(draft_seek(b->draft, b->size, true, &to), -ENXIO);
}

static void anything(struct bench *b, size_t most)
{
	size_t off = any(b, b->cap), n = any(b, most) + 1;

	if (any(b, 3)) /* rather near what is there */
		off = any(b, b->size + n);
	off = MIN(off, b->cap - 1);
	n = MIN(n, b->cap - off);
	switch (any(b, 40)) {
	case 0:
		commit(b);
		break;
	case 1:
		reopen(b);
		break;
	case 2:
	case 3:
		cut(b, any(b, 4) ? off : 0);
		break;
	case 4 ... 18:
		look(b, off, n);
		break;
	case 19 ... 22:
		zero(b, off, n);
		break;
	case 23:
		copy_in(b, off, n);
		break;
	case 24:
		seek_all(b);
		break;
	default:
		put(b, off, n);
	}
}

START_TEST(draft_small_is_like_a_buffer)
{
	BENCH b;
	int i;

	setup(&b, 20000);
	for (i = 0; i < 5000; i++)
		anything(&b, 3000);
	look(&b, 0, b.cap);
	commit(&b);
}
END_TEST

START_TEST(draft_large_is_like_a_buffer)
{
	BENCH b;
	int i;

	setup(&b, MIB(3));
	for (i = 0; i < 1500; i++)
		anything(&b, 60000);
	look(&b, 0, b.cap);
	commit(&b);
	look(&b, 0, b.cap);
}
END_TEST

/* Up and down over the size up to which it is in memory. */
START_TEST(draft_at_the_edge_of_memory_is_like_a_buffer)
{
	BENCH b;
	int i;

	setup(&b, KIB(260));
	for (i = 0; i < 1500; i++) {
		anything(&b, 20000);
		if (i % 20 == 0)
			cut(&b, KIB(256) - 2 + any(&b, 5));
		if (i % 50 == 0)
			reopen(&b);
	}
	look(&b, 0, b.cap);
	commit(&b);
}
END_TEST

START_TEST(draft_grows_out_of_memory_byte_by_byte)
{
	BENCH b;
	size_t off;

	setup(&b, KIB(512));
	for (off = 0; off < KIB(300); off += 1000)
		put(&b, off, 1000);
	look(&b, 0, b.cap);
	commit(&b);
	put(&b, 5, 10);
	look(&b, 0, b.cap);
	commit(&b);
}
END_TEST

START_TEST(draft_reads_what_did_not_change_from_its_base)
{
	BENCH b;

	setup(&b, MIB(2));
	put(&b, 0, MIB(2));
	reopen(&b);
	ck_assert(!draft_dirty(b.draft));
	look(&b, 0, b.cap);
	put(&b, MIB(1), 3);
	look(&b, MIB(1) - 10, 30);
	cut(&b, MIB(1) + 1);
	cut(&b, MIB(2)); /* the base's end does not come back */
	look(&b, 0, b.cap);
	commit(&b);
}
END_TEST

START_TEST(draft_hole_costs_nothing)
{
	struct addr got;
	struct bench b;
	uint64_t size, end;
	uint8_t one = 1, p[16];

	setup(&b, 1);
	ck_assert_int_eq(draft_write(b.draft, &one, 1, GIB(1024)), 0);
	ck_assert_int_eq(draft_read(b.draft, p, 16, GIB(512)), 16);
	ck_assert(!memcmp(p, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16));
	ck_assert_int_eq(draft_commit(b.draft, &got, &size), 0);
	ck_assert_uint_eq(size, GIB(1024) + 1);
	ck_assert_int_eq(draft_write(b.draft, &one, 1, 0), 0);
	ck_assert_int_eq(draft_truncate(b.draft, GIB(2048)), 0);
	ck_assert_int_eq(draft_commit(b.draft, &got, &end), 0);
	ck_assert_uint_eq(end, GIB(2048));
	ck_assert_int_eq(draft_read(b.draft, p, 2, GIB(1024)), 2);
	ck_assert_uint_eq(p[0], 1);
	ck_assert_uint_eq(p[1], 0);
	teardown(&b);
}
END_TEST

/* Nothing of a large content is read or stored again for a copy of it. */
START_TEST(draft_copy_of_a_whole_content_is_that_content)
{
	BENCH b;
	struct blob *from, *again;
	struct addr whole, got;
	uint64_t size, n = MIB(3), part = MIB(1) + 17;

	setup(&b, n);
	put(&b, 0, n);
	ck_assert_int_eq(draft_commit(b.draft, &whole, &size), 0);
	draft_free(b.draft);
	ck_assert_int_eq(draft_new(b.store, NULL, &b.draft), 0);
	ck_assert_int_eq(blob_open(b.store, &whole, &from), 0);
	ck_assert_int_eq(blob_open(b.store, &whole, &again), 0);
	/* in two parts, as a program does it, the last one first */
	ck_assert_int_eq(draft_copy(b.draft, part, from, part, n - part), 0);
	ck_assert_int_eq(draft_copy(b.draft, 0, again, 0, part), 0);
	ck_assert_uint_eq(draft_changed(b.draft), 0);
	ck_assert_uint_eq(draft_data(b.draft), n);
	ck_assert_int_eq(draft_commit(b.draft, &got, &size), 0);
	ck_assert(addr_eq(&got, &whole));
	ck_assert_uint_eq(size, n);
}
END_TEST

START_TEST(draft_seek_finds_holes_and_data)
{
	BENCH b;
	struct addr a;
	uint64_t to;

	setup(&b, MIB(8));
	put(&b, 0, MIB(1));
	cut(&b, MIB(4));
	put(&b, MIB(4), MIB(1));
	ck_assert_int_eq(draft_commit(b.draft, &a, NULL), 0);
	/* of the content it had before */
	ck_assert_int_eq(draft_seek(b.draft, 5, true, &to), 0);
	ck_assert_uint_eq(to, MIB(1));
	ck_assert_int_eq(draft_seek(b.draft, to, false, &to), 0);
	ck_assert_uint_eq(to, MIB(4));
	/* and of what was done since */
	zero(&b, MIB(4), KIB(512));
	put(&b, MIB(2), 1);
	ck_assert_int_eq(draft_seek(b.draft, MIB(1), false, &to), 0);
	ck_assert_uint_eq(to, MIB(2));
	ck_assert_int_eq(draft_seek(b.draft, MIB(2), true, &to), 0);
	ck_assert_uint_eq(to, MIB(2) + 1);
	ck_assert_int_eq(draft_seek(b.draft, to, false, &to), 0);
	ck_assert_uint_eq(to, MIB(4) + KIB(512));
	ck_assert_int_eq(draft_seek(b.draft, to, true, &to), 0);
	ck_assert_uint_eq(to, MIB(5));
	cut(&b, MIB(7));
	ck_assert_int_eq(draft_seek(b.draft, MIB(6), false, &to), -ENXIO);
	ck_assert_int_eq(draft_seek(b.draft, MIB(6), true, &to), 0);
	ck_assert_uint_eq(to, MIB(6));
	commit(&b);
}
END_TEST

START_TEST(draft_beyond_what_a_file_may_be_is_efbig)
{
	uint8_t one = 1;
	BENCH b;

	setup(&b, 1);
	ck_assert_int_eq(draft_write(b.draft, &one, 1, INT64_MAX), -EFBIG);
	ck_assert_int_eq(draft_write(b.draft, &one, 1, UINT64_MAX), -EFBIG);
	ck_assert_int_eq(draft_truncate(b.draft, UINT64_MAX), -EFBIG);
	ck_assert_uint_eq(draft_size(b.draft), 0);
	ck_assert(!draft_dirty(b.draft));
}
END_TEST

START_TEST(draft_knows_what_was_done_to_it)
{
	struct addr a;
	uint64_t size;
	BENCH b;

	setup(&b, 100);
	ck_assert_int_eq(draft_write(b.draft, "", 0, 5), 0);
	ck_assert(!draft_dirty(b.draft));
	ck_assert_int_eq(draft_truncate(b.draft, 0), 0);
	ck_assert(!draft_dirty(b.draft));
	cut(&b, 10);
	ck_assert(draft_dirty(b.draft));
	ck_assert(draft_only_truncated(b.draft));
	put(&b, 0, 1);
	ck_assert(!draft_only_truncated(b.draft));
	ck_assert_int_eq(draft_commit(b.draft, &a, &size), 0);
	ck_assert(!draft_dirty(b.draft));
	ck_assert(!draft_only_truncated(b.draft));
	cut(&b, 0);
	ck_assert(draft_only_truncated(b.draft));
}
END_TEST

/* As a file of its own, found after a crash. */
static int take_in_sealed(struct bench *b, const struct buf *body,
			  struct addr *ret)
{
	CLEANUP(draft_freep) struct draft *d = NULL;
	struct cur c = cur_of(body->data, body->len);
	uint64_t size;
	int r;

	ck_assert_int_eq(draft_restore(b->store, draft_fd(b->draft), b->cap, &c,
				       true, &d),
			 0);
	r = draft_take_in(d, ret, &size);
	ck_assert_int_eq(draft_damaged(d), r < 0);
	if (!r)
		ck_assert_uint_eq(size, b->size);
	return r;
}

static void flip(int fd, uint64_t off)
{
	uint8_t c;

	ck_assert_int_eq(pread(fd, &c, 1, (off_t)off), 1);
	c ^= 16;
	ck_assert_int_eq(pwrite(fd, &c, 1, (off_t)off), 1);
}

/* A byte of what is sealed has changed; where nothing of it is in the file, it
 * does no harm. */
static void flip_some(struct bench *b, const struct buf *body,
		      const struct addr *want)
{
	uint64_t data, off;
	struct addr got;
	int i;

	for (i = 0; i < 4; i++) {
		off = any(b, MIB(5));
		flip(draft_fd(b->draft), off);
		ck_assert_int_eq(take_in_sealed(b, body, &got), -EBADMSG);
		flip(draft_fd(b->draft), off);
	}
	ck_assert_int_eq(draft_seek(b->draft, MIB(6), false, &data), 0);
	ck_assert_int_eq(take_in_sealed(b, body, &got), 0);
	ck_assert(addr_eq(&got, want));
}

START_TEST(draft_sealed_is_found_whole_or_damaged)
{
	struct addr base, got, want;
	size_t off, n;
	BENCH b;
	int i;

	setup(&b, MIB(9));
	put(&b, MIB(8), MIB(1));
	ck_assert_int_eq(draft_commit(b.draft, &base, NULL), 0);
	/* in steps of all sizes, then here and there */
	for (off = 0; off < MIB(6); off += n) {
		n = MIN(any(&b, 3) ? any(&b, 9000) + 1 : KIB(128),
			MIB(6) - off);
		put(&b, off, n);
	}
	for (i = 0; i < 3; i++) {
		CLEANUP_BUF struct buf body = BUF_INIT;

		for (n = 0; n < 60; n++)
			put(&b, any(&b, MIB(8)), any(&b, 100000) + 1);
		if (i)
			zero(&b, MIB(5) + any(&b, MIB(2)), any(&b, 300000));
		ck_assert_int_eq(draft_seal(b.draft, &base, &body), 0);
		ck_assert_int_eq(take_in_sealed(&b, &body, &got), 0);
		ck_assert_int_eq(blob_put(b.store, b.model, b.size, &want), 0);
		ck_assert(addr_eq(&got, &want));
		flip_some(&b, &body, &want);
	}
	commit(&b);
}
END_TEST

/* Many writes that do not touch each other, in the worst order. */
START_TEST(draft_of_ten_thousand_ranges)
{
	enum { N = 10000 };
	BENCH b;
	size_t i;

	setup(&b, N * 100);
	cut(&b, N * 100);
	for (i = N; i-- > 0;)
		put(&b, i * 100 + 7, 10);
	look(&b, 0, b.cap);
	for (i = 0; i < N; i++) /* and now they grow together */
		put(&b, i * 100, 100);
	look(&b, 0, b.cap);
	commit(&b);
}
END_TEST

TESTS("draft", draft_small_is_like_a_buffer, draft_large_is_like_a_buffer,
      draft_at_the_edge_of_memory_is_like_a_buffer,
      draft_grows_out_of_memory_byte_by_byte,
      draft_reads_what_did_not_change_from_its_base, draft_hole_costs_nothing,
      draft_copy_of_a_whole_content_is_that_content,
      draft_seek_finds_holes_and_data, draft_beyond_what_a_file_may_be_is_efbig,
      draft_knows_what_was_done_to_it, draft_of_ten_thousand_ranges,
      draft_sealed_is_found_whole_or_damaged)
