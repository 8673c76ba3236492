#include "cas/blob_spans.h"

#include "cas/node.h"
#include "tests/cas/util.h"
#include "tests/lib/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static struct addr put_all(struct store *s, const void *p, size_t n)
{
	struct addr a;

	ck_assert_int_eq(blob_put(s, p, n, &a), 0);
	return a;
}

/* Writes in pieces of random length, runs of zeros now and then as such. */
static struct addr put_split(struct store *s, const uint8_t *p, size_t n,
			     uint64_t seed, size_t longest)
{
	struct blob_writer *w = blob_writer_new(s);
	size_t off = 0, len, zeros;
	struct addr a;
	uint64_t size;

	while (off < n) {
		len = MIN(splitmix(&seed) % longest + 1, n - off);
		zeros = zeros_at(p + off, n - off);
		if (zeros && splitmix(&seed) % 2) {
			len = splitmix(&seed) % 2 ? zeros : MIN(zeros, len);
			ck_assert_int_eq(blob_write_zeros(w, len), 0);
		} else {
			ck_assert_int_eq(blob_write(w, p + off, len), 0);
		}
		off += len;
	}
	ck_assert_int_eq(blob_finish(w, &a, &size), 0);
	ck_assert_uint_eq(size, n);
	blob_writer_free(w);
	return a;
}

/* Random bytes with holes and shorter runs of zeros. */
static uint8_t *sparse(size_t n, uint64_t seed)
{
	static const size_t runs[] = {1000,	    KIB(100),	 KIB(256),
				      KIB(256) + 1, KIB(300),	 MIB(1),
				      MIB(3),	    KIB(512) + 7};
	uint8_t *p = random_bytes(n, seed);
	size_t i = seed % 2 ? 0 : 100000, len;

	while (i < n) {
		len = MIN(runs[splitmix(&seed) % ARRAY_LEN(runs)], n - i);
		memset(p + i, 0, len);
		i += len + splitmix(&seed) % KIB(400);
	}
	return p;
}

/* The same bytes, where they lie. */
static void assert_spans(struct blob *b, const uint8_t *p, size_t n, size_t len,
			 uint64_t off)
{
	size_t done = 0, want = MIN(len, n - off);
	struct blob_spans s;
	int i;

	ck_assert_int_eq(blob_spans(b, len, off, &s), 0);
	for (i = 0; i < s.count; i++) {
		ck_assert_mem_eq(s.iov[i].iov_base, p + off + done,
				 s.iov[i].iov_len);
		done += s.iov[i].iov_len;
	}
	ck_assert_uint_eq(done, want);
	blob_spans_done(&s);
}

static void assert_reads(struct store *s, const struct addr *a,
			 const uint8_t *p, size_t n, uint64_t seed)
{
	uint8_t *got = malloc(n + 100);
	struct blob *b;
	size_t off, len;
	unsigned i;

	ck_assert_int_eq(blob_open(s, a, &b), 0);
	ck_assert_uint_eq(blob_size(b), n);
	ck_assert_int_eq(blob_pread(b, got, n + 100, 0), (ssize_t)n);
	ck_assert_mem_eq(got, p, n);
	for (i = 0; i < 300 && n; i++) {
		off = splitmix(&seed) % n;
		len = splitmix(&seed) % (i % 3 ? 5000 : MIB(1));
		ck_assert_int_eq(blob_pread(b, got, len, off),
				 (ssize_t)MIN(len, n - off));
		ck_assert_mem_eq(got, p + off, MIN(len, n - off));
		assert_spans(b, p, n, len, off);
	}
	ck_assert_int_eq(blob_pread(b, got, 10, n), 0);
	ck_assert_int_eq(blob_pread(b, got, 10, UINT64_MAX), 0);
	blob_close(b);
	free(got);
}

