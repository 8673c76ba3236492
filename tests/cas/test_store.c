#include "cas/store.h"

#include "cas/codec.h"
#include "tests/cas/util.h"
#include "tests/lib/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

static struct addr put(struct store *s, const void *p, size_t n)
{
	struct addr a;

	ck_assert_int_eq(store_put(s, OBJ_CHUNK, p, n, &a), 0);
	return a;
}

static void assert_there(struct store *s, const struct addr *a, const void *p,
			 size_t n)
{
	struct buf b = BUF_INIT;
	enum obj_kind kind;

	ck_assert_int_eq(store_get(s, a, &kind, &b), 0);
	ck_assert_int_eq(kind, OBJ_CHUNK);
	ck_assert_uint_eq(b.len, n);
	if (n)
		ck_assert_mem_eq(b.data, p, n);
	buf_done(&b);
}

START_TEST(store_get_gives_what_was_put_before_and_after_commit)
{
	static const size_t sizes[] = {0, 1, 1000, KIB(16), KIB(256)};
	char *dir;
	struct store *s = new_store(&dir);
	struct addr a[ARRAY_LEN(sizes)];
	struct object_loc loc;
	uint8_t *p = text_bytes(KIB(256), 1);
	size_t i, round;

	for (i = 0; i < ARRAY_LEN(sizes); i++)
		a[i] = put(s, p, sizes[i]);
	ck_assert(store_pending(s));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_LEN(sizes); i++) {
			assert_there(s, &a[i], p, sizes[i]);
			ck_assert(store_has(s, &a[i]));
			ck_assert_int_eq(store_find(s, &a[i], &loc), 0);
			ck_assert_uint_eq(loc.raw, sizes[i]);
			ck_assert_int_eq(!!(loc.pack & PACK_LOCAL), !round);
		}
		if (!round)
			ck_assert_int_eq(store_sync(s), 0);
		else
			s = reopen_store(s, dir);
		ck_assert(!store_pending(s));
	}
	free(p);
	drop_store(s, dir);
}
END_TEST

START_TEST(store_get_absent_is_enoent)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct object_loc loc;
	struct buf b = BUF_INIT;
	struct addr a = {{1, 2, 3}};

	ck_assert_int_eq(store_get(s, &a, NULL, &b), -ENOENT);
	ck_assert_int_eq(store_find(s, &a, &loc), -ENOENT);
	ck_assert(!store_has(s, &a));
	buf_done(&b);
	drop_store(s, dir);
}
END_TEST

START_TEST(store_put_of_the_same_bytes_is_kept_once)
{
	char *dir;
	struct store *s = new_store(&dir);
	uint8_t id[PACK_ID_LEN], *p = random_bytes(KIB(100), 1);
	struct stat before, after;
	int fd;

	put(s, p, KIB(100));
	ck_assert_int_eq(store_sync(s), 0);
	fd = open_only_pack(dir, id);
	ck_assert_int_eq(fstat(fd, &before), 0);
	put(s, p, KIB(100));
	s = reopen_store(s, dir);
	put(s, p, KIB(100));
	ck_assert_int_eq(store_sync(s), 0);
	ck_assert_int_eq(fstat(fd, &after), 0);
	ck_assert_int_eq(before.st_size, after.st_size);
	close(fd);
	free(p);
	drop_store(s, dir);
}
END_TEST

START_TEST(store_same_bytes_of_two_kinds_are_two_objects)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct buf b = BUF_INIT;
	enum obj_kind kind;
	struct addr a[OBJ_JOURNAL + 1];
	int i, k;

	for (i = OBJ_CHUNK; i <= OBJ_JOURNAL; i++) {
		ck_assert_int_eq(store_put(s, (enum obj_kind)i, "abc", 3,
					   &a[i]),
				 0);
		for (k = OBJ_CHUNK; k < i; k++)
			ck_assert(!addr_eq(&a[i], &a[k]));
	}
	for (i = OBJ_CHUNK; i <= OBJ_JOURNAL; i++) {
		ck_assert_int_eq(store_get(s, &a[i], &kind, &b), 0);
		ck_assert_int_eq(kind, i);
	}
	buf_done(&b);
	drop_store(s, dir);
}
END_TEST

