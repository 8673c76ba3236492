/* Processes: counted 100 times a second, in the /proc of their namespace, and
 * only when the machine has that many threads at all, which takes one short
 * read. A fork bomb makes some 10,000 processes a second.
 *
 * Memory without a cgroup.
 *
 * A memory controller is rarely delegated to whoever mounts, RLIMIT_AS breaks
 * sanitizers, Go and Java, and RLIMIT_RSS does nothing. So the tree of
 * processes is walked (/proc/PID/task/TID/children) and summed up. The cheap
 * figures of /proc/PID/status count a page once for every process that shares
 * it after a fork; only when they pass the limit is smaps_rollup asked, which
 * divides shared pages fairly but walks page tables. What lies in the run's
 * tmpfs is memory too. Pages of a tmpfs may be mapped, hence counted in both
 * figures: the larger of the two is taken, so that nothing is ever killed
 * that is within its limit, at the price of letting some through to twice the
 * limit.
 */
#include "recipes/sandbox_watch.h"

#include "core/buf.h"
#include "core/clock.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#define MSEC	   (NSEC_PER_SEC / 1000)
#define TICK_NS	   (10 * MSEC)	/* between counts of processes */
#define NEAR_NS	   (10 * MSEC)	/* between samples, above 1/4 of the limit */
#define FAR_NS	   (50 * MSEC)	/* below */
#define DISK_NS	   (100 * MSEC) /* between walks of the scratch */
#define DISK_SHARE 20		/* a walk may take 1/20 of the time */
#define STACK_SIZE KIB(512)

struct watch {
	struct watch_spec spec;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t moved;
	bool last_look;
	int verdict;
	struct err message;
	atomic_bool stop, ended;
};

/* Numbers of one sample, bytes. */
struct usage {
	uint64_t anon, shared; /* memory of processes */
	uint64_t tmpfs;
};

static uint64_t total(const struct usage *u)
{
	return u->anon + MAX(u->shared, u->tmpfs);
}

/* A short file of /proc as text; 0 or -errno. */
static int read_text(const char *path, char *to, size_t size)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, to + len, size - 1 - len)) > 0)
		len += (size_t)n;
	to[len] = '\0';
	return n < 0 ? -errno : 0;
}

/* "\nKey:   123 kB" in bytes; 0 where the kernel has no such line. */
static uint64_t kib_line(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) << 10 : 0;
}

static void add_status(const char *text, struct usage *u)
{
	u->anon += kib_line(text, "\nRssAnon:") + kib_line(text, "\nVmSwap:");
	u->shared += kib_line(text, "\nRssShmem:");
}

/* Fair shares. A process that ended meanwhile counts nothing. */
static void add_rollup(pid_t pid, struct usage *u)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	if (read_text(path, text, sizeof(text)))
		return;
	if (strstr(text, "\nPss_Anon:")) {
		u->anon += kib_line(text, "\nPss_Anon:");
		u->shared += kib_line(text, "\nPss_Shmem:");
	} else { /* before Linux 5.9 */
		u->anon += kib_line(text, "\nPss:");
	}
	u->anon += kib_line(text, "\nSwapPss:");
}

/* Puts the children of one thread into the list. */
static int add_children(pid_t pid, pid_t tid, struct buf *list)
{
	char path[64];
	FILE *f;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid,
		 (int)tid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fscanf(f, "%d", &child) == 1)
		buf_u32(list, (uint32_t)child);
	fclose(f);
	return 0;
}

static void add_all_children(pid_t pid, struct buf *list)
{
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	if (!d)
		return;
	while ((e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]) &&
		    add_children(pid, atoi(e->d_name), list))
			continue; /* the thread ended */
	closedir(d);
}

static pid_t list_at(const struct buf *list, size_t i)
{
	return (pid_t)get_le32(list->data + 4 * i);
}

/* All descendants of the top, as far as they stand still, with their sums. */
static void walk(const struct watch *w, struct buf *list, struct usage *u)
{
	char path[64], text[4096];
	size_t i;
	pid_t pid;

	buf_reset(list);
	add_all_children(w->spec.top, list);
	for (i = 0; i < list->len / 4 && i <= WATCH_PROCESSES; i++) {
		pid = list_at(list, i);
		snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
		if (read_text(path, text, sizeof(text)))
			continue;
		add_status(text, u);
		if (strstr(text, "\nThreads:\t1\n"))
			(void)!add_children(pid, pid, list);
		else
			add_all_children(pid, list);
	}
}

