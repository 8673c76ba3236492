/* The order of things. A writer notes an object in its set, then looks for it;
 * collection dooms the object's row, then reads the sets. So either the writer
 * finds the row doomed, and puts the object anew, or collection finds the
 * note. The same holds for a reader and the counted set, and for entering a
 * generation and turning to the next. Each side writes first and reads then,
 * with sequential consistency; the database's locks order them no less.
 */
#include "cas/holds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DIR_NAME   "holds"
#define LOCK_NAME  "collection"
#define MAGIC	   "DERIVHD1"
#define KEEP_SLOTS 16384  /* counters */
#define HIT_BITS   131072 /* in each of two sets */
#define HIT_WORDS  (HIT_BITS / 64)
#define CLEAR_AT   4096 /* bits set: worth clearing */
#define NAME_LEN   33

/* The file; the same for all processes of a machine. */
struct shared {
	char magic[8];
	uint32_t generation; /* 0 or 1; collection turns it */
	uint32_t active[2];  /* threads inside, by generation */
	uint32_t asked;	     /* raised by collection; futex */
	uint32_t keep[KEEP_SLOTS];
	uint64_t hits[2][HIT_WORDS];
};

struct holds {
	int dir_fd, fd;
	char name[NAME_LEN];
	struct shared *map;
	uint32_t answered; /* atomic */

	pthread_mutex_t lock; /* entering, leaving; guards: */
	uint32_t set[2];      /* bits set since they were cleared; atomic */
};

/* --- the file ------------------------------------------------------------ */

