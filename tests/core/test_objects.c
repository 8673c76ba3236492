#include "core/objects.h"

#include <errno.h>

#include "tests/lib/harness.h"

struct fixture {
	char *dir;
	char path[256];
	struct db *db;
	struct objects *o;
};

static void start(struct fixture *f)
{
	struct err err;

	f->dir = test_dir();
	snprintf(f->path, sizeof(f->path), "%s/deriva.db", f->dir);
	ck_assert_msg(!db_open(f->path, DB_CREATE, &f->db, &err), "%s",
		      err.msg);
	ck_assert_msg(!objects_open(f->db, f->path, &f->o, &err), "%s",
		      err.msg);
}

static void end(struct fixture *f)
{
	objects_close(f->o);
	db_close(f->db);
	remove_tree(f->dir);
	free(f->dir);
}

static struct addr address(unsigned n)
{
	struct addr a;

	addr_of(OBJ_CHUNK, &n, sizeof(n), &a);
	return a;
}

static struct object_loc place(unsigned n)
{
	return (struct object_loc){
		.kind = OBJ_NODE,
		.codec = 1,
		.pack = 3,
		.offset = UINT64_C(1) << 40 | n,
		.stored = UINT32_MAX,
		.raw = n,
	};
}

static void add(struct fixture *f, unsigned n)
{
	struct addr a = address(n);
	struct object_loc loc = place(n);

	ck_assert_int_eq(objects_add(f->o, &a, &loc), 0);
}

static void has(struct fixture *f, unsigned n)
{
	struct addr a = address(n);
	struct object_loc got, want = place(n);

	ck_assert_int_eq(objects_find(f->o, &a, &got), 0);
	ck_assert_int_eq(got.kind, want.kind);
	ck_assert_uint_eq(got.codec, want.codec);
	ck_assert_uint_eq(got.pack, want.pack);
	ck_assert_uint_eq(got.offset, want.offset);
	ck_assert_uint_eq(got.stored, want.stored);
	ck_assert_uint_eq(got.raw, want.raw);
}

static void lacks(struct fixture *f, unsigned n)
{
	struct addr a = address(n);
	struct object_loc got;

	ck_assert_int_eq(objects_find(f->o, &a, &got), -ENOENT);
}

START_TEST(objects_find_sees_a_row_once_it_is_committed)
{
	struct fixture f;

	start(&f);
	add(&f, 1);
	lacks(&f, 1);
	ck_assert_int_eq(db_commit(f.db), 0);
	has(&f, 1);
	add(&f, 2);
	db_rollback(f.db);
	lacks(&f, 2);
	has(&f, 1);
	end(&f);
}
END_TEST

START_TEST(objects_add_keeps_the_row_that_is_there_and_replace_does_not)
{
	struct fixture f;
	struct addr a = address(1);
	struct object_loc other = place(1), got;

	start(&f);
	add(&f, 1);
	other.offset = 77;
	ck_assert_int_eq(objects_add(f.o, &a, &other), 0);
	ck_assert_int_eq(db_commit(f.db), 0);
	has(&f, 1);
	ck_assert_int_eq(objects_replace(f.o, &a, &other), 0);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(objects_find(f.o, &a, &got), 0);
	ck_assert_uint_eq(got.offset, 77);
	other.offset = UINT64_MAX;
	ck_assert_int_eq(objects_add(f.o, &a, &other), -EFBIG);
	end(&f);
}
END_TEST

static int count(void *ctx, const struct addr *a, const struct object_loc *loc)
{
	unsigned *seen = ctx;
	struct addr want = address(loc->raw);

	ck_assert(addr_eq(a, &want));
	*seen |= 1u << loc->raw;
	return 0;
}

static int stop(void *ctx, const struct addr *a, const struct object_loc *loc)
{
	++*(int *)ctx;
	return 42;
}