/* Until bwrap has changed the root, this is the machine's own /tmp, which has
 * another device. */
static uint64_t tmpfs_used(const struct watch *w, const char *where)
{
	char path[64];
	struct stat ours, theirs;
	struct statfs fs;

	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)w->spec.top,
		 where);
	if (stat(path, &theirs) < 0 || statfs(path, &fs) < 0 ||
	    fs.f_type != TMPFS_MAGIC)
		return 0;
	if (!stat(where, &ours) && ours.st_dev == theirs.st_dev)
		return 0;
	return (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
}

static void set_verdict(struct watch *w, int rc, const struct err *message)
{
	pthread_mutex_lock(&w->lock);
	if (!w->verdict) {
		w->message = *message;
		w->verdict = rc;
	}
	pthread_mutex_unlock(&w->lock);
	eventfd_write(w->spec.wake, 1);
}

static void over_memory(struct watch *w, uint64_t used)
{
	char limit[32], had[32];
	struct err e;

	size_format(w->spec.memory, limit, sizeof(limit));
	size_format(used, had, sizeof(had));
	err_set(&e, 0, "used %s of memory, the limit is %s", had, limit);
	set_verdict(w, -ENOMEM, &e);
}

/* What processes share is told by how many share it, one process after the
 * other; forks in between make the sum too large, so the least of a few looks
 * counts. */
#define LOOKS	 3
#define PAUSE_NS INT64_C(5000000)

static uint64_t fair_share(const struct buf *list, uint64_t tmpfs,
			   uint64_t limit)
{
	const struct timespec pause = {0, PAUSE_NS};
	uint64_t least = UINT64_MAX;
	struct usage u;
	size_t i;
	int look;

	for (look = 0; look < LOOKS && least > limit; look++) {
		if (look)
			nanosleep(&pause, NULL);
		u = (struct usage){.tmpfs = tmpfs};
		for (i = 0; i < list->len / 4 && i <= WATCH_PROCESSES; i++)
			add_rollup(list_at(list, i), &u);
		least = MIN(least, total(&u));
	}
	return least;
}

/* Bytes in use now, after judging them. */
static uint64_t look_at_memory(struct watch *w, struct buf *list)
{
	struct usage u = {0};
	uint64_t fair;

	if (w->spec.own_root)
		u.tmpfs = tmpfs_used(w, "/tmp") + tmpfs_used(w, "/dev/shm");
	walk(w, list, &u);
	if (total(&u) <= w->spec.memory)
		return total(&u);
	fair = fair_share(list, u.tmpfs, w->spec.memory);
	if (fair > w->spec.memory)
		over_memory(w, fair);
	return fair;
}

/* Threads of the whole machine, the count behind the slash. */
static unsigned long machine_threads(void)
{
	char text[128], *at;

	if (read_text("/proc/loadavg", text, sizeof(text)))
		return ULONG_MAX;
	at = strchr(text, '/');
	return at ? strtoul(at + 1, NULL, 10) : ULONG_MAX;
}

/* Of the namespace, no further than just over the limit. 0 while it has no
 * /proc yet: then the machine's is seen, by its device. */
static size_t count_namespace(pid_t init)
{
	struct stat ours, theirs;
	struct dirent *e;
	char path[64];
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/root/proc", (int)init);
	d = opendir(path);
	if (!d)
		return 0;
	if (!fstat(dirfd(d), &theirs) && !stat("/proc", &ours) &&
	    ours.st_dev != theirs.st_dev)
		while (n <= WATCH_PROCESSES && (e = readdir(d)))
			n += isdigit((unsigned char)e->d_name[0]) != 0;
	closedir(d);
	return n;
}

static size_t count_descendants(pid_t top, struct buf *list)
{
	size_t i;

	buf_reset(list);
	add_all_children(top, list);
	for (i = 0; i < list->len / 4 && i <= WATCH_PROCESSES; i++)
		add_all_children(list_at(list, i), list);
	return list->len / 4;
}