START_TEST(blob_address_does_not_depend_on_how_it_was_written)
{
	static const size_t longest[] = {70000, 3000, MIB(1), MIB(5)};
	char *dir;
	struct store *s = new_store(&dir);
	struct addr a, b;
	uint64_t seed;
	uint8_t *p;
	size_t n;

	for (seed = 1; seed <= 12; seed++) {
		n = MIB(3) + (seed * 1234567) % MIB(6);
		p = seed % 4 ? sparse(n, seed) : random_bytes(n, seed);
		a = put_all(s, p, n);
		b = put_split(s, p, n, seed, longest[seed % 4]);
		ck_assert(addr_eq(&a, &b));
		assert_reads(s, &a, p, n, seed);
		free(p);
	}
	drop_store(s, dir);
}
END_TEST

START_TEST(blob_written_byte_by_byte_is_the_same)
{
	char *dir;
	struct store *s = new_store(&dir);
	size_t n = KIB(700), i;
	uint8_t *p = random_bytes(n, 9);
	struct blob_writer *w = blob_writer_new(s);
	struct addr a, b;

	memset(p + KIB(50), 0, KIB(300));
	a = put_all(s, p, n);
	for (i = 0; i < n; i++)
		ck_assert_int_eq(blob_write(w, p + i, 1), 0);
	ck_assert_int_eq(blob_finish(w, &b, NULL), 0);
	ck_assert(addr_eq(&a, &b));
	blob_writer_free(w);
	free(p);
	drop_store(s, dir);
}
END_TEST

START_TEST(blob_up_to_the_first_cut_is_its_b3sum)
{
	char *dir;
	struct store *s = new_store(&dir);
	static const size_t sizes[] = {0, 1, 1000, KIB(16)};
	uint8_t *p = random_bytes(KIB(16), 3);
	struct addr a, plain;
	size_t i;

	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		a = put_all(s, p, sizes[i]);
		addr_of(OBJ_CHUNK, p, sizes[i], &plain);
		ck_assert(addr_eq(&a, &plain));
		assert_reads(s, &a, p, sizes[i], i);
	}
	blob_empty_addr(&a);
	addr_of(OBJ_CHUNK, "", 0, &plain);
	ck_assert(addr_eq(&a, &plain));
	free(p);
	drop_store(s, dir);
}
END_TEST

START_TEST(blob_zeros_are_zeros_however_they_are_written)
{
	static const uint64_t sizes[] = {
		1,	  KIB(16),	KIB(256) - 1, KIB(256), KIB(256) + 1,
		KIB(512), KIB(512) + 1, KIB(512) + 2, MIB(2),	MIB(2) + 1,
		MIB(40)};
	char *dir;
	struct store *s = new_store(&dir);
	uint8_t *p = calloc(1, MIB(40));
	struct blob_writer *w;
	struct addr a, b;
	size_t i, n;

	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		n = sizes[i];
		a = put_all(s, p, n);
		b = put_split(s, p, n, i, KIB(300));
		ck_assert(addr_eq(&a, &b));
		w = blob_writer_new(s);
		ck_assert_int_eq(blob_write_zeros(w, n), 0);
		ck_assert_int_eq(blob_finish(w, &b, NULL), 0);
		ck_assert(addr_eq(&a, &b));
		blob_writer_free(w);
		assert_reads(s, &a, p, n, i);
	}
	free(p);
	drop_store(s, dir);
}
END_TEST

