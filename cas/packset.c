/* Which packs may have bytes that are not on disk yet?
 *
 * A row of the index can refer to a pack of another process, and whoever makes
 * such a row durable has to make those bytes durable first. A pack is in one
 * of three states, told apart without any message between processes:
 *
 *	being written	its writer holds flock(2) on it
 *	left behind	nobody does, and its mode is 0600: the writer died, and
 *			what it wrote last may be in memory only
 *	sealed		mode 0400: it was synced after its last byte
 *
 * The mode is a remark for living processes, not a promise about the disk: it
 * is set after fdatasync(2), so that whoever sees it can rely on that. A copy
 * of a store in which it got lost only costs a sync.
 *
 * A sync lists the directory only when that changed (its mtime did), and looks
 * at the packs that are not sealed; there are about as many as processes.
 */
#include "cas/packset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "core/err.h"
#include "core/map.h"

/* An mtime is trusted to change only when it is older than that: file systems
 * stamp with the clock's tick. */
#define RACY_NS (NSEC_PER_SEC / 10)

#define WRITE_BEHIND MIB(8)

/* Of another process, not known to be sealed. */
struct foreign {
	struct foreign *next;
	uint8_t id[PACK_ID_LEN];
	int fd;
	uint64_t synced;
};

struct full { /* pack of ours, to be synced and sealed */
	struct full *next;
	uint32_t own;
	struct pack_writer *w;
};

struct own {
	uint8_t id[PACK_ID_LEN];
	uint64_t synced, told; /* see packset_synced() */
};

struct packset {
	int packs_fd;

	pthread_mutex_t append_lock; /* these: */
	struct pack_writer *current;
	struct full *full;
	struct own *own;
	uint32_t own_count;

	pthread_mutex_t sync_lock; /* these; taken before append_lock: */
	struct map *known;	   /* ids of ours, sealed, or in foreign */
	struct foreign *foreign;
	int64_t listed_ns; /* directory's mtime when listed, 0: list again */
	bool dir_dirty;	   /* a name may not be on disk */
	bool sealing;	   /* see packset_sealing() */
	int failed;
};

/* --- appending ------------------------------------------------------------ */

/* Under append_lock. */
static int add_own(struct packset *s)
{
	CLEANUP(pack_writer_freep) struct pack_writer *w = NULL;
	void *own;
	int rc;

	own = realloc(s->own, (s->own_count + 1) * sizeof(*s->own));
	if (!own)
		return -ENOMEM;
	s->own = own;
	rc = pack_create(s->packs_fd, &w);
	if (rc)
		return rc;
	s->own[s->own_count] = (struct own){.told = 0};
	memcpy(s->own[s->own_count++].id, w->id, PACK_ID_LEN);
	s->current = steal(&w);
	return 0;
}

