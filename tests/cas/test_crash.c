/* What is left when a process dies, when there are several, and when the disk
 * is full. */
#include "cas/store.h"

#include "tests/cas/util.h"
#include "tests/lib/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define OBJECT 5000

/* The i-th test object, and its address. */
static struct addr object(unsigned i, uint8_t *p)
{
	struct addr a;

	fill_random(p, OBJECT, i + 1);
	addr_of(OBJ_CHUNK, p, OBJECT, &a);
	return a;
}

static int put(struct store *s, unsigned i)
{
	uint8_t p[OBJECT];
	struct addr a = object(i, p);

	return store_put_as(s, OBJ_CHUNK, &a, p, sizeof(p));
}

static int get(struct store *s, unsigned i)
{
	struct buf b = BUF_INIT;
	uint8_t p[OBJECT];
	struct addr a = object(i, p);
	int rc = store_get(s, &a, NULL, &b);

	if (!rc) {
		ck_assert_uint_eq(b.len, OBJECT);
		ck_assert_mem_eq(b.data, p, OBJECT);
	}
	buf_done(&b);
	return rc;
}

/* Every record of every pack; how many, and that nothing is between them. */
static unsigned scan_packs(const char *dir, struct pack_damage *ret)
{
	char path[4096];
	struct pack_damage d;
	struct pack_scan *scan;
	uint8_t id[PACK_ID_LEN];
	struct record r;
	struct dirent *e;
	unsigned count = 0;
	uint64_t off;
	DIR *list;
	int fd, rc;

	memset(ret, 0, sizeof(*ret));
	snprintf(path, sizeof(path), "%s/packs", dir);
	list = opendir(path);
	ck_assert_ptr_nonnull(list);
	while ((e = readdir(list))) {
		if (!pack_parse_name(e->d_name, id))
			continue;
		fd = openat(dirfd(list), e->d_name, O_RDONLY);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(pack_scan_new(fd, id, &scan), 0);
		while ((rc = pack_scan_next(scan, &r, &off)) > 0)
			count++;
		ck_assert_int_eq(rc, 0);
		pack_scan_damage(scan, &d);
		ret->bytes += d.bytes;
		ret->torn += d.torn;
		pack_scan_free(scan);
		close(fd);
	}
	closedir(list);
	return count;
}

/* How many packs there are of that mode. */
static unsigned packs_of_mode(const char *dir, mode_t mode)
{
	char path[4096];
	uint8_t id[PACK_ID_LEN];
	struct dirent *e;
	unsigned count = 0;
	struct stat st;
	DIR *list;

	snprintf(path, sizeof(path), "%s/packs", dir);
	list = opendir(path);
	ck_assert_ptr_nonnull(list);
	while ((e = readdir(list))) {
		if (!pack_parse_name(e->d_name, id))
			continue;
		ck_assert_int_eq(fstatat(dirfd(list), e->d_name, &st, 0), 0);
		count += (st.st_mode & 07777) == mode;
	}
	closedir(list);
	return count;
}

/* A process that uses the store; it ends with _exit, as by a crash, or waits
 * to be killed. */
static pid_t start(const char *dir, void (*fn)(struct store *s, int ready))
{
	int ready[2];
	struct store *s;
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		close(ready[0]);
		if (store_open(dir, 0, &s, NULL))
			_exit(1);
		fn(s, ready[1]);
		_exit(0);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void say(int ready)
{
	if (write(ready, "x", 1) != 1)
		_exit(1);
}

static void put_and_wait(struct store *s, int ready)
{
	unsigned i;

	for (i = 0; i < 20; i++)
		if (put(s, i))
			_exit(1);
	db_lock(store_db(s));
	if (db_begin(store_db(s)) || db_commit(store_db(s)))
		_exit(1);
	db_unlock(store_db(s));
	for (i = 20; i < 40; i++)
		if (put(s, i) || get(s, i))
			_exit(1);
	say(ready);
	pause();
}

static void kill_and_wait(pid_t pid)
{
	int status;

	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
}

START_TEST(store_killed_keeps_what_was_committed)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct pack_damage d;
	unsigned i;

	ck_assert_int_eq(store_close(s), 0);
	kill_and_wait(start(dir, put_and_wait));
	ck_assert_int_eq(store_open(dir, 0, &s, NULL), 0);
	for (i = 0; i < 20; i++)
		ck_assert_int_eq(get(s, i), 0);
	for (i = 20; i < 40; i++)
		ck_assert_int_eq(get(s, i), -ENOENT);
	/* the bytes of the rest are in the pack all the same */
	ck_assert_uint_eq(scan_packs(dir, &d), 40);
	ck_assert(!d.bytes && !d.torn);
	for (i = 20; i < 40; i++) {
		ck_assert_int_eq(put(s, i), 0);
		ck_assert_int_eq(get(s, i), 0);
	}
	drop_store(s, dir);
}
END_TEST

START_TEST(store_never_appends_to_another_processes_pack)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct pack_damage d;
	pid_t pid;

	ck_assert_int_eq(put(s, 100), 0);
	ck_assert_int_eq(store_sync(s), 0);
	pid = start(dir, put_and_wait);
	ck_assert_uint_eq(packs_of_mode(dir, 0600), 2);
	ck_assert_int_eq(put(s, 101), 0);
	ck_assert_int_eq(store_sync(s), 0);
	/* nothing is sealed while its writer lives ... */
	ck_assert_uint_eq(packs_of_mode(dir, 0600), 2);
	kill_and_wait(pid);
	/* ... and by whoever syncs next when it does not */
	ck_assert_int_eq(store_sync(s), 0);
	ck_assert_uint_eq(packs_of_mode(dir, 0600), 1);
	ck_assert_uint_eq(packs_of_mode(dir, 0400), 1);
	s = reopen_store(s, dir);
	ck_assert_uint_eq(packs_of_mode(dir, 0400), 2);
	ck_assert_uint_eq(scan_packs(dir, &d), 42);
	drop_store(s, dir);
}
END_TEST

