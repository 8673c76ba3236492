/* Every system call that writes fails once, in every way: the nth of a history
 * of writes, for every n. Whoever is told of the failure can go on; afterwards
 * the store opens, is clean, and holds what was acknowledged. */
#include "cas/store.h"
#include "tests/cas/util.h"
#include "tests/cas/world.h"
#include "tests/lib/disk.h"
#include "tests/lib/harness.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static const struct ns_by by = {.uid = 7, .pid = 42, .program = "fault"};

struct run {
	char dir[4096], store[4200];
	struct world w;
	struct buf last;   /* the state after the last commit that succeeded */
	bool made;	   /* the store was opened once */
	unsigned failures; /* that somebody was told of */
};

static int rename_one(struct world *w, const char *name, const char *to)
{
	struct ns_attr gone = {.ino = 0};
	int rc = ns_rename(w->ns, &by, NS_ROOT, name, strlen(name), NS_ROOT, to,
			   strlen(to), 0, &gone);

	if (!rc && gone.ino && !gone.nlink)
		rc = ns_reap(w->ns, gone.ino);
	return rc == -ENOENT ? 0 : rc;
}

static int step(struct world *w, unsigned i)
{
	static const size_t sizes[] = {40, 3000, 90000, 0};
	char name[16], to[16];
	size_t n = sizes[i % 4];
	uint8_t *p;
	int rc;

	snprintf(name, sizeof(name), "f%u", i % 5);
	snprintf(to, sizeof(to), "f%u", (i + 2) % 5);
	if (i % 6 == 5)
		return rename_one(w, name, to);
	p = random_bytes(n, i);
	rc = world_try_write(w, name, p, n);
	free(p);
	return rc;
}

static void dump(struct run *r, struct buf *ret)
{
	buf_reset(ret);
	world_dump(&r->w, ret);
}

/* Who is told that a batch is lost finds the state of before it. */
static void commit(struct run *r)
{
	struct buf is = BUF_INIT;

	if (!db_commit(store_db(r->w.store))) {
		dump(r, &r->last);
		return;
	}
	r->failures++;
	dump(r, &is);
	ck_assert_str_eq(buf_cstr(&is), buf_cstr(&r->last));
	buf_done(&is);
}

/* Opens, or gives up. */
static bool open_one(struct run *r)
{
	struct err err = {{0}};
	int rc = world_try(&r->w, r->store, r->made ? 0 : STORE_CREATE, &err);

	if (rc < 0) {
		r->failures++;
		ck_assert_msg(*err.msg, "fails without a word: %d", rc);
		return false;
	}
	if (!r->made)
		dump(r, &r->last);
	r->made = true;
	return true;
}

static void work(struct run *r, unsigned from)
{
	unsigned i;

	if (!open_one(r))
		return;
	for (i = from; i < from + 8; i++) {
		if (step(&r->w, i) < 0)
			r->failures++;
		if (i % 2)
			commit(r);
		if (i % 4 == 3 && store_sync(r->w.store) < 0)
			r->failures++;
		if (i % 8 == 5)
			world_checkpoint(&r->w);
	}
	commit(r);
	world_drop(&r->w);
}

static void start(struct run *r, const char *dir, const char *name)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->dir, sizeof(r->dir), "%s/%s", dir, name);
	snprintf(r->store, sizeof(r->store), "%s/store", r->dir);
	ck_assert_int_eq(mkdir(r->dir, 0700), 0);
	disk_watch(r->dir, NULL);
}

static void end(struct run *r)
{
	disk_rest();
	remove_tree(r->dir);
	buf_done(&r->last);
}

static void check(struct run *r, unsigned n)
{
	struct buf is = BUF_INIT;
	struct err err = {{0}};
	int rc;

	disk_fail(0, DISK_EIO);
	rc = world_try(&r->w, r->store, r->made ? 0 : STORE_CREATE, &err);
	ck_assert_msg(!rc, "fault %u: %s", n, err.msg);
	dump(r, &is);
	if (r->made)
		ck_assert_msg(!strcmp(buf_cstr(&is), buf_cstr(&r->last)),
			      "fault %u: is\n%sshould be\n%s", n, buf_cstr(&is),
			      buf_cstr(&r->last));
	world_check(&r->w);
	world_goes_on(&r->w);
	world_close(&r->w);
	buf_done(&is);
}