START_TEST(blob_sizes_reach_two_to_the_63_less_one_and_no_further)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct blob_writer *w = blob_writer_new(s);
	char byte = 'x';
	struct addr a;
	struct blob *b;
	uint64_t size;

	ck_assert_int_eq(blob_write(w, "x", 1), 0);
	ck_assert_int_eq(blob_write_zeros(w, BLOB_SIZE_MAX - 2), 0);
	ck_assert_int_eq(blob_write(w, "y", 1), 0);
	ck_assert_int_eq(blob_finish(w, &a, &size), 0);
	ck_assert_uint_eq(size, BLOB_SIZE_MAX);
	blob_writer_free(w);
	ck_assert_int_eq(blob_open(s, &a, &b), 0);
	ck_assert_int_eq(blob_pread(b, &byte, 1, BLOB_SIZE_MAX - 1), 1);
	ck_assert_int_eq(byte, 'y');
	ck_assert_int_eq(blob_pread(b, &byte, 1, BLOB_SIZE_MAX / 2), 1);
	ck_assert_int_eq(byte, 0);
	blob_close(b);

	w = blob_writer_new(s);
	ck_assert_int_eq(blob_write(w, "xy", 2), 0);
	ck_assert_int_eq(blob_write_zeros(w, BLOB_SIZE_MAX - 1), -EFBIG);
	/* an error stays */
	ck_assert_int_eq(blob_write(w, "x", 1), -EFBIG);
	ck_assert_int_eq(blob_finish(w, &a, &size), -EFBIG);
	blob_writer_free(w);
	drop_store(s, dir);
}
END_TEST

struct seen {
	uint64_t off, holes, chunks;
	bool last_hole;
};

static int see(void *ctx, const struct addr *a, uint64_t off, uint64_t size)
{
	struct seen *x = ctx;
	bool is_hole = addr_is_zero(a);

	ck_assert_uint_eq(off, x->off);
	ck_assert(!(is_hole && x->last_hole));
	x->off += size;
	x->last_hole = is_hole;
	*(is_hole ? &x->holes : &x->chunks) += 1;
	return 0;
}

static int stop(void *ctx, const struct addr *a, uint64_t off, uint64_t size)
{
	return off ? -ECANCELED : 0;
}

static int count_objects(void *ctx, enum obj_kind kind, const struct addr *a,
			 uint64_t size)
{
	uint64_t *counts = ctx;

	counts[kind]++;
	return 0;
}

static int top_only(void *ctx, enum obj_kind kind, const struct addr *a,
		    uint64_t size)
{
	uint64_t *counts = ctx;

	counts[kind]++;
	return 1;
}

START_TEST(blob_each_and_walk_name_every_entry_and_object)
{
	char *dir;
	struct store *s = new_store(&dir);
	size_t n = MIB(30);
	uint8_t *p = random_bytes(n, 4);
	uint64_t counts[6] = {0}, top[6] = {0};
	struct seen x = {0};
	struct addr a;
	struct blob *b;

	memset(p + MIB(1), 0, MIB(1));
	memset(p + MIB(20), 0, MIB(2));
	a = put_all(s, p, n);
	ck_assert_int_eq(blob_open(s, &a, &b), 0);
	ck_assert_int_eq(blob_each(b, see, &x), 0);
	ck_assert_uint_eq(x.off, n);
	ck_assert_uint_eq(x.holes, 2);
	ck_assert_uint_gt(x.chunks, 300);
	ck_assert_int_eq(blob_each(b, stop, NULL), -ECANCELED);
	blob_close(b);
	ck_assert_int_eq(blob_walk(s, &a, count_objects, counts), 0);
	ck_assert_uint_eq(counts[OBJ_CHUNK], x.chunks);
	ck_assert_uint_gt(counts[OBJ_NODE], 2);
	ck_assert_int_eq(blob_walk(s, &a, top_only, top), 0);
	ck_assert_uint_eq(top[OBJ_NODE], 1);
	ck_assert_uint_eq(top[OBJ_CHUNK], 0);
	ck_assert_int_eq(blob_complete(s, &a), 1);
	free(p);
	drop_store(s, dir);
}
END_TEST

