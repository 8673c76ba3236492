#include "cas/tails.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cas/codec.h"
#include "core/err.h"
#include "core/map.h"

/* --- which there are ------------------------------------------------------ */

struct finder {
	struct tails *t;
	struct map *rows; /* id -> struct pack_ends */
};

static int add_row(void *ctx, const struct pack_ends *p)
{
	struct finder *f = ctx;
	struct pack_ends *copy = malloc(sizeof(*copy));
	int rc;

	if (!copy)
		return -ENOMEM;
	*copy = *p;
	rc = map_put(f->rows, p->id, PACK_ID_LEN, copy, NULL);
	if (rc)
		free(copy);
	return rc;
}

static void free_rows(struct map *rows)
{
	size_t it = 0;
	void *v;

	while (rows && map_next(rows, &it, NULL, NULL, &v))
		free(v);
	map_free(rows);
}

/* Takes over the descriptor. */
static int add_tail(struct tails *t, const uint8_t id[PACK_ID_LEN],
		    const struct pack_ends *row, int fd, uint64_t size)
{
	struct tail *v = reallocarray(t->v, t->n + 1, sizeof(*v));

	if (!v) {
		close_fdp(&fd);
		return -ENOMEM;
	}
	t->v = v;
	v += t->n++;
	*v = (struct tail){.fd = fd, .size = size};
	memcpy(v->id, id, PACK_ID_LEN);
	if (row) {
		v->pack = row->pack;
		v->start = row->durable;
		v->extent = row->extent;
	}
	return 0;
}