START_TEST(store_put_too_long_is_efbig)
{
	char *dir;
	struct store *s = new_store(&dir);
	uint8_t *p = calloc(1, OBJ_MAX + 1);
	struct addr a;

	ck_assert_int_eq(store_put(s, OBJ_CHUNK, p, CHUNK_MAX + 1, &a), -EFBIG);
	ck_assert_int_eq(store_put(s, OBJ_RECIPE, p, OBJ_MAX, &a), 0);
	ck_assert_int_eq(store_put(s, OBJ_RECIPE, p, OBJ_MAX + 1, &a), -EFBIG);
	free(p);
	drop_store(s, dir);
}
END_TEST

/* Every byte of a record is changed in turn: reading it gives -EBADMSG, or, in
 * bits of a zstd frame that mean nothing, the right bytes. */
static void assert_every_byte_counts(const uint8_t *p, size_t n,
				     enum codec_id codec)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct object_loc loc;
	struct buf b = BUF_INIT;
	uint8_t id[PACK_ID_LEN];
	struct addr a = put(s, p, n);
	size_t i;
	int fd, rc;

	ck_assert_int_eq(store_sync(s), 0);
	ck_assert_int_eq(store_find(s, &a, &loc), 0);
	ck_assert_int_eq(loc.codec, codec);
	fd = open_only_pack(dir, id);
	for (i = 0; i < RECORD_HEADER_LEN + loc.stored; i++) {
		flip_byte(fd, loc.offset + i, 0x40);
		rc = store_get(s, &a, NULL, &b);
		if (!rc && i >= RECORD_HEADER_LEN && codec == CODEC_ZSTD) {
			ck_assert_uint_eq(b.len, n);
			ck_assert_mem_eq(b.data, p, n);
		} else {
			ck_assert_int_eq(rc, -EBADMSG);
			ck_assert_uint_eq(b.len, 0);
		}
		flip_byte(fd, loc.offset + i, 0x40);
	}
	assert_there(s, &a, p, n);
	close(fd);
	buf_done(&b);
	drop_store(s, dir);
}

START_TEST(store_get_corrupt_is_ebadmsg)
{
	uint8_t *noise = random_bytes(300, 1), *text = text_bytes(3000, 1);

	quiet(); /* a line for each */
	assert_every_byte_counts(noise, 300, CODEC_RAW);
	assert_every_byte_counts(text, 3000, CODEC_ZSTD);
	free(noise);
	free(text);
}
END_TEST

START_TEST(store_get_cut_off_or_missing_pack_is_ebadmsg)
{
	char *dir, *path = NULL;
	struct store *s = new_store(&dir);
	struct buf b = BUF_INIT;
	uint8_t id[PACK_ID_LEN], *p = random_bytes(1000, 1);
	struct addr a = put(s, p, 1000);
	char name[PACK_NAME_LEN];
	struct stat st;
	int fd;

	quiet();
	ck_assert_int_eq(store_sync(s), 0);
	fd = open_only_pack(dir, id);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(ftruncate(fd, st.st_size - 1), 0);
	ck_assert_int_eq(store_get(s, &a, NULL, &b), -EBADMSG);
	ck_assert_int_eq(ftruncate(fd, 10), 0);
	ck_assert_int_eq(store_get(s, &a, NULL, &b), -EBADMSG);
	s = reopen_store(s, dir);
	pack_name(id, name);
	ck_assert_int_gt(asprintf(&path, "%s/packs/%s", dir, name), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(store_get(s, &a, NULL, &b), -EBADMSG);
	close(fd);
	free(path);
	free(p);
	buf_done(&b);
	drop_store(s, dir);
}
END_TEST

START_TEST(store_put_checked_heals_what_is_damaged)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct buf b = BUF_INIT;
	struct object_loc loc;
	uint8_t id[PACK_ID_LEN], *p = random_bytes(1000, 1);
	struct addr a = put(s, p, 1000);
	int fd, round;

	quiet();
	for (round = 0; round < 2; round++) {
		/* before its row is committed, then after */
		if (round)
			ck_assert_int_eq(store_sync(s), 0);
		ck_assert_int_eq(store_find(s, &a, &loc), 0);
		fd = open_only_pack(dir, id);
		flip_byte(fd, loc.offset + 100, 1);
		close(fd);
		ck_assert_int_eq(store_get(s, &a, NULL, &b), -EBADMSG);
		ck_assert_int_eq(store_put_checked(s, OBJ_CHUNK, &a, p, 1000),
				 0);
		assert_there(s, &a, p, 1000);
	}
	s = reopen_store(s, dir);
	assert_there(s, &a, p, 1000);
	free(p);
	buf_done(&b);
	drop_store(s, dir);
}
END_TEST