/* Under append_lock: the next append begins another pack. */
static int retire(struct packset *s)
{
	struct full *f = malloc(sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->w = steal(&s->current);
	f->own = s->own_count - 1;
	f->next = s->full;
	s->full = f;
	return 0;
}

int packset_retire(struct packset *s)
{
	int rc;

	pthread_mutex_lock(&s->append_lock);
	rc = s->current ? retire(s) : 0;
	pthread_mutex_unlock(&s->append_lock);
	return rc;
}

/* Under append_lock: the disk begins while more is compressed, so that a sync
 * finds little to wait for. No promise lies in it. */
static void write_behind(struct pack_writer *w)
{
	if (w->end - w->begun < WRITE_BEHIND)
		return;
	if (sync_file_range(w->fd, (off_t)w->begun, (off_t)(w->end - w->begun),
			    SYNC_FILE_RANGE_WRITE) < 0)
		log_debug("pack: sync_file_range: %s", err_name(errno));
	w->begun = w->end;
}

static int append(struct packset *s, const struct record *r,
		  const void *const *payloads, size_t n, uint32_t *ret_own,
		  uint64_t *ret_offset)
{
	int rc;

	if (s->current && s->current->end >= PACK_SEAL) {
		rc = retire(s);
		if (rc)
			return rc;
	}
	if (!s->current) {
		rc = add_own(s);
		if (rc)
			return rc;
	}
	rc = pack_append(s->current, r, payloads, n, ret_offset);
	if (rc)
		return rc;
	write_behind(s->current);
	*ret_own = s->own_count - 1;
	return 0;
}

int packset_append(struct packset *s, const struct record *r,
		   const void *const *payloads, size_t n, uint32_t *ret_own,
		   uint64_t *ret_offset)
{
	int rc;

	pthread_mutex_lock(&s->append_lock);
	rc = append(s, r, payloads, n, ret_own, ret_offset);
	pthread_mutex_unlock(&s->append_lock);
	return rc;
}

int packset_own_id(struct packset *s, uint32_t own, uint8_t ret[PACK_ID_LEN])
{
	int rc = -ENOENT;

	pthread_mutex_lock(&s->append_lock);
	if (own < s->own_count) {
		memcpy(ret, s->own[own].id, PACK_ID_LEN);
		rc = 0;
	}
	pthread_mutex_unlock(&s->append_lock);
	return rc;
}

int packset_synced(struct packset *s, bool again,
		   int (*fn)(void *ctx, const uint8_t id[PACK_ID_LEN],
			     uint64_t end),
		   void *ctx)
{
	uint8_t id[PACK_ID_LEN];
	uint64_t end = 0;
	uint32_t i = 0;
	int rc = 0;

	while (!rc) {
		pthread_mutex_lock(&s->append_lock);
		for (; i < s->own_count; i++)
			if (s->own[i].synced > (again ? 0 : s->own[i].told))
				break;
		if (i == s->own_count) {
			pthread_mutex_unlock(&s->append_lock);
			break;
		}
		memcpy(id, s->own[i].id, PACK_ID_LEN);
		end = s->own[i].told = s->own[i].synced;
		i++;
		pthread_mutex_unlock(&s->append_lock);
		rc = fn(ctx, id, end);
	}
	return rc;
}

bool packset_news(struct packset *s)
{
	bool news = false;
	uint32_t i;

	pthread_mutex_lock(&s->append_lock);
	for (i = 0; i < s->own_count; i++)
		news = news || s->own[i].synced > s->own[i].told;
	pthread_mutex_unlock(&s->append_lock);
	return news;
}

/* --- syncing -------------------------------------------------------------- */

static void seal(int fd)
{
	/* a file system without modes, another owner: then it is synced once
	 * more by the next process */
	if (fchmod(fd, 0400) < 0)
		log_debug("pack: cannot mark it sealed: %s", err_name(errno));
}

static int sync_fd(int fd)
{
	return fdatasync(fd) < 0 ? -errno : 0;
}

static void note_synced(struct packset *s, uint32_t own, uint64_t end)
{
	pthread_mutex_lock(&s->append_lock);
	s->own[own].synced = end;
	pthread_mutex_unlock(&s->append_lock);
}

static int sync_own(struct packset *s)
{
	struct pack_writer *w;
	struct full *full, *next;
	uint64_t end = 0;
	uint32_t own = 0;
	int rc = 0;

	pthread_mutex_lock(&s->append_lock);
	full = steal(&s->full);
	w = s->current;
	if (w)
		end = w->end;
	own = s->own_count - 1; /* of w */
	pthread_mutex_unlock(&s->append_lock);

	for (; full; full = next) {
		next = full->next;
		if (!rc)
			rc = sync_fd(full->w->fd);
		if (!rc)
			seal(full->w->fd);
		if (!rc)
			note_synced(s, full->own, full->w->end);
		pack_writer_free(full->w);
		free(full);
		s->dir_dirty = true;
	}
	/* w stays: only a sync frees a pack, and there is one at a time */
	if (!rc && w && end > w->synced) {
		s->dir_dirty = s->dir_dirty || !w->synced;
		rc = sync_fd(w->fd);
		if (!rc)
			w->synced = end;
		if (!rc)
			note_synced(s, own, end);
	}
	return rc;
}

static void foreign_free(struct foreign *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}

/* Syncs one if it grew. 1: it will not grow again. */
static int sync_foreign(struct foreign *f, bool sealing)
{
	bool dead, sealed;
	struct stat st;
	int rc;

	/* asked before the size, so that what is last written is seen */
	dead = !flock(f->fd, LOCK_SH | LOCK_NB);
	if (fstat(f->fd, &st) < 0)
		return -errno;
	sealed = !(st.st_mode & S_IWUSR);
	if (!sealed && (uint64_t)st.st_size > f->synced) {
		rc = sync_fd(f->fd);
		if (rc)
			return rc;
		f->synced = (uint64_t)st.st_size;
	}
	if (dead && !sealed && !sealing)
		return 0;
	if (dead && !sealed)
		seal(f->fd);
	return dead || sealed;
}

static int sync_foreigns(struct packset *s)
{
	struct foreign **link = &s->foreign, *f;
	int rc;

	while ((f = *link)) {
		rc = sync_foreign(f, s->sealing);
		if (rc < 0)
			return rc;
		if (rc) {
			*link = f->next;
			foreign_free(f);
		} else {
			link = &f->next;
		}
	}
	return 0;
}

static int add_foreign(struct packset *s, const char *name,
		       const uint8_t id[PACK_ID_LEN])
{
	struct foreign *f;
	int rc;

	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	memcpy(f->id, id, PACK_ID_LEN);
	f->fd = openat(s->packs_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (f->fd < 0 && errno == ENOENT) { /* collected meanwhile */
		free(f);
		return 0;
	}
	rc = f->fd < 0 ? -errno : 0;
	if (!rc)
		rc = map_put(s->known, id, PACK_ID_LEN, s, NULL);
	if (rc) {
		foreign_free(f);
		return rc;
	}
	f->next = s->foreign;
	s->foreign = f;
	s->dir_dirty = true;
	return 0;
}

/* A pack that is not known yet. Most are sealed: those are only counted. */
static int discover(struct packset *s, const char *name)
{
	uint8_t id[PACK_ID_LEN];
	struct stat st;

	if (!pack_parse_name(name, id) || map_get(s->known, id, PACK_ID_LEN))
		return 0;
	if (fstatat(s->packs_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (st.st_mode & S_IWUSR)
		return add_foreign(s, name, id);
	return map_put(s->known, id, PACK_ID_LEN, s, NULL);
}

static int know_own(struct packset *s)
{
	uint32_t i;
	int rc = 0;

	pthread_mutex_lock(&s->append_lock);
	for (i = 0; !rc && i < s->own_count; i++)
		rc = map_put(s->known, s->own[i].id, PACK_ID_LEN, s, NULL);
	pthread_mutex_unlock(&s->append_lock);
	return rc;
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int each_name(int packs_fd, int (*fn)(struct packset *, const char *),
		     struct packset *s)
{
	CLEANUP(closedirp) DIR *d = NULL;
	struct dirent *e;
	int fd, rc = 0;

	fd = openat(packs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (!rc) {
		errno = 0;
		e = readdir(d);
		if (!e)
			return -errno;
		rc = fn(s, e->d_name);
	}
	return rc;
}

static int64_t stamp_ns(const struct timespec *t)
{
	return t->tv_sec * NSEC_PER_SEC + t->tv_nsec;
}

static int list(struct packset *s)
{
	struct timespec now;
	struct stat st;
	int64_t mtime;
	int rc;

	clock_gettime(CLOCK_REALTIME, &now); /* before anything is looked at */
	if (fstat(s->packs_fd, &st) < 0)
		return -errno;
	mtime = stamp_ns(&st.st_mtim);
	if (mtime == s->listed_ns)
		return 0;
	rc = know_own(s);
	if (!rc)
		rc = each_name(s->packs_fd, discover, s);
	if (rc)
		return rc;
	s->listed_ns = stamp_ns(&now) - mtime > RACY_NS ? mtime : 0;
	return 0;
}

static int sync_all(struct packset *s)
{
	int rc = s->failed;

	if (!rc)
		rc = list(s);
	if (rc)
		return rc;
	rc = sync_own(s);
	if (!rc)
		rc = sync_foreigns(s);
	if (!rc && s->dir_dirty) {
		rc = fsync(s->packs_fd) < 0 ? -errno : 0;
		if (!rc)
			s->dir_dirty = false;
	}
	s->failed = rc;
	return rc;
}

void packset_sealing(struct packset *s, bool on)
{
	pthread_mutex_lock(&s->sync_lock);
	s->sealing = on;
	pthread_mutex_unlock(&s->sync_lock);
}

int packset_sync(struct packset *s)
{
	int rc;

	pthread_mutex_lock(&s->sync_lock);
	rc = sync_all(s);
	pthread_mutex_unlock(&s->sync_lock);
	return rc;
}

/* --- the whole ------------------------------------------------------------ */

/* A pack that never got its name: nobody knows of it once its lock is gone. */
static int sweep(struct packset *s, const char *name)
{
	CLEANUP_CLOSE int fd = -1;
	size_t n = strlen(name);

	if (n < 4 || strcmp(name + n - 4, ".tmp"))
		return 0;
	fd = openat(s->packs_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && !flock(fd, LOCK_SH | LOCK_NB) &&
	    unlinkat(s->packs_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int packset_open(int packs_fd, struct packset **ret)
{
	CLEANUP(packset_closep) struct packset *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->append_lock, NULL);
	pthread_mutex_init(&s->sync_lock, NULL);
	s->sealing = true;
	s->packs_fd = packs_fd;
	s->known = map_new();
	if (!s->known)
		return -ENOMEM;
	rc = each_name(packs_fd, sweep, s);
	if (rc)
		return rc;
	*ret = steal(&s);
	return 0;
}

void packset_close(struct packset *s)
{
	struct foreign *f;
	struct full *full;

	if (!s)
		return;
	/* sealed if it was synced to its end; else the next process does it */
	if (s->current && s->current->end == s->current->synced)
		seal(s->current->fd);
	pack_writer_free(s->current);
	while ((full = s->full)) {
		s->full = full->next;
		pack_writer_free(full->w);
		free(full);
	}
	while ((f = s->foreign)) {
		s->foreign = f->next;
		foreign_free(f);
	}
	map_free(s->known);
	free(s->own);
	pthread_mutex_destroy(&s->sync_lock);
	pthread_mutex_destroy(&s->append_lock);
	free(s);
}