/* Faults at every `every`th call, each kind beginning elsewhere; FAULT_EVERY=1
 * makes it all. */
static void fail_all(enum disk_fault how, unsigned every)
{
	const char *much = getenv("FAULT_EVERY");
	char *dir = test_dir();
	unsigned n, told = 0, count;
	struct run r;

	every *= DISK_SPARSE;
	if (much)
		every = (unsigned)strtoul(much, NULL, 10);
	quiet();
	start(&r, dir, "none");
	work(&r, 0);
	work(&r, 8);
	count = how == DISK_NOSYNC ? disk_syncs() : disk_count();
	ck_assert_uint_eq(r.failures, 0);
	check(&r, 0);
	end(&r);
	ck_assert_uint_gt(count, how == DISK_NOSYNC ? 10 : 100);
	for (n = 1 + how % every; n <= count; n += every) {
		start(&r, dir, "one");
		disk_fail(n, how);
		work(&r, 0);
		work(&r, 8);
		ck_assert_msg(disk_failed() || n + 20 > count,
			      "fault %u of %u did not come up", n, count);
		told += r.failures > 0;
		check(&r, n);
		end(&r);
	}
	printf("# %u calls, of %u faults somebody was told\n", count, told);
	ck_assert(how == DISK_SHORT || told > 0);
	remove_tree(dir);
	free(dir);
}

START_TEST(fault_eio)
{
	fail_all(DISK_EIO, 1);
}
END_TEST

START_TEST(fault_enospc_once)
{
	fail_all(DISK_ENOSPC, 4);
}
END_TEST

START_TEST(fault_full_disk_from_there_on)
{
	fail_all(DISK_FULL, 4);
}
END_TEST

START_TEST(fault_half_a_write_then_eio)
{
	fail_all(DISK_TORN, 4);
}
END_TEST

START_TEST(fault_short_write)
{
	fail_all(DISK_SHORT, 5);
}
END_TEST

START_TEST(fault_every_call_from_there_on)
{
	fail_all(DISK_DEAD, 4);
}
END_TEST

START_TEST(fault_sync)
{
	fail_all(DISK_NOSYNC, 1);
}
END_TEST

/* What the kernel could not write it drops; a sync after it succeeds, and means
 * nothing. So nobody is told that anything is safe any more. */
START_TEST(fault_a_failed_sync_is_not_forgotten)
{
	char *dir = test_dir();
	unsigned n, i, told;
	struct run r;

	quiet();
	for (n = 1; n <= 2; n++) {
		start(&r, dir, "one");
		ck_assert(open_one(&r));
		ck_assert_int_eq(step(&r.w, 0), 0);
		ck_assert_int_eq(store_sync(r.w.store), 0);
		ck_assert_int_eq(step(&r.w, 1), 0);
		disk_fail(n, DISK_NOSYNC);
		ck_assert_int_eq(store_sync(r.w.store), -EIO);
		ck_assert(disk_failed());
		disk_fail(0, DISK_EIO);
		for (i = told = 0; i < 3; i++) {
			ck_assert_int_eq(step(&r.w, 2 + i), 0);
			told += store_sync(r.w.store) == -EIO;
		}
		ck_assert_uint_eq(told, 3);
		dump(&r, &r.last);
		ck_assert_int_eq(store_sync(r.w.store), -EIO);
		world_drop(&r.w);
		check(&r, n);
		end(&r);
	}
	remove_tree(dir);
	free(dir);
}
END_TEST

TESTS("fault", fault_eio, fault_enospc_once, fault_full_disk_from_there_on,
      fault_half_a_write_then_eio, fault_short_write,
      fault_every_call_from_there_on, fault_sync,
      fault_a_failed_sync_is_not_forgotten)