static void look_at_processes(struct watch *w, struct buf *list)
{
	struct err e;
	size_t n;

	if (machine_threads() <= WATCH_PROCESSES)
		return;
	n = w->spec.own_root ? count_namespace(w->spec.top)
			     : count_descendants(w->spec.top, list);
	if (n <= WATCH_PROCESSES)
		return;
	err_set(&e, 0, "more than %d processes at once", WATCH_PROCESSES);
	set_verdict(w, -EAGAIN, &e);
}

static void look_at_bytes(struct watch *w, const atomic_bool *stop)
{
	uint64_t used = 0;
	struct err e;
	int rc = written_bytes(&w->spec.written, stop, &used);

	if (rc == -EOVERFLOW) {
		err_set(&e, 0, "made directories more than %d deep",
			DISK_DEPTH_MAX);
		set_verdict(w, -EFBIG, &e);
	} else if (!rc && used > w->spec.bytes) {
		set_verdict(w, written_too_much(w->spec.bytes, &e), &e);
	}
}

/* True when it is time to go. */
static bool sleep_until(struct watch *w, int64_t ns)
{
	struct timespec t = {.tv_sec = ns / NSEC_PER_SEC,
			     .tv_nsec = ns % NSEC_PER_SEC};

	pthread_mutex_lock(&w->lock);
	while (!w->stop && !pthread_cond_timedwait(&w->moved, &w->lock, &t))
		;
	pthread_mutex_unlock(&w->lock);
	return w->stop;
}

/* When the next sample is due, after one that began at `now`. */
static int64_t sample_memory(struct watch *w, struct buf *list, int64_t now)
{
	uint64_t used = look_at_memory(w, list);
	int64_t after = clock_mono_ns();

	return after + 10 * (after - now) +
	       (used > w->spec.memory / 4 ? NEAR_NS : FAR_NS);
}

static int64_t sample_bytes(struct watch *w, int64_t now)
{
	int64_t after;

	look_at_bytes(w, &w->stop);
	after = clock_mono_ns();
	return after + MAX(DISK_NS, DISK_SHARE * (after - now));
}

static void *watch_main(void *arg)
{
	int64_t now, memory = 0, disk = 0;
	CLEANUP_BUF struct buf list = BUF_INIT;
	struct watch *w = arg;

	do {
		now = clock_mono_ns();
		look_at_processes(w, &list);
		if (w->spec.memory && now >= memory)
			memory = sample_memory(w, &list, now);
		now = clock_mono_ns();
		if (w->spec.bytes && now >= disk)
			disk = sample_bytes(w, now);
	} while (!sleep_until(w, clock_mono_ns() + TICK_NS));
	/* Stopped under the lock, so last_look is as it will be. */
	if (w->last_look && w->spec.bytes)
		look_at_bytes(w, NULL);
	w->ended = true;
	eventfd_write(w->spec.wake, 1);
	return NULL;
}

static int start_thread(struct watch *w)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	rc = pthread_create(&w->thread, &attr, watch_main, w);
	pthread_attr_destroy(&attr);
	return -rc;
}

int watch_start(const struct watch_spec *spec, struct watch **ret)
{
	pthread_condattr_t attr;
	struct watch *w;
	int rc;

	/* Kernels may be built without it; then no limit could be kept. */
	if (access("/proc/thread-self/children", R_OK) < 0)
		return -ENOTSUP;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->spec = *spec;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->moved, &attr);
	pthread_condattr_destroy(&attr);
	rc = start_thread(w);
	if (rc) {
		free(w);
		return rc;
	}
	*ret = w;
	return 0;
}

int watch_verdict(struct watch *w, struct err *ret)
{
	int rc;

	pthread_mutex_lock(&w->lock);
	rc = w->verdict;
	if (rc)
		*ret = w->message;
	pthread_mutex_unlock(&w->lock);
	return rc;
}

void watch_stop(struct watch *w, bool last_look)
{
	pthread_mutex_lock(&w->lock);
	w->last_look = last_look;
	w->stop = true;
	pthread_cond_signal(&w->moved);
	pthread_mutex_unlock(&w->lock);
}

bool watch_ended(struct watch *w)
{
	return w->ended;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	pthread_join(w->thread, NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->moved);
	free(w);
}