START_TEST(blob_seek_finds_holes_and_data)
{
	char *dir;
	struct store *s = new_store(&dir);
	size_t n = MIB(8);
	uint8_t *p = random_bytes(n, 4);
	uint64_t at, i;
	struct addr a;
	struct blob *b;

	/* data 0..1, hole 1..3, data 3..6, hole 6..8 */
	memset(p + MIB(1), 0, MIB(2));
	memset(p + MIB(6), 0, MIB(2));
	p[MIB(1) - 1] = p[MIB(3)] = p[MIB(6) - 1] = 1;
	a = put_all(s, p, n);
	ck_assert_int_eq(blob_open(s, &a, &b), 0);
	for (i = 0; i < n; i += 99991) {
		ck_assert_int_eq(blob_seek(b, i, true, &at), 0);
		ck_assert_uint_eq(at, i < MIB(1)   ? MIB(1)
				      : i < MIB(3) ? i
				      : i < MIB(6) ? MIB(6)
						   : i);
		if (i >= MIB(6)) {
			ck_assert_int_eq(blob_seek(b, i, false, &at), -ENXIO);
			continue;
		}
		ck_assert_int_eq(blob_seek(b, i, false, &at), 0);
		ck_assert_uint_eq(at, i >= MIB(1) && i < MIB(3) ? MIB(3) : i);
	}
	ck_assert_int_eq(blob_seek(b, n, true, &at), -ENXIO);
	ck_assert_int_eq(blob_seek(b, n, false, &at), -ENXIO);
	blob_close(b);

	/* one chunk: its end is the only hole */
	a = put_all(s, "abc", 3);
	ck_assert_int_eq(blob_open(s, &a, &b), 0);
	ck_assert_int_eq(blob_seek(b, 1, true, &at), 0);
	ck_assert_uint_eq(at, 3);
	ck_assert_int_eq(blob_seek(b, 1, false, &at), 0);
	ck_assert_uint_eq(at, 1);
	ck_assert_int_eq(blob_seek(b, 3, true, &at), -ENXIO);
	blob_close(b);
	free(p);
	drop_store(s, dir);
}
END_TEST

START_TEST(blob_open_refuses_what_is_no_content)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct addr a = {{1}};
	struct blob *b;

	ck_assert_int_eq(blob_open(s, &a, &b), -ENOENT);
	ck_assert_int_eq(blob_complete(s, &a), 0);
	ck_assert_int_eq(store_put(s, OBJ_RECIPE, "x", 1, &a), 0);
	ck_assert_int_eq(blob_open(s, &a, &b), -EINVAL);
	ck_assert_int_eq(store_put(s, OBJ_NODE, "x", 1, &a), 0);
	ck_assert_int_eq(blob_open(s, &a, &b), -EBADMSG);
	drop_store(s, dir);
}
END_TEST

/* A node whose children are those. */
static struct addr put_node(struct store *s, uint32_t height, uint32_t count,
			    const struct addr *child, const uint64_t *size)
{
	struct buf b = BUF_INIT;
	struct addr a;
	uint32_t i;

	node_begin(&b);
	for (i = 0; i < count; i++)
		node_add(&b, &child[i], size[i]);
	node_end(&b, height, count);
	ck_assert_int_eq(store_put(s, OBJ_NODE, b.data, b.len, &a), 0);
	buf_done(&b);
	return a;
}

START_TEST(blob_trees_that_do_not_fit_together_are_ebadmsg)
{
	char *dir, got[10];
	struct store *s = new_store(&dir);
	struct addr c[2], n, top[2];
	uint64_t sizes[2] = {20000, 3}, up[2];
	uint8_t *p = random_bytes(20000, 1);
	struct blob_spans spans;
	struct blob *b;

	ck_assert_int_eq(store_put(s, OBJ_CHUNK, p, 20000, &c[0]), 0);
	ck_assert_int_eq(store_put(s, OBJ_CHUNK, "abcd", 4, &c[1]), 0);
	/* a chunk of another length than said */
	n = put_node(s, 1, 2, c, sizes);
	ck_assert_int_eq(blob_open(s, &n, &b), 0);
	ck_assert_int_eq(blob_pread(b, got, 10, 0), 10);
	ck_assert_int_eq(blob_pread(b, got, 1, 20000), -EBADMSG);
	ck_assert_int_eq(blob_spans(b, 20001, 0, &spans), -EBADMSG);
	ck_assert_int_eq(spans.count, 0);
	blob_close(b);
	/* a root with one chunk */
	n = put_node(s, 1, 1, c, sizes);
	ck_assert_int_eq(blob_open(s, &n, &b), -EBADMSG);
	/* nodes of another size, another height */
	top[0] = put_node(s, 1, 2, c, sizes);
	top[1] = put_node(s, 1, 1, c, sizes);
	up[0] = 20003;
	up[1] = 19999;
	n = put_node(s, 2, 2, top, up);
	ck_assert_int_eq(blob_open(s, &n, &b), 0);
	ck_assert_int_eq(blob_pread(b, got, 10, 0), 10);
	ck_assert_int_eq(blob_pread(b, got, 1, 20003), -EBADMSG);
	blob_close(b);
	up[1] = 20000;
	n = put_node(s, 3, 2, top, up);
	ck_assert_int_eq(blob_open(s, &n, &b), 0);
	ck_assert_int_eq(blob_pread(b, got, 1, 0), -EBADMSG);
	blob_close(b);
	/* a chunk where a node should be */
	up[0] = 20000;
	top[0] = c[0];
	n = put_node(s, 2, 2, top, up);
	ck_assert_int_eq(blob_open(s, &n, &b), 0);
	ck_assert_int_eq(blob_pread(b, got, 1, 0), -EBADMSG);
	blob_close(b);
	free(p);
	drop_store(s, dir);
}
END_TEST

