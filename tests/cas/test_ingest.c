#include "cas/ingest.h"

#include "cas/blob.h"
#include "cas/node.h"
#include "tests/cas/util.h"
#include "tests/lib/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

/* Text, noise, repetitions, short runs of zeros and holes, one behind the
 * other. */
static uint8_t *mixture(size_t n, uint64_t seed)
{
	uint8_t *p = random_bytes(n, seed);
	CLEANUP_FREE uint8_t *text = text_bytes(KIB(700), seed + 1);
	size_t i = 0, len;

	while (i < n) {
		len = MIN(splitmix(&seed) % KIB(700) + 1, n - i);
		switch (splitmix(&seed) % 5) {
		case 0:
			memset(p + i, 0, len);
			break;
		case 1:
		case 2:
			memcpy(p + i, text, len);
			break;
		case 3:
			if (i > len)
				memcpy(p + i, p, len);
			break;
		}
		i += len;
	}
	return p;
}

static struct addr put_stream(struct store *s, const uint8_t *p, size_t n,
			      size_t piece)
{
	struct blob_writer *w = blob_writer_new(s);
	struct addr a;
	size_t off;

	for (off = 0; off < n; off += MIN(piece, n - off))
		ck_assert_int_eq(blob_write(w, p + off, MIN(piece, n - off)),
				 0);
	ck_assert_int_eq(blob_finish(w, &a, NULL), 0);
	blob_writer_free(w);
	return a;
}

/* The pieces of a content, cut by one thread with all of it in sight. */
struct list {
	struct addr addr[4096];
	uint64_t size[4096];
	size_t n, at;
};

static void cut_all(const uint8_t *p, size_t n, struct list *l)
{
	struct cutter cutter = {0};
	struct chunker c;
	enum piece piece;
	size_t off, len;

	chunker_init(&c);
	l->n = l->at = 0;
	for (off = 0; off < n; off += len) {
		piece = cutter_next(&cutter, &c, p + off, n - off, true, &len);
		memset(&l->addr[l->n], 0, sizeof(*l->addr));
		if (piece == PIECE_CHUNK)
			addr_of(OBJ_CHUNK, p + off, len, &l->addr[l->n]);
		ck_assert_uint_lt(l->n, ARRAY_LEN(l->size));
		l->size[l->n++] = len;
	}
}

static int same_entry(void *ctx, const struct addr *a, uint64_t off,
		      uint64_t size)
{
	struct list *l = ctx;

	(void)off;
	ck_assert_uint_lt(l->at, l->n);
	ck_assert(addr_eq(a, &l->addr[l->at]));
	ck_assert_uint_eq(size, l->size[l->at]);
	l->at++;
	return 0;
}

START_TEST(ingest_gives_the_pieces_of_one_thread)
{
	static struct list l;
	struct addr a, b;
	struct store *s;
	struct blob *blob;
	unsigned seed;
	size_t n;
	char *dir;

	s = new_store(&dir);
	for (seed = 1; seed <= 8; seed++) {
		n = MIB(1) + seed * MIB(3) + seed * 4711;
		CLEANUP_FREE uint8_t *p = mixture(n, seed);

		cut_all(p, n, &l);
		a = put_stream(s, p, n, seed % 2 ? KIB(128) : 77777);
		ck_assert_int_eq(blob_put(s, p, n, &b), 0);
		ck_assert(addr_eq(&a, &b));
		ck_assert_int_eq(blob_open(s, &a, &blob), 0);
		ck_assert_int_eq(blob_each(blob, same_entry, &l), 0);
		ck_assert_uint_eq(l.at, l.n);
		blob_close(blob);
	}
	drop_store(s, dir);
}
END_TEST

/* Every chunk of the packs, in order. */
static void scan_packs(const char *dir, struct list *l)
{
	int fd;
	uint8_t id[PACK_ID_LEN];
	struct pack_scan *scan;
	struct record r;
	uint64_t off;

	fd = open_only_pack(dir, id);
	ck_assert_int_eq(pack_scan_new(fd, id, &scan), 0);
	l->n = l->at = 0;
	while (pack_scan_next(scan, &r, &off) > 0) {
		if (r.kind != OBJ_CHUNK)
			continue;
		l->addr[l->n] = r.addr;
		l->size[l->n++] = r.raw;
	}
	pack_scan_free(scan);
	close(fd);
}

START_TEST(ingest_appends_in_the_order_of_the_file)
{
	static struct list l;
	size_t n = MIB(40);
	uint8_t *p = random_bytes(n, 5);
	struct blob *blob;
	struct store *s;
	struct addr a;
	char *dir;

	s = new_store(&dir);
	a = put_stream(s, p, n, MIB(1));
	scan_packs(dir, &l);
	ck_assert_int_eq(blob_open(s, &a, &blob), 0);
	ck_assert_int_eq(blob_each(blob, same_entry, &l), 0);
	ck_assert_uint_eq(l.at, l.n);
	blob_close(blob);
	drop_store(s, dir);
	free(p);
}
END_TEST

START_TEST(ingest_stores_what_repeats_once)
{
	size_t n = MIB(24), part = MIB(1), i, k;
	static struct list l;
	uint8_t *p = random_bytes(n, 6);
	struct store *s;
	char *dir;

	for (i = part; i < n; i += part)
		memcpy(p + i, p, part);
	s = new_store(&dir);
	put_stream(s, p, n, MIB(1));
	scan_packs(dir, &l);
	for (i = 0; i < l.n; i++)
		for (k = 0; k < i; k++)
			ck_assert(!addr_eq(&l.addr[i], &l.addr[k]));
	drop_store(s, dir);
	free(p);
}
END_TEST

