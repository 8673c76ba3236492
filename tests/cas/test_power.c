/* The power is cut at every place of a history of writes and syncs, in several
 * ways at each: the store opens by itself, is as it was after one of the
 * changes, and nothing that was synced is missing. */
#include "cas/blob.h"
#include "cas/fsck.h"
#include "cas/seal_file.h"
#include "core/sealed.h"
#include "tests/cas/util.h"
#include "tests/cas/world.h"
#include "tests/lib/disk.h"
#include "tests/lib/harness.h"
#include "tests/lib/power.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* --- the history ---------------------------------------------------------- */

/* What was, after each change that was committed. */
struct history {
	struct buf states[4096];
	unsigned n;
};

static struct history history;

static void remember(struct world *w)
{
	ck_assert_uint_lt(history.n, ARRAY_LEN(history.states));
	world_dump(w, &history.states[history.n++]);
}

/* Marks: how many states there were, with the lowest bit when they are safe. */
static void acknowledge(bool safe)
{
	disk_mark((uint64_t)history.n << 1 | safe);
}

static void commit(struct world *w)
{
	ck_assert_int_eq(db_commit(store_db(w->store)), 0);
	remember(w);
	acknowledge(false);
}

static void sync_all(struct world *w)
{
	commit(w);
	ck_assert_int_eq(store_sync(w->store), 0);
	acknowledge(true);
}

/* Text that no other file has; now and then one of several chunks. */
static void write_file(struct world *w, const char *name, unsigned i)
{
	size_t n = i % 11 == 5 ? 60000 : i % 4 == 0 ? 3000 : 40;
	uint8_t *p = i % 3 ? random_bytes(n, i) : text_bytes(n, i);

	world_write(w, name, p, n);
	free(p);
}

static void step(struct world *w, unsigned i)
{
	char name[32], to[32];

	snprintf(name, sizeof(name), "f%u", i % 13);
	snprintf(to, sizeof(to), "f%u", (i + 5) % 13);
	switch (i % 9) {
	case 3:
		world_rename(w, name, to);
		break;
	case 5:
		world_unlink(w, to);
		break;
	case 6:
		world_xattr(w, name, i);
		break;
	case 7:
		world_mkdir(w, i);
		break;
	case 8:
		world_result(w, i);
		break;
	default:
		write_file(w, name, i);
	}
}

/* Batches of one to four changes, syncs now and then, a checkpoint, an end and
 * a new beginning. */
static void run(const char *dir, unsigned steps)
{
	struct world w;
	unsigned i;

	world_open(&w, dir);
	remember(&w);
	acknowledge(false);
	for (i = 0; i < steps; i++) {
		step(&w, i);
		if (i % 4 != 1)
			commit(&w);
		if (i % 7 == 6)
			sync_all(&w);
		if (i % 37 == 30) {
			commit(&w);
			world_checkpoint(&w);
		}
		if (i % 29 == 28) {
			commit(&w);
			world_close(&w);
			acknowledge(true);
			world_open(&w, dir);
		}
	}
	commit(&w);
	world_close(&w);
	acknowledge(true);
}

/* Of the recoveries that went back one in so many is cut short in turn, and one
 * in so many followed by the loss of the database. */
#define AGAIN_EVERY   40
#define REBUILD_EVERY 20

/* --- the cuts ------------------------------------------------------------- */

static struct {
	unsigned cuts, back, newest, unmade, again, rebuilt;
} seen;

/* What may be found: at or behind the safe state, before `upto`. */
struct range {
	unsigned safe, upto;
};

/* The state that is found; its number. */
static unsigned find_state(struct world *w, struct range may, size_t at,
			   uint64_t seed)
{
	struct buf is = BUF_INIT;
	unsigned i;

	world_dump(w, &is);
	for (i = may.upto; i-- > may.safe;)
		if (is.len == history.states[i].len &&
		    !memcmp(is.data, history.states[i].data, is.len))
			break;
	if (i + 1 == may.safe || i == UINT32_MAX) {
		fprintf(stderr, "# found:\n%s# newest possible:\n%s",
			buf_cstr(&is), buf_cstr(&history.states[may.upto - 1]));
		ck_abort_msg("cut %zu seed %ju: no state between %u and %u", at,
			     (uintmax_t)seed, may.safe, may.upto);
	}
	seen.newest += i + 1 == may.upto;
	buf_done(&is);
	return i;
}