static void run_sql(struct store *s, const char *sql)
{
	struct stmt *st;
	int rc;

	db_lock(store_db(s));
	ck_assert_int_eq(db_begin(store_db(s)), 0);
	st = db_prepare(store_db(s), sql, &rc);
	ck_assert_int_eq(st ? stmt_run(st) : rc, 0);
	stmt_free(st);
	ck_assert_int_eq(db_commit(store_db(s)), 0);
	db_unlock(store_db(s));
}

/* The bytes are good, and what leads to them is not. */
START_TEST(store_put_heals_a_damaged_row)
{
	static const char *const damage[] = {
		"UPDATE object SET kind = 77",
		"UPDATE object SET offset = -5",
		"UPDATE object SET offset = offset + 1",
		"UPDATE object SET pack = 4711",
		"UPDATE object SET pack = -1",
		"UPDATE object SET stored = stored + 7",
		"UPDATE object SET raw = raw + 1",
		"UPDATE object SET codec = 9",
	};
	char *dir;
	struct store *s = new_store(&dir);
	uint8_t *p = random_bytes(1000, 1);
	struct addr a = put(s, p, 1000);
	struct buf b = BUF_INIT;
	size_t i;
	int rc;

	quiet();
	for (i = 0; i < ARRAY_LEN(damage); i++) {
		ck_assert_int_eq(store_sync(s), 0);
		run_sql(s, damage[i]);
		s = reopen_store(s, dir);
		rc = store_get(s, &a, NULL, &b);
		ck_assert_msg(rc == -EBADMSG || rc == -EUCLEAN, "%s: %d",
			      damage[i], rc);
		put(s, p, 1000);
		assert_there(s, &a, p, 1000);
		s = reopen_store(s, dir);
		assert_there(s, &a, p, 1000);
	}
	free(p);
	buf_done(&b);
	drop_store(s, dir);
}
END_TEST

START_TEST(store_put_reads_back_what_it_finds_there)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct buf b = BUF_INIT;
	struct object_loc loc, now;
	uint8_t id[PACK_ID_LEN], *p = random_bytes(1000, 1);
	struct addr a = put(s, p, 1000);
	int fd;

	quiet();
	ck_assert_int_eq(store_sync(s), 0);
	ck_assert_int_eq(store_find(s, &a, &loc), 0);
	/* what is good is not stored a second time, by another process either
	 */
	s = reopen_store(s, dir);
	put(s, p, 1000);
	ck_assert_int_eq(store_find(s, &a, &now), 0);
	ck_assert_uint_eq(now.offset, loc.offset);
	ck_assert_uint_eq(now.pack, loc.pack);
	/* what has changed since is, though nobody has read it yet */
	s = reopen_store(s, dir);
	fd = open_only_pack(dir, id);
	flip_byte(fd, loc.offset + 100, 1);
	close(fd);
	put(s, p, 1000);
	assert_there(s, &a, p, 1000);
	s = reopen_store(s, dir);
	assert_there(s, &a, p, 1000);
	free(p);
	buf_done(&b);
	drop_store(s, dir);
}
END_TEST

START_TEST(store_rolled_back_batch_keeps_objects_for_the_next)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct addr a = put(s, "text", 4);

	db_lock(store_db(s));
	ck_assert_int_eq(db_begin(store_db(s)), 0);
	db_rollback(store_db(s));
	db_unlock(store_db(s));
	ck_assert(store_pending(s));
	assert_there(s, &a, "text", 4);
	s = reopen_store(s, dir);
	assert_there(s, &a, "text", 4);
	drop_store(s, dir);
}
END_TEST

static int refuse(void *ctx)
{
	return *(int *)ctx;
}