/* One that is neither sealed nor being written. */
static int add_file(struct finder *f, const char *name)
{
	CLEANUP_CLOSE int fd = -1;
	CLEANUP_FREE struct pack_ends *row = NULL;
	uint8_t id[PACK_ID_LEN];
	struct stat st;

	if (!pack_parse_name(name, id))
		return 0;
	row = map_del(f->rows, id, PACK_ID_LEN);
	if (fstatat(f->t->packs_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode) || !(st.st_mode & S_IWUSR))
		return 0;
	fd = openat(f->t->packs_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return add_tail(f->t, id, row, steal_fd(&fd), (uint64_t)st.st_size);
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int add_files(struct finder *f)
{
	CLEANUP(closedirp) DIR *d = NULL;
	struct dirent *e;
	int fd, rc = 0;

	fd = openat(f->t->packs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		rc = -errno;
		close_fdp(&fd);
		return rc;
	}
	while (!rc) {
		errno = 0;
		e = readdir(d);
		if (!e)
			return -errno;
		rc = add_file(f, e->d_name);
	}
	return rc;
}

/* Packs that rows speak of, and whose very names were lost. */
static int add_missing(struct finder *f)
{
	const struct pack_ends *row;
	size_t it = 0;
	void *v;
	int rc = 0;

	while (!rc && map_next(f->rows, &it, NULL, NULL, &v)) {
		row = v;
		if (row->extent > row->durable)
			rc = add_tail(f->t, row->id, row, -1, 0);
	}
	return rc;
}

int tails_find(int packs_fd, struct objects *o, struct tails *ret)
{
	struct tails t = {.packs_fd = packs_fd};
	struct finder f = {.t = &t, .rows = map_new()};
	int rc = f.rows ? packs_ends(o, add_row, &f) : -ENOMEM;

	if (!rc)
		rc = add_files(&f);
	if (!rc)
		rc = add_missing(&f);
	free_rows(f.rows);
	if (rc) {
		tails_done(&t);
		return rc;
	}
	*ret = t;
	return 0;
}

void tails_done(struct tails *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		close_fdp(&t->v[i].fd);
	free(t->v);
	t->v = NULL;
	t->n = 0;
}

/* --- what is in them ------------------------------------------------------ */

struct reader {
	struct tails *t;
	struct codec_pool *pool;
	struct codec *codec;
	struct buf stored, raw;
	int (*fn)(void *ctx, const struct found *f, const void *p);
	void *ctx;
};

int tail_payload(const struct tails *t, const struct found *f, void *ret)
{
	uint8_t *to = ret;
	size_t n = 0;
	ssize_t got;

	while (n < f->r.stored) {
		got = pread(t->v[f->tail].fd, to + n, f->r.stored - n,
			    (off_t)(f->offset + RECORD_HEADER_LEN + n));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EBADMSG;
		n += (size_t)got;
	}
	return 0;
}

/* 1 the object's bytes are right, and were shown; 0 they are not. */
static int check_object(struct reader *r, const struct found *f)
{
	void *stored, *raw;
	struct addr is;
	int rc;

	buf_reset(&r->stored);
	buf_reset(&r->raw);
	stored = buf_room(&r->stored, f->r.stored);
	raw = buf_room(&r->raw, f->r.raw);
	if (!stored || !raw)
		return -ENOMEM;
	rc = tail_payload(r->t, f, stored);
	if (rc == -EIO) /* the disk itself has lost it */
		rc = -EBADMSG;
	if (!rc && f->r.codec != CODEC_RAW)
		rc = codec_decode(r->codec, stored, f->r.stored, raw, f->r.raw);
	else if (!rc)
		raw = stored;
	if (rc)
		return rc == -EBADMSG ? 0 : rc;
	addr_of(f->r.kind, raw, f->r.raw, &is);
	if (!addr_eq(&is, &f->r.addr))
		return 0;
	rc = r->fn(r->ctx, f, raw);
	return rc < 0 ? rc : 1;
}

/* What the kernel could not write it may still show; so it is made to forget
 * it, and what comes is what the disk has. */
static void look_at_disk(const struct tail *t)
{
	if (fdatasync(t->fd) < 0)
		log_warn("packs: a pack that was being written cannot be "
			 "synced: %s",
			 err_name(errno));
	posix_fadvise(t->fd, (off_t)t->start, 0, POSIX_FADV_DONTNEED);
}

static int read_tail(struct reader *r, size_t i)
{
	CLEANUP(pack_scan_freep) struct pack_scan *scan = NULL;
	struct tail *t = &r->t->v[i];
	struct found f = {.tail = i};
	struct pack_damage damage;
	bool whole;
	int rc;

	t->cut = MIN(t->start, t->size);
	if (t->fd < 0)
		return 0;
	look_at_disk(t);
	rc = pack_scan_new(t->fd, t->id, &scan);
	if (rc)
		return rc;
	pack_scan_damage(scan, &damage);
	whole = !damage.header && t->size >= PACK_HEADER_LEN;
	if (whole)
		t->cut = MAX(t->cut, (uint64_t)PACK_HEADER_LEN);
	pack_scan_seek(scan, MAX(t->cut, (uint64_t)PACK_HEADER_LEN));
	while ((rc = pack_scan_next(scan, &f.r, &f.offset)) > 0) {
		whole = whole && f.offset == t->cut;
		rc = check_object(r, &f);
		if (rc < 0)
			break;
		whole = whole && rc;
		if (whole)
			t->cut = f.offset + RECORD_HEADER_LEN + f.r.stored;
	}
	return rc;
}

int tails_read(struct tails *t,
	       int (*fn)(void *ctx, const struct found *f, const void *p),
	       void *ctx)
{
	struct reader r = {.t = t, .fn = fn, .ctx = ctx};
	size_t i;
	int rc = 0;

	r.pool = codec_pool_new();
	r.codec = r.pool ? codec_take(r.pool) : NULL;
	if (!r.codec)
		rc = -ENOMEM;
	for (i = 0; !rc && i < t->n; i++)
		rc = read_tail(&r, i);
	if (r.codec)
		codec_give(r.pool, r.codec);
	codec_pool_free(r.pool);
	buf_done(&r.stored);
	buf_done(&r.raw);
	return rc;
}

/* --- afterwards ----------------------------------------------------------- */

static int cut_one(const struct tails *t, const struct tail *tail)
{
	char name[PACK_NAME_LEN];

	if (tail->fd < 0)
		return 0;
	if (!tail->pack && tail->cut <= PACK_HEADER_LEN) {
		pack_name(tail->id, name);
		return unlinkat(t->packs_fd, name, 0) < 0 && errno != ENOENT
			       ? -errno
			       : 0;
	}
	if (tail->cut < tail->size && ftruncate(tail->fd, (off_t)tail->cut) < 0)
		return -errno;
	if (fdatasync(tail->fd) < 0)
		return -errno;
	if (fchmod(tail->fd, 0400) < 0)
		log_debug("pack: cannot mark it sealed: %s", err_name(errno));
	return 0;
}

int tails_cut(struct tails *t)
{
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < t->n; i++)
		rc = cut_one(t, &t->v[i]);
	return rc;
}