static void open_found(struct world *w, const char *dir, int flags, size_t at,
		       uint64_t seed)
{
	char store[4096];
	struct err err = {{0}};
	int rc;

	snprintf(store, sizeof(store), "%s/store", dir);
	rc = world_try(w, store, flags, &err);
	ck_assert_msg(!rc, "cut %zu seed %ju: %s", at, (uintmax_t)seed,
		      err.msg);
	world_check(w);
}

/* The power goes again while what it left is brought in order: that is done
 * anew, and what was found once stays so. */
static void cut_again(const char *dir, struct range may, size_t at,
		      uint64_t seed)
{
	char log[4096], found[4096];
	struct power *p;
	struct world w;
	bool known = false;
	size_t i, n;

	snprintf(log, sizeof(log), "%s.log", dir);
	snprintf(found, sizeof(found), "%s.again", dir);
	disk_watch(dir, log);
	disk_lazy(false);
	disk_mark(0);
	open_found(&w, dir, 0, at, seed);
	disk_mark(1);
	may.safe = find_state(&w, may, at, seed);
	may.upto = may.safe + 1;
	world_drop(&w);
	disk_rest();
	disk_lazy(true);
	p = power_load(log);
	n = power_count(p);
	for (i = 1; i <= n; i++) {
		if (power_record(p, i - 1)->kind == DISK_MARK)
			known = true;
		if (!known || (i + at) % (3 * DISK_SPARSE))
			continue;
		power_cut(p, i, seed + i, found);
		open_found(&w, found, 0, at, seed);
		find_state(&w, may, at, seed);
		world_goes_on(&w);
		world_close(&w);
		remove_tree(found);
		seen.again++;
	}
	power_free(p);
	unlink(log);
}

static void say_found(void *ctx, const struct fsck_finding *f)
{
	(void)ctx;
	if (f->state == FSCK_LEFT)
		fprintf(stderr, "# %s: %s\n", f->where, f->what);
}