struct job {
	struct store *s;
	uint8_t *p;
	size_t n;
	struct addr a;
};

static void *put_job(void *arg)
{
	struct job *j = arg;

	j->a = put_stream(j->s, j->p, j->n, KIB(256));
	return NULL;
}

/* More writers than there are shared buffers for. */
START_TEST(ingest_of_many_writers_at_once)
{
	struct job jobs[16];
	pthread_t threads[16];
	struct store *s, *one;
	struct addr a;
	char *dir, *other;
	size_t i;

	s = new_store(&dir);
	one = new_store(&other);
	for (i = 0; i < ARRAY_LEN(jobs); i++) {
		jobs[i].s = s;
		jobs[i].n = MIB(4) + i * KIB(700);
		/* pairs of the same content */
		jobs[i].p = mixture(jobs[i].n, i / 2 + 100);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, put_job,
						&jobs[i]),
				 0);
	}
	for (i = 0; i < ARRAY_LEN(jobs); i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	for (i = 0; i < ARRAY_LEN(jobs); i++) {
		a = put_stream(one, jobs[i].p, jobs[i].n, KIB(999));
		ck_assert(addr_eq(&a, &jobs[i].a));
		ck_assert_int_eq(blob_complete(s, &a), 1);
		free(jobs[i].p);
	}
	drop_store(one, other);
	drop_store(s, dir);
}
END_TEST

static void limit_files(rlim_t size)
{
	struct rlimit r = {size, RLIM_INFINITY};

	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &r), 0);
}

/* A pack that cannot grow: what a worker meets is the writer's, and the store
 * goes on. */
START_TEST(ingest_failure_reaches_the_writer)
{
	size_t n = MIB(32), off;
	uint8_t *p = random_bytes(n, 9);
	struct blob_writer *w;
	struct store *s;
	struct addr a, b;
	char *dir;
	int rc = 0;

	quiet();
	signal(SIGXFSZ, SIG_IGN);
	s = new_store(&dir);
	ck_assert_int_eq(blob_put(s, p, KIB(100), &a), 0);
	limit_files(MIB(5));
	w = blob_writer_new(s);
	for (off = 0; !rc && off < n; off += KIB(512))
		rc = blob_write(w, p + off, KIB(512));
	ck_assert(rc == 0 || rc == -EFBIG);
	ck_assert_int_eq(blob_finish(w, &b, NULL), -EFBIG);
	ck_assert_int_eq(blob_finish(w, &b, NULL), -EFBIG);
	ck_assert_int_eq(blob_write(w, p, 1), -EFBIG);
	blob_writer_free(w);
	limit_files(RLIM_INFINITY);
	b = put_stream(s, p, n, MIB(1));
	s = reopen_store(s, dir);
	ck_assert_int_eq(blob_complete(s, &a), 1);
	ck_assert_int_eq(blob_complete(s, &b), 1);
	drop_store(s, dir);
	free(p);
}
END_TEST

START_TEST(ingest_writer_given_up_half_way)
{
	size_t n = MIB(12);
	uint8_t *p = random_bytes(n, 10);
	struct blob_writer *w;
	struct store *s;
	struct addr a, b;
	char *dir;
	int i;

	s = new_store(&dir);
	for (i = 1; i < 6; i++) {
		w = blob_writer_new(s);
		ck_assert_int_eq(blob_write(w, p, (size_t)i * MIB(2)), 0);
		blob_writer_free(w);
	}
	a = put_stream(s, p, n, MIB(1));
	ck_assert_int_eq(blob_put(s, p, n, &b), 0);
	ck_assert(addr_eq(&a, &b));
	drop_store(s, dir);
	free(p);
}
END_TEST

START_TEST(ingest_checked_heals_what_is_damaged)
{
	size_t n = MIB(8);
	uint8_t *p = random_bytes(n, 11), *got = malloc(n), id[PACK_ID_LEN];
	struct blob_writer *w;
	struct blob *blob;
	struct store *s;
	struct addr a, b;
	char *dir;
	int fd;

	quiet();
	s = new_store(&dir);
	a = put_stream(s, p, n, MIB(1));
	ck_assert_int_eq(store_sync(s), 0);
	fd = open_only_pack(dir, id);
	flip_byte(fd, MIB(3), 1);
	flip_byte(fd, MIB(6), 1);
	close(fd);
	s = reopen_store(s, dir);
	w = blob_writer_new(s);
	blob_writer_check(w);
	ck_assert_int_eq(blob_write(w, p, n), 0);
	ck_assert_int_eq(blob_finish(w, &b, NULL), 0);
	blob_writer_free(w);
	ck_assert(addr_eq(&a, &b));
	ck_assert_int_eq(blob_open(s, &a, &blob), 0);
	ck_assert_int_eq(blob_pread(blob, got, n, 0), (ssize_t)n);
	ck_assert_mem_eq(got, p, n);
	blob_close(blob);
	drop_store(s, dir);
	free(got);
	free(p);
}
END_TEST

TESTS("ingest", ingest_gives_the_pieces_of_one_thread,
      ingest_appends_in_the_order_of_the_file, ingest_stores_what_repeats_once,
      ingest_of_many_writers_at_once, ingest_failure_reaches_the_writer,
      ingest_writer_given_up_half_way, ingest_checked_heals_what_is_damaged)