/* Killed at any moment: no record is lost but the last, and no byte is
 * anything but a record or a torn one at the end. */
static void put_for_ever(struct store *s, int ready)
{
	unsigned i;

	say(ready);
	for (i = 0;; i++)
		if (put(s, i))
			_exit(1);
}

START_TEST(store_killed_while_writing_leaves_a_torn_tail_at_most)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct pack_damage d;
	unsigned round;
	pid_t pid;

	ck_assert_int_eq(store_close(s), 0);
	for (round = 0; round < 10; round++) {
		pid = start(dir, put_for_ever);
		usleep(1000 * (round + 1));
		kill_and_wait(pid);
		scan_packs(dir, &d);
		ck_assert_uint_eq(d.bytes, 0);
		ck_assert_uint_lt(d.torn,
				  (round + 1) * (RECORD_HEADER_LEN + OBJECT));
	}
	ck_assert_int_eq(store_open(dir, 0, &s, NULL), 0);
	ck_assert_int_eq(put(s, 7), 0);
	ck_assert_int_eq(get(s, 7), 0);
	drop_store(s, dir);
}
END_TEST

/* Half of what they put is the same for all. */
static void put_shared(struct store *s, int ready)
{
	unsigned i, own = (unsigned)getpid() % 30000 * 1000 + 1000000;

	say(ready);
	for (i = 0; i < 300; i++) {
		if (put(s, i) || put(s, own + i))
			_exit(2);
		if (i % 50 == 0 && store_sync(s))
			_exit(3);
		if (get(s, i) || get(s, own + i))
			_exit(4);
	}
	if (store_close(s))
		_exit(5);
}

START_TEST(store_of_several_processes_has_what_each_put)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct object_totals t;
	unsigned i, k;
	pid_t pids[3];
	int status;

	for (i = 0; i < ARRAY_LEN(pids); i++)
		pids[i] = start(dir, put_shared);
	for (i = 0; i < ARRAY_LEN(pids); i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	for (i = 0; i < 300; i++) {
		ck_assert_int_eq(get(s, i), 0);
		for (k = 0; k < ARRAY_LEN(pids); k++)
			ck_assert_int_eq(get(s,
					     (unsigned)pids[k] % 30000 * 1000 +
						     1000000 + i),
					 0);
	}
	db_lock(store_db(s));
	ck_assert_int_eq(objects_totals(store_objects(s), &t), 0);
	db_unlock(store_db(s));
	ck_assert_uint_eq(t.objects, 300 + 3 * 300);
	drop_store(s, dir);
}
END_TEST

/* Puts until that fails with rc; then what got in is there, and after fn made
 * room the store goes on. */
static void fill_up(struct store *s, const char *dir, int rc,
		    void (*make_room)(const char *dir))
{
	struct pack_damage d;
	unsigned i, n;
	int got = 0;

	for (n = 0; n < 20000 && !got; n++)
		got = put(s, n);
	ck_assert_int_eq(got, rc);
	n--;
	ck_assert_int_eq(put(s, n), rc);
	for (i = 0; i < n; i++)
		ck_assert_int_eq(get(s, i), 0);
	ck_assert_int_eq(get(s, n), -ENOENT);
	scan_packs(dir, &d);
	ck_assert(!d.bytes && !d.torn);
	make_room(dir);
	ck_assert_int_eq(put(s, n), 0);
	ck_assert_int_eq(store_sync(s), 0);
	for (i = 0; i <= n; i++)
		ck_assert_int_eq(get(s, i), 0);
}

static void no_limit(const char *dir)
{
	struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &all), 0);
}

START_TEST(store_file_too_large_fails_and_goes_on)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct rlimit few = {MIB(4) + 1000, RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &few), 0);
	fill_up(s, dir, -EFBIG, no_limit);
	drop_store(s, dir);
}
END_TEST

static void remove_filler(const char *dir)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/../filler", dir);
	ck_assert_int_eq(unlink(path), 0);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Mounts of this process alone; an ordinary user becomes root of a namespace
 * of its own for it, as bubblewrap does. */
static void unshare_mounts(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (uid) {
		ck_assert_int_eq(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
		write_text("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_text("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "0 %u 1", gid);
		write_text("/proc/self/gid_map", map);
	} else {
		ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	}
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL),
			 0);
}

START_TEST(store_full_disk_fails_and_goes_on)
{
	char *top = test_dir(), *dir = NULL, *filler = NULL;
	struct store *s;
	int fd;

	unshare_mounts();
	ck_assert_int_eq(mount("none", top, "tmpfs", 0, "size=16m"), 0);
	ck_assert_int_gt(asprintf(&dir, "%s/store", top), 0);
	ck_assert_int_gt(asprintf(&filler, "%s/filler", top), 0);
	fd = open(filler, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(posix_fallocate(fd, 0, MIB(8)), 0);
	close(fd);
	ck_assert_int_eq(store_open(dir, STORE_CREATE, &s, NULL), 0);
	fill_up(s, dir, -ENOSPC, remove_filler);
	ck_assert_int_eq(store_close(s), 0);
	ck_assert_int_eq(umount(top), 0);
	rmdir(top);
	free(filler);
	free(dir);
	free(top);
}
END_TEST

TESTS("crash", store_killed_keeps_what_was_committed,
      store_never_appends_to_another_processes_pack,
      store_killed_while_writing_leaves_a_torn_tail_at_most,
      store_of_several_processes_has_what_each_put,
      store_file_too_large_fails_and_goes_on, store_full_disk_fails_and_goes_on)