START_TEST(blob_with_a_part_missing_is_enoent_there_only)
{
	char *dir, got[10];
	struct store *s = new_store(&dir);
	struct addr c[2] = {{{0}}, {{1, 1}}}, n;
	uint64_t sizes[2] = {20000, 20000};
	uint8_t *p = random_bytes(20000, 1);
	struct blob *b;

	ck_assert_int_eq(store_put(s, OBJ_CHUNK, p, 20000, &c[0]), 0);
	n = put_node(s, 1, 2, c, sizes);
	ck_assert_int_eq(blob_open(s, &n, &b), 0);
	ck_assert_int_eq(blob_pread(b, got, 10, 0), 10);
	ck_assert_mem_eq(got, p, 10);
	ck_assert_int_eq(blob_pread(b, got, 10, 19995), -ENOENT);
	ck_assert_int_eq(blob_complete(s, &n), 0);
	blob_close(b);
	free(p);
	drop_store(s, dir);
}
END_TEST

START_TEST(blob_put_fd_reads_sparse_files)
{
	char *dir, path[4096];
	struct store *s = new_store(&dir);
	struct addr a, b;
	uint8_t *p = calloc(1, MIB(12));
	uint64_t size;
	int fd;

	snprintf(path, sizeof(path), "%s/drafts/x", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(blob_put_fd(s, fd, &a, &size), 0);
	ck_assert_uint_eq(size, 0);
	fill_random(p + MIB(2), MIB(1), 1);
	fill_random(p + MIB(7), KIB(100), 2);
	ck_assert_int_eq(pwrite(fd, p + MIB(2), MIB(1), MIB(2)), MIB(1));
	ck_assert_int_eq(pwrite(fd, p + MIB(7), KIB(100), MIB(7)), KIB(100));
	ck_assert_int_eq(ftruncate(fd, MIB(12)), 0);
	ck_assert_int_eq(blob_put_fd(s, fd, &a, &size), 0);
	ck_assert_uint_eq(size, MIB(12));
	b = put_all(s, p, MIB(12));
	ck_assert(addr_eq(&a, &b));
	close(fd);
	free(p);
	drop_store(s, dir);
}
END_TEST

START_TEST(blob_checked_writer_heals_every_part)
{
	char *dir;
	struct store *s = new_store(&dir);
	size_t n = MIB(2);
	uint8_t id[PACK_ID_LEN], *p = random_bytes(n, 5);
	struct addr a = put_all(s, p, n), again;
	struct blob_writer *w;
	struct stat st;
	off_t off;
	int fd;

	quiet();
	s = reopen_store(s, dir);
	fd = open_only_pack(dir, id);
	ck_assert_int_eq(fstat(fd, &st), 0);
	for (off = 100; off < st.st_size; off += 5000)
		flip_byte(fd, (uint64_t)off, 1);
	close(fd);
	w = blob_writer_new(s);
	blob_writer_check(w);
	ck_assert_int_eq(blob_write(w, p, n), 0);
	ck_assert_int_eq(blob_finish(w, &again, NULL), 0);
	blob_writer_free(w);
	ck_assert(addr_eq(&a, &again));
	s = reopen_store(s, dir);
	assert_reads(s, &a, p, n, 1);
	free(p);
	drop_store(s, dir);
}
END_TEST

/* What an edit costs: most chunks before and behind it stay the same. */
START_TEST(blob_edit_in_the_middle_keeps_the_rest)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct object_totals before, after;
	size_t n = MIB(20);
	uint8_t *p = random_bytes(n, 6);

	put_all(s, p, n);
	ck_assert_int_eq(store_sync(s), 0);
	db_lock(store_db(s));
	ck_assert_int_eq(objects_totals(store_objects(s), &before), 0);
	db_unlock(store_db(s));
	memmove(p + MIB(10), p + MIB(10) + 17, MIB(10) - 17);
	put_all(s, p, n - 17);
	ck_assert_int_eq(store_sync(s), 0);
	db_lock(store_db(s));
	ck_assert_int_eq(objects_totals(store_objects(s), &after), 0);
	db_unlock(store_db(s));
	ck_assert_uint_le(after.objects - before.objects, 12);
	free(p);
	drop_store(s, dir);
}
END_TEST