static int map_file(int fd, struct shared **ret)
{
	void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

/* Space is there before anything is written through the map, where a full disk
 * would be a signal. */
static int make_file(struct holds *h)
{
	uint64_t r[2];
	struct stat st;
	int rc;

	for (;;) {
		if (getrandom(r, sizeof(r), 0) != sizeof(r))
			return -EIO;
		snprintf(h->name, sizeof(h->name), "%016llx%016llx",
			 (unsigned long long)r[0], (unsigned long long)r[1]);
		h->fd = openat(h->dir_fd, h->name,
			       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (h->fd < 0)
			return -errno;
		while ((rc = flock(h->fd, LOCK_EX)) < 0 && errno == EINTR)
			;
		if (rc < 0 || fstat(h->fd, &st) < 0)
			return -errno;
		if (st.st_nlink)
			break;
		/* somebody took it for one of a dead process */
		close(h->fd);
	}
	rc = posix_fallocate(h->fd, 0, sizeof(struct shared));
	if (rc)
		return -rc;
	rc = map_file(h->fd, &h->map);
	if (!rc)
		memcpy(h->map->magic, MAGIC, sizeof(h->map->magic));
	return rc;
}

static int open_dir(int store_fd, int *ret)
{
	if (mkdirat(store_fd, DIR_NAME, 0700) < 0 && errno != EEXIST)
		return -errno;
	*ret = openat(store_fd, DIR_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? -errno : 0;
}

int holds_open(int store_fd, struct holds **ret)
{
	CLEANUP(holds_closep) struct holds *h = calloc(1, sizeof(*h));
	int rc;

	if (!h)
		return -ENOMEM;
	h->dir_fd = h->fd = -1;
	pthread_mutex_init(&h->lock, NULL);
	rc = open_dir(store_fd, &h->dir_fd);
	if (!rc)
		rc = make_file(h);
	if (!rc)
		*ret = steal(&h);
	return rc;
}

void holds_close(struct holds *h)
{
	if (!h)
		return;
	if (h->map)
		munmap(h->map, sizeof(*h->map));
	if (h->fd >= 0) {
		unlinkat(h->dir_fd, h->name, 0);
		close(h->fd);
	}
	close_fdp(&h->dir_fd);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

/* --- what a process says ------------------------------------------------- */

/* Under the lock nobody is inside that generation, or comes in. */
static void clear_hits(struct holds *h, unsigned g)
{
	size_t i;

	for (i = 0; i < HIT_WORDS; i++)
		__atomic_store_n(&h->map->hits[g][i], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&h->set[g], 0, __ATOMIC_RELAXED);
}

unsigned holds_enter(struct holds *h)
{
	struct shared *m = h->map;
	uint32_t g;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		g = __atomic_load_n(&m->generation, __ATOMIC_SEQ_CST) & 1;
		__atomic_add_fetch(&m->active[g], 1, __ATOMIC_SEQ_CST);
		if ((__atomic_load_n(&m->generation, __ATOMIC_SEQ_CST) & 1) ==
		    g)
			break;
		__atomic_sub_fetch(&m->active[g], 1, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&h->lock);
	return g;
}

void holds_leave(struct holds *h, unsigned g)
{
	pthread_mutex_lock(&h->lock);
	if (!__atomic_sub_fetch(&h->map->active[g], 1, __ATOMIC_SEQ_CST) &&
	    __atomic_load_n(&h->set[g], __ATOMIC_RELAXED) >= CLEAR_AT)
		clear_hits(h, g);
	pthread_mutex_unlock(&h->lock);
}

static void set_bit(struct holds *h, unsigned g, uint64_t hash)
{
	uint64_t *w = &h->map->hits[g][hash / 64 % HIT_WORDS];
	uint64_t bit = UINT64_C(1) << hash % 64;

	if (__atomic_load_n(w, __ATOMIC_SEQ_CST) & bit)
		return;
	__atomic_or_fetch(w, bit, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&h->set[g], 1, __ATOMIC_RELAXED);
}

/* The caller is inside of one of the two. */
void holds_hit(struct holds *h, const struct addr *a)
{
	uint64_t hash = addr_hash(a);
	unsigned g;

	for (g = 0; g < 2; g++)
		if (__atomic_load_n(&h->map->active[g], __ATOMIC_SEQ_CST))
			set_bit(h, g, hash);
}

static uint32_t *keep_slot(const struct shared *m, const struct addr *a)
{
	return (uint32_t *)(uintptr_t)&m->keep[addr_hash(a) % KEEP_SLOTS];
}

void holds_keep(struct holds *h, const struct addr *a)
{
	__atomic_add_fetch(keep_slot(h->map, a), 1, __ATOMIC_SEQ_CST);
}

void holds_release(struct holds *h, const struct addr *a)
{
	__atomic_sub_fetch(keep_slot(h->map, a), 1, __ATOMIC_SEQ_CST);
}

/* --- being asked --------------------------------------------------------- */

bool holds_asked(struct holds *h)
{
	uint32_t now = __atomic_load_n(&h->map->asked, __ATOMIC_ACQUIRE);

	return __atomic_exchange_n(&h->answered, now, __ATOMIC_ACQ_REL) != now;
}

void holds_wait(struct holds *h, int64_t timeout_ns)
{
	struct timespec t = {timeout_ns / NSEC_PER_SEC,
			     timeout_ns % NSEC_PER_SEC};
	uint32_t seen = __atomic_load_n(&h->answered, __ATOMIC_ACQUIRE);

	/* returns at once when it is another number already */
	syscall(SYS_futex, &h->map->asked, FUTEX_WAIT, seen, &t, NULL, 0);
}

static void ask(struct shared *m)
{
	__atomic_add_fetch(&m->asked, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &m->asked, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void holds_wake(struct holds *h)
{
	ask(h->map);
}

/* --- collection ---------------------------------------------------------- */

struct seen {
	struct shared *map;
	uint32_t old;	/* generation before survey_turn() */
	bool stuck;	/* some are inside since an earlier turn */
	uint64_t *hits; /* of those for whom nobody waits any more, or NULL */
};

struct survey {
	struct seen *list;
	size_t count;
};

static int add_map(struct survey *s, int fd)
{
	struct seen *list;
	struct shared *map = NULL;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* one that is being made has found nothing yet */
	if (st.st_size != sizeof(struct shared))
		return 0;
	list = reallocarray(s->list, s->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	s->list = list;
	rc = map_file(fd, &map);
	if (!rc)
		s->list[s->count++] = (struct seen){.map = map};
	return rc;
}

static int look_at(struct survey *s, int dir_fd, const char *name)
{
	CLEANUP_CLOSE int fd = -1;

	if (strlen(name) != NAME_LEN - 1)
		return 0;
	fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? add_map(s, fd) : -errno;
	/* its process is gone; or is just about to lock it, and will see */
	unlinkat(dir_fd, name, 0);
	return 0;
}

int survey_new(struct holds *h, struct survey **ret)
{
	CLEANUP(survey_freep) struct survey *s = calloc(1, sizeof(*s));
	int fd = openat(h->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int rc = s ? 0 : -ENOMEM;

	if (!d) {
		rc = -errno;
		close_fdp(&fd);
		return rc;
	}
	while (!rc && (e = readdir(d)))
		rc = look_at(s, h->dir_fd, e->d_name);
	closedir(d);
	if (!rc)
		*ret = steal(&s);
	return rc;
}

void survey_free(struct survey *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->count; i++) {
		munmap(s->list[i].map, sizeof(struct shared));
		free(s->list[i].hits);
	}
	free(s->list);
	free(s);
}

static bool inside(const struct shared *m, uint32_t g)
{
	return __atomic_load_n(&m->active[g], __ATOMIC_SEQ_CST);
}

void survey_turn(struct survey *s)
{
	struct seen *p;
	size_t i;

	for (i = 0; i < s->count; i++) {
		p = &s->list[i];
		p->old =
			__atomic_load_n(&p->map->generation, __ATOMIC_SEQ_CST) &
			1;
		/* newcomers will be counted with them */
		p->stuck = inside(p->map, !p->old);
		__atomic_fetch_xor(&p->map->generation, 1, __ATOMIC_SEQ_CST);
	}
}

unsigned survey_busy(const struct survey *s)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < s->count; i++)
		n += inside(s->list[i].map, s->list[i].old);
	return n;
}

/* Who leaves meanwhile and clears the set has committed its rows. */
static int settle(struct seen *p)
{
	bool busy[2];
	unsigned g;
	size_t i;

	busy[p->old] = inside(p->map, p->old);
	busy[!p->old] = p->stuck && inside(p->map, !p->old);
	if (!busy[0] && !busy[1])
		return 0;
	p->hits = calloc(HIT_WORDS, sizeof(*p->hits));
	if (!p->hits)
		return -ENOMEM;
	for (g = 0; g < 2; g++)
		for (i = 0; busy[g] && i < HIT_WORDS; i++)
			p->hits[i] |= __atomic_load_n(&p->map->hits[g][i],
						      __ATOMIC_SEQ_CST);
	return 0;
}

int survey_settle(struct survey *s)
{
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < s->count; i++)
		rc = settle(&s->list[i]);
	return rc;
}

bool survey_found(const struct survey *s, const struct addr *a)
{
	uint64_t hash = addr_hash(a), bit = UINT64_C(1) << hash % 64;
	const uint64_t *hits;
	size_t i;

	for (i = 0; i < s->count; i++) {
		hits = s->list[i].hits;
		if (hits && hits[hash / 64 % HIT_WORDS] & bit)
			return true;
	}
	return false;
}

bool survey_keeps(const struct survey *s, const struct addr *a)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (__atomic_load_n(keep_slot(s->list[i].map, a),
				    __ATOMIC_SEQ_CST))
			return true;
	return false;
}

void survey_ask(struct survey *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		ask(s->list[i].map);
}

int holds_lock(int store_fd, int *ret_fd)
{
	CLEANUP_CLOSE int dir_fd = -1, fd = -1;
	int rc = open_dir(store_fd, &dir_fd);

	if (rc)
		return rc;
	fd = openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}