/* The packs alone tell the same, also of what was undone. */
static void rebuild(const char *dir, struct range may, size_t at, uint64_t seed)
{
	static const char *const files[] = {"", "-wal", "-shm", "-mark"};
	const struct fsck_host host = {NULL, say_found, NULL};
	struct fsck_sums sums;
	char path[4096];
	struct fsck *f;
	struct world w;
	struct err err;
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/store/deriva.db%s", dir,
			 files[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/store", dir);
	rc = fsck_open(path, &host, &f, &err);
	ck_assert_msg(!rc, "cut %zu seed %ju: %s", at, (uintmax_t)seed,
		      err.msg);
	ck_assert_int_eq(fsck_check(f), 0);
	rc = fsck_repair(f, &err);
	ck_assert_msg(!rc, "cut %zu seed %ju: %s", at, (uintmax_t)seed,
		      err.msg);
	ck_assert_int_eq(fsck_left(f), 0);
	fsck_sums(f, &sums);
	ck_assert_uint_eq(sums.left, 0);
	fsck_close(f);
	open_found(&w, dir, 0, at, seed);
	find_state(&w, may, at, seed);
	world_close(&w);
	seen.rebuilt++;
}

static void check_cut(struct power *p, const char *dir, size_t at,
		      uint64_t seed, struct range may)
{
	char store[4096];
	struct world w;
	unsigned is = 0;
	bool back;

	power_cut(p, at, seed, dir);
	snprintf(store, sizeof(store), "%s/store", dir);
	seen.cuts++;
	if (!may.safe && access(store, F_OK) < 0) {
		seen.unmade++;
		remove_tree(dir);
		return;
	}
	open_found(&w, dir, may.safe ? 0 : STORE_CREATE, at, seed);
	may.safe = may.safe ? may.safe - 1 : 0;
	if (may.upto)
		is = find_state(&w, may, at, seed);
	back = world_rolled_back(&w);
	seen.back += back;
	if (back && seen.back % REBUILD_EVERY == 1) {
		world_close(&w);
		rebuild(dir, (struct range){is, is + 1}, at, seed);
	} else {
		world_goes_on(&w);
		world_close(&w);
	}
	remove_tree(dir);
	if (!back || seen.back % AGAIN_EVERY != 1)
		return;
	power_cut(p, at, seed, dir);
	cut_again(dir, may, at, seed);
	remove_tree(dir);
}

/* The first record before which `safe` states are known to be safe, and how
 * many there may be at most: a batch may be in the log and not acknowledged. */
static void cut_all(struct power *p, const char *dir, unsigned seeds,
		    unsigned every)
{
	unsigned safe = 0, upto = 1;
	const struct disk_record *r;
	size_t at;
	uint64_t i;

	for (at = 1; at <= power_count(p); at++) {
		r = power_record(p, at - 1);
		if (r->kind == DISK_MARK) {
			upto = MIN((unsigned)(r->off >> 1) + 1, history.n);
			if (r->off & 1)
				safe = (unsigned)(r->off >> 1);
		}
		if (at % every)
			continue;
		for (i = 0; i < seeds; i++)
			check_cut(p, dir, at,
				  i < 2 ? i : at * UINT64_C(1000003) + i,
				  (struct range){safe, upto});
	}
}

static unsigned from_environment(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

/* POWER_STEPS, POWER_SEEDS and POWER_EVERY make it longer. */
START_TEST(power_cut_leaves_what_was_synced_and_a_prefix_of_the_rest)
{
	char *dir = test_dir(), store[4096], log[4096], found[4096];
	struct power *p;

	snprintf(log, sizeof(log), "%s/log", dir);
	snprintf(found, sizeof(found), "%s/found", dir);
	snprintf(store, sizeof(store), "%s/root", dir);
	ck_assert_int_eq(mkdir(store, 0700), 0);
	disk_watch(store, log);
	strcat(store, "/store");
	run(store, from_environment("POWER_STEPS", 90));
	disk_rest();
	p = power_load(log);
	quiet();
	disk_lazy(true);
	cut_all(p, found, from_environment("POWER_SEEDS", 4),
		from_environment("POWER_EVERY", 4 * DISK_SPARSE));
	printf("# %zu records, %u cuts: %u times the newest state, %u times "
	       "rolled back, %u times there was no store yet; %u cuts of a "
	       "recovery, %u times rebuilt from the packs\n",
	       power_count(p), seen.cuts, seen.newest, seen.back, seen.unmade,
	       seen.again, seen.rebuilt);
	ck_assert_uint_gt(seen.back, 0);
	ck_assert_uint_gt(seen.again, 0);
	ck_assert_uint_gt(seen.rebuilt, 0);
	power_free(p);
	remove_tree(dir);
	free(dir);
}
END_TEST

/* A file that was closed; what is in it is no matter here. */
static void close_file(struct world *w, const char *name)
{
	struct buf body = BUF_INIT;
	uint64_t at, id, seq = ns_last_change(w->ns);
	int fd = openat(store_drafts_fd(w->store), name,
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	buf_u64(&body, seq);
	ck_assert_int_eq(seal_file_write(fd, &body, &at), 0);
	ck_assert_int_eq(sealed_add(store_db(w->store), name, seq, &id), 0);
	buf_done(&body);
	close(fd);
}

/* It was on the disk: nothing else is undone or given up with it. */
START_TEST(power_file_that_waits_and_is_gone_takes_no_other_along)
{
	struct buf was = BUF_INIT, is = BUF_INIT;
	char *dir = test_dir(), store[4096];
	struct sealed row;
	struct world w;

	snprintf(store, sizeof(store), "%s/store", dir);
	world_open(&w, store);
	write_file(&w, "f0", 0);
	close_file(&w, "sealed-1-0");
	write_file(&w, "f1", 1);
	close_file(&w, "sealed-1-1");
	write_file(&w, "f2", 2);
	ck_assert_int_eq(db_commit(store_db(w.store)), 0);
	ck_assert_int_eq(store_sync(w.store), 0);
	write_file(&w, "f3", 3);
	ck_assert_int_eq(db_commit(store_db(w.store)), 0);
	world_dump(&w, &was);
	ck_assert_int_eq(unlinkat(store_drafts_fd(w.store), "sealed-1-0", 0),
			 0);
	world_close(&w);
	quiet();
	world_open(&w, store);
	ck_assert(!world_rolled_back(&w));
	world_dump(&w, &is);
	ck_assert_str_eq(buf_cstr(&is), buf_cstr(&was));
	ck_assert_int_eq(sealed_find(store_db(w.store), "sealed-1-0", &row), 0);
	ck_assert_int_eq(sealed_find(store_db(w.store), "sealed-1-1", &row), 1);
	world_close(&w);
	buf_done(&was);
	buf_done(&is);
	remove_tree(dir);
	free(dir);
}
END_TEST

TESTS("power", power_cut_leaves_what_was_synced_and_a_prefix_of_the_rest,
      power_file_that_waits_and_is_gone_takes_no_other_along)