static int count_all(void *ctx, enum obj_kind kind, const struct addr *a,
		     uint64_t size)
{
	(*(uint64_t *)ctx)++;
	return 0;
}

/* A tree in which each node holds the one below twice has more ways through it
 * than anybody could go. */
START_TEST(blob_each_shared_node_is_gone_through_once)
{
	char *dir;
	struct store *s = new_store(&dir);
	uint64_t size = CHUNK_MIN + 1000, n = 0, at;
	struct addr child, a;
	struct buf node = BUF_INIT;
	struct blob *b;
	uint32_t h;
	uint8_t *p = random_bytes(size, 9);

	child = put_all(s, p, size);
	free(p);
	for (h = 1; h <= 40; h++, size *= 2) {
		node_begin(&node);
		node_add(&node, &child, size);
		node_add(&node, &child, size);
		node_end(&node, h, 2);
		ck_assert_int_eq(store_put(s, OBJ_NODE, node.data, node.len,
					   &a),
				 0);
		child = a;
	}
	ck_assert_int_eq(blob_walk(s, &a, count_all, &n), 0);
	ck_assert_uint_eq(n, 40 + 2);
	ck_assert_int_eq(blob_complete(s, &a), 1);
	ck_assert_int_eq(blob_open(s, &a, &b), 0);
	ck_assert_uint_eq(blob_size(b), size);
	ck_assert_int_eq(blob_seek(b, 12345, true, &at), 0);
	ck_assert_uint_eq(at, size);
	ck_assert_int_eq(blob_seek(b, 12345, false, &at), 0);
	ck_assert_uint_eq(at, 12345);
	blob_close(b);
	buf_done(&node);
	drop_store(s, dir);
}
END_TEST

TESTS("blob", blob_address_does_not_depend_on_how_it_was_written,
      blob_written_byte_by_byte_is_the_same,
      blob_up_to_the_first_cut_is_its_b3sum,
      blob_zeros_are_zeros_however_they_are_written,
      blob_sizes_reach_two_to_the_63_less_one_and_no_further,
      blob_each_and_walk_name_every_entry_and_object,
      blob_seek_finds_holes_and_data,
      blob_each_shared_node_is_gone_through_once,
      blob_open_refuses_what_is_no_content,
      blob_trees_that_do_not_fit_together_are_ebadmsg,
      blob_with_a_part_missing_is_enoent_there_only,
      blob_put_fd_reads_sparse_files, blob_checked_writer_heals_every_part,
      blob_edit_in_the_middle_keeps_the_rest)