START_TEST(store_failed_commit_keeps_objects_for_the_next)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct addr a = put(s, "text", 4);
	int rc = -EIO;

	/* runs behind the store's own, which has written its rows by then */
	ck_assert_int_eq(db_add_hook(store_db(s),
				     (struct db_hook){refuse, NULL, &rc}),
			 0);
	ck_assert_int_eq(store_sync(s), -EIO);
	ck_assert(store_pending(s));
	assert_there(s, &a, "text", 4);
	rc = 0;
	s = reopen_store(s, dir);
	assert_there(s, &a, "text", 4);
	drop_store(s, dir);
}
END_TEST

struct late {
	struct store *s;
	struct addr a;
};

static int put_late(void *ctx)
{
	struct late *l = ctx;

	return store_put(l->s, OBJ_JOURNAL, "journal", 7, &l->a);
}

START_TEST(store_put_by_a_later_hook_is_in_the_same_batch)
{
	char *dir;
	struct late l = {.s = new_store(&dir)};
	struct object_loc loc;

	ck_assert_int_eq(db_add_hook(store_db(l.s),
				     (struct db_hook){put_late, NULL, &l}),
			 0);
	db_lock(store_db(l.s));
	ck_assert_int_eq(db_begin(store_db(l.s)), 0);
	ck_assert_int_eq(db_commit(store_db(l.s)), 0);
	db_unlock(store_db(l.s));
	ck_assert(!store_pending(l.s));
	ck_assert_int_eq(objects_find(store_objects(l.s), &l.a, &loc), 0);
	drop_store(l.s, dir);
}
END_TEST

struct putter {
	struct store *s;
	uint64_t seed;
};

static void *put_many(void *ctx)
{
	struct putter *x = ctx;
	uint8_t p[512];
	struct addr a;
	unsigned i;

	for (i = 0; i < 2000; i++) {
		/* half of them others put as well */
		fill_random(p, sizeof(p), i % 2 ? i : x->seed * 10000 + i);
		a = put(x->s, p, sizeof(p));
		assert_there(x->s, &a, p, sizeof(p));
	}
	return NULL;
}

START_TEST(store_threads_put_and_get_while_another_commits)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct object_totals t;
	struct putter x[4];
	pthread_t threads[4];
	size_t i;

	for (i = 0; i < 4; i++) {
		x[i] = (struct putter){s, i + 1};
		pthread_create(&threads[i], NULL, put_many, &x[i]);
	}
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(store_sync(s), 0);
		usleep(5000);
	}
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(store_sync(s), 0);
	db_lock(store_db(s));
	ck_assert_int_eq(objects_totals(store_objects(s), &t), 0);
	db_unlock(store_db(s));
	ck_assert_uint_eq(t.objects, 4 * 1000 + 1000);
	drop_store(s, dir);
}
END_TEST

START_TEST(store_goes_on_in_another_pack_when_one_is_full)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct object_totals t;
	struct addr first, last;
	uint8_t *p = random_bytes(KIB(256), 0);
	uint64_t i;

	for (i = 0; i < 1100; i++) { /* 275 MiB */
		put_le64(p, i);
		last = put(s, p, KIB(256));
		if (!i)
			first = last;
		if (i % 500 == 0)
			ck_assert_int_eq(store_sync(s), 0);
	}
	assert_there(s, &last, p, KIB(256));
	s = reopen_store(s, dir);
	assert_there(s, &last, p, KIB(256));
	put_le64(p, 0);
	assert_there(s, &first, p, KIB(256));
	db_lock(store_db(s));
	ck_assert_int_eq(objects_totals(store_objects(s), &t), 0);
	db_unlock(store_db(s));
	ck_assert_uint_eq(t.packs, 2);
	free(p);
	drop_store(s, dir);
}
END_TEST

TESTS("store", store_get_gives_what_was_put_before_and_after_commit,
      store_get_absent_is_enoent, store_put_of_the_same_bytes_is_kept_once,
      store_same_bytes_of_two_kinds_are_two_objects,
      store_put_too_long_is_efbig, store_get_corrupt_is_ebadmsg,
      store_get_cut_off_or_missing_pack_is_ebadmsg,
      store_put_checked_heals_what_is_damaged, store_put_heals_a_damaged_row,
      store_put_reads_back_what_it_finds_there,
      store_rolled_back_batch_keeps_objects_for_the_next,
      store_failed_commit_keeps_objects_for_the_next,
      store_put_by_a_later_hook_is_in_the_same_batch,
      store_threads_put_and_get_while_another_commits,
      store_goes_on_in_another_pack_when_one_is_full)