START_TEST(objects_iterate_visits_all_also_of_the_batch)
{
	struct fixture f;
	unsigned i, seen = 0;
	int stopped = 0;

	start(&f);
	for (i = 0; i < 8; i++)
		add(&f, i);
	ck_assert_int_eq(db_commit(f.db), 0);
	for (; i < 16; i++)
		add(&f, i);
	ck_assert_int_eq(objects_iterate(f.o, count, &seen), 0);
	ck_assert_uint_eq(seen, 0xffff);
	ck_assert_int_eq(objects_iterate(f.o, stop, &stopped), 42);
	ck_assert_int_eq(stopped, 1);
	end(&f);
}
END_TEST

START_TEST(objects_totals_add_up)
{
	struct fixture f;
	struct object_totals t;
	const uint8_t id[PACK_ID_LEN] = "a pack";
	uint32_t pack;

	start(&f);
	ck_assert_int_eq(objects_totals(f.o, &t), 0);
	ck_assert_uint_eq(t.objects + t.raw + t.stored + t.packs, 0);
	add(&f, 5);
	add(&f, 7);
	ck_assert_int_eq(packs_add(f.o, id, &pack), 0);
	ck_assert_int_eq(objects_totals(f.o, &t), 0);
	ck_assert_uint_eq(t.objects, 2);
	ck_assert_uint_eq(t.raw, 12);
	ck_assert_uint_eq(t.stored, UINT64_C(2) * UINT32_MAX);
	ck_assert_uint_eq(t.packs, 1);
	end(&f);
}
END_TEST

START_TEST(packs_id_knows_the_batch_and_forgets_it_with_the_batch)
{
	const uint8_t one[PACK_ID_LEN] = "one", two[PACK_ID_LEN] = "two";
	struct fixture f;
	uint8_t got[PACK_ID_LEN];
	uint32_t a, b, c;

	start(&f);
	ck_assert_int_eq(packs_add(f.o, one, &a), 0);
	ck_assert_int_eq(packs_id(f.o, a, got), 0);
	ck_assert_mem_eq(got, one, PACK_ID_LEN);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(packs_id(f.o, a, got), 0);
	ck_assert_int_eq(packs_add(f.o, one, &b), -EEXIST);
	ck_assert_int_eq(packs_add(f.o, two, &b), 0);
	db_rollback(f.db);
	ck_assert_int_eq(packs_id(f.o, b, got), -ENOENT);
	ck_assert_int_eq(packs_add(f.o, two, &c), 0);
	ck_assert_int_eq(packs_id(f.o, c, got), 0);
	ck_assert_mem_eq(got, two, PACK_ID_LEN);
	ck_assert_int_eq(packs_id(f.o, 12345, got), -ENOENT);
	end(&f);
}
END_TEST

START_TEST(packs_id_knows_the_packs_of_other_processes)
{
	const uint8_t one[PACK_ID_LEN] = "one";
	struct fixture f;
	struct objects *o;
	struct db *db;
	uint8_t got[PACK_ID_LEN];
	uint32_t a;

	start(&f);
	ck_assert_int_eq(db_open(f.path, 0, &db, NULL), 0);
	ck_assert_int_eq(objects_open(db, f.path, &o, NULL), 0);
	ck_assert_int_eq(packs_add(f.o, one, &a), 0);
	ck_assert_int_eq(packs_id(o, a, got), -ENOENT);
	ck_assert_int_eq(db_commit(f.db), 0);
	ck_assert_int_eq(packs_id(o, a, got), 0);
	ck_assert_mem_eq(got, one, PACK_ID_LEN);
	objects_close(o);
	db_close(db);
	end(&f);
}
END_TEST

TESTS("objects", objects_find_sees_a_row_once_it_is_committed,
      objects_add_keeps_the_row_that_is_there_and_replace_does_not,
      objects_iterate_visits_all_also_of_the_batch, objects_totals_add_up,
      packs_id_knows_the_batch_and_forgets_it_with_the_batch,
      packs_id_knows_the_packs_of_other_processes)
