#include "fs/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cas/blob_splice.h"
#include "fs/extents.h"
#include "fs/sums.h"

#define SMALL	   KIB(256) /* up to here the whole content is in memory */
#define PIECE	   MIB(1)
#define SIZE_LIMIT ((uint64_t)INT64_MAX)

/* Less of a blob is copied byte by byte: its chunks would be cut again. */
#define SHARE_MIN CHUNK_MAX

/* Less may never be sealed (fs/file.c), and is summed up quickly if it is. */
#define SUMS_FROM MIB(4)

/* Sources of extents: the file, and blobs from 1 on. */
#define IN_FILE 0

struct draft {
	struct store *store;
	uint64_t size;
	bool dirty, written;

	uint8_t *small; /* the whole content while it is small, else NULL */
	size_t small_cap;

	struct extents map; /* of what is not small */
	uint64_t in_file;   /* bytes of it that are in the file */
	uint64_t shared;    /* and in blobs */
	int fd;		    /* -1: none yet */
	struct blob **blobs;
	size_t count;
	uint64_t blob_data; /* of them what is no hole */

	struct sums *sums; /* of what is in the file; NULL: none yet */
	struct buf expect; /* of all of it, u64 each, once it was sealed */
	bool damaged;	   /* what is in the file is not what was written */
};

/* --- blobs ---------------------------------------------------------------- */

/* Takes the blob; its number as a source. */
static int add_blob(struct draft *d, struct blob *b, uint32_t *ret)
{
	struct addr a, have;
	struct blob **p;
	size_t i;

	blob_addr(b, &a);
	for (i = 0; i < d->count; i++) {
		blob_addr(d->blobs[i], &have);
		if (addr_eq(&a, &have)) {
			blob_close(b);
			*ret = (uint32_t)i + 1;
			return 0;
		}
	}
	p = realloc(d->blobs, (d->count + 1) * sizeof(struct blob *));
	if (!p)
		return -ENOMEM;
	d->blobs = p;
	d->blobs[d->count++] = b;
	d->blob_data += blob_data(b);
	*ret = (uint32_t)d->count;
	return 0;
}

static void drop_blobs(struct draft *d)
{
	while (d->count)
		blob_close(d->blobs[--d->count]);
	d->blob_data = 0;
}

static struct blob *blob_of(const struct draft *d, const struct extent *e)
{
	return d->blobs[e->source - 1];
}

/* --- the map -------------------------------------------------------------- */

/* Takes the bytes that lie there now out of the sums. */
static void uncount(struct draft *d, uint64_t start, uint64_t end)
{
	uint64_t all = extents_count(&d->map, start, end);
	uint64_t in_file = extents_count_of(&d->map, IN_FILE, start, end);

	d->in_file -= in_file;
	d->shared -= all - in_file;
}

static void lose_sums(struct draft *d, uint64_t start, uint64_t end)
{
	buf_reset(&d->expect); /* sealed in vain: it changes after all */
	if (d->sums)
		sums_lose(d->sums, start, end);
}

static int map_put(struct draft *d, uint64_t start, uint64_t end,
		   uint32_t source, uint64_t off)
{
	struct extent e = {start, end, off, source};
	int r = extents_prepare(&d->map);

	if (r < 0)
		return r;
	uncount(d, start, end);
	extents_put(&d->map, &e);
	if (source == IN_FILE) {
		d->in_file += end - start;
		buf_reset(&d->expect);
	} else {
		d->shared += end - start;
		lose_sums(d, start, end);
	}
	return 0;
}

static int map_clear(struct draft *d, uint64_t start, uint64_t end)
{
	int r = extents_prepare(&d->map);

	if (r < 0)
		return r;
	uncount(d, start, end);
	extents_clear(&d->map, start, end);
	lose_sums(d, start, end);
	return 0;
}

static void forget_file(struct draft *d)
{
	d->in_file = 0;
	sums_free(steal(&d->sums));
	buf_done(&d->expect);
	if (d->fd >= 0 && ftruncate(d->fd, 0) < 0)
		log_warn("drafts: ftruncate: %s", err_name(errno));
}

/* All is in memory. */
static void map_empty(struct draft *d)
{
	extents_done(&d->map);
	drop_blobs(d);
	d->shared = 0;
	forget_file(d);
}

/* The whole content is that blob from now on, which is taken if that works. */
static int map_blob(struct draft *d, struct blob *b)
{
	struct extent e = {0, blob_size(b), 0, 1};
	size_t count = d->count ? d->count : 1;
	struct blob **p = realloc(d->blobs, count * sizeof(struct blob *));
	int r = p ? extents_prepare(&d->map) : -ENOMEM;

	if (p)
		d->blobs = p;
	if (r < 0)
		return r;
	extents_clear(&d->map, 0, UINT64_MAX);
	extents_put(&d->map, &e);
	drop_blobs(d);
	d->blobs[d->count++] = b;
	d->blob_data = blob_data(b);
	d->shared = e.end;
	forget_file(d);
	return 0;
}

/* --- the whole ------------------------------------------------------------ */

static int read_base(struct draft *d, struct blob *base)
{
	ssize_t n;

	d->small_cap = MAX(d->size, KIB(4));
	d->small = malloc(d->small_cap);
	if (!d->small)
		return -ENOMEM;
	if (!base)
		return 0;
	n = blob_pread(base, d->small, d->size, 0);
	if (n < 0)
		return (int)n;
	return (uint64_t)n == d->size ? 0 : -EIO;
}

int draft_new(struct store *s, struct blob *base, struct draft **ret)
{
	CLEANUP(draft_freep) struct draft *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->store = s;
	d->fd = -1;
	d->size = base ? blob_size(base) : 0;
	if (d->size > SMALL) {
		r = map_blob(d, base);
	} else {
		r = read_base(d, base);
		if (r >= 0)
			blob_close(base);
	}
	if (r < 0)
		return r;
	*ret = steal(&d);
	return 0;
}

int draft_empty(struct store *s, struct draft **ret)
{
	int r = draft_new(s, NULL, ret);

	if (r >= 0)
		(*ret)->dirty = true;
	return r;
}

void draft_free(struct draft *d)
{
	if (!d)
		return;
	extents_done(&d->map);
	drop_blobs(d);
	free(d->blobs);
	free(d->small);
	sums_free(d->sums);
	buf_done(&d->expect);
	if (d->fd >= 0)
		close(d->fd);
	free(d);
}

uint64_t draft_size(const struct draft *d)
{
	return d->size;
}

bool draft_dirty(const struct draft *d)
{
	return d->dirty;
}

uint64_t draft_changed(const struct draft *d)
{
	return d->small ? d->size : d->in_file;
}

uint64_t draft_data(const struct draft *d)
{
	if (d->small)
		return d->size;
	return d->in_file + MIN(d->shared, d->blob_data);
}

bool draft_only_truncated(const struct draft *d)
{
	return d->dirty && !d->written;
}

/* --- reading -------------------------------------------------------------- */

/* What lies at off < size: false: zeros. *ret begins there. */
static bool locate(const struct draft *d, uint64_t off, struct extent *ret)
{
	bool in = extents_find(&d->map, off, ret);

	ret->off += off - ret->start;
	ret->start = off;
	ret->end = MIN(ret->end, d->size);
	return in;
}

static int read_file(struct draft *d, uint8_t *p, size_t n, uint64_t off)
{
	ssize_t got;

	for (; n; p += got, n -= (size_t)got, off += (uint64_t)got) {
		got = pread(d->fd, p, n, (off_t)off);
		if (got < 0)
			return -errno;
		if (!got)
			return -EIO; /* somebody cut it short */
	}
	return 0;
}

static int read_blob(struct draft *d, const struct extent *e, uint8_t *p,
		     size_t n)
{
	ssize_t got = blob_pread(blob_of(d, e), p, n, e->off);

	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -EIO;
}

ssize_t draft_read(struct draft *d, void *p, size_t n, uint64_t off)
{
	struct extent e;
	size_t done, part;
	uint8_t *to = p;
	int r = 0;

	if (off >= d->size)
		return 0;
	n = (size_t)MIN((uint64_t)n, d->size - off);
	if (d->small) {
		memcpy(p, d->small + off, n);
		return (ssize_t)n;
	}
	for (done = 0; r >= 0 && done < n; done += part) {
		bool in = locate(d, off + done, &e);

		part = (size_t)MIN((uint64_t)(n - done), e.end - e.start);
		if (!in)
			memset(to + done, 0, part);
		else if (e.source == IN_FILE)
			r = read_file(d, to + done, part, e.off);
		else
			r = read_blob(d, &e, to + done, part);
	}
	return r < 0 ? r : (ssize_t)n;
}

/* Within a blob's extent: where, or its end. */
static int seek_blob(struct draft *d, const struct extent *e, bool hole,
		     uint64_t *ret)
{
	uint64_t to;
	int r = blob_seek(blob_of(d, e), e->off, hole, &to);

	if (r == -ENXIO) {
		*ret = e->end;
		return 0;
	}
	if (r >= 0)
		*ret = MIN(e->end, e->start + (to - e->off));
	return r;
}

int draft_seek(struct draft *d, uint64_t off, bool hole, uint64_t *ret)
{
	struct extent e;
	uint64_t to;
	int r;

	if (off >= d->size)
		return -ENXIO;
	if (d->small) {
		*ret = hole ? d->size : off;
		return 0;
	}
	for (; off < d->size; off = e.end) {
		bool in = locate(d, off, &e);

		to = in == hole ? e.end : off;
		if (in && e.source != IN_FILE) {
			r = seek_blob(d, &e, hole, &to);
			if (r < 0)
				return r;
		}
		if (to < e.end) {
			*ret = to;
			return 0;
		}
	}
	if (!hole)
		return -ENXIO;
	*ret = d->size;
	return 0;
}

/* --- writing -------------------------------------------------------------- */

static int open_file(struct draft *d)
{
	char name[64];
	int dir = store_drafts_fd(d->store);

	d->fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (d->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
		return -errno;
	/* a file system without O_TMPFILE */
	snprintf(name, sizeof(name), "draft-%d-%p", (int)getpid(), (void *)d);
	d->fd = openat(dir, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (d->fd < 0)
		return -errno;
	unlinkat(dir, name, 0);
	return 0;
}

static int write_file(struct draft *d, const uint8_t *p, size_t n, uint64_t off)
{
	size_t done = 0;
	ssize_t got;
	int r = d->fd >= 0 ? 0 : open_file(d);

	if (!d->sums && d->in_file >= SUMS_FROM)
		d->sums = sums_new();
	for (; r >= 0 && done < n; done += (size_t)got) {
		got = pwrite(d->fd, p + done, n - done, (off_t)(off + done));
		if (got < 0) {
			r = -errno;
			lose_sums(d, off, off + n);
			break;
		}
	}
	if (r >= 0 && d->sums)
		sums_wrote(d->sums, p, n, off);
	return r < 0 ? r : map_put(d, off, off + n, IN_FILE, off);
}

/* From memory to a file: it has grown. */
static int spill(struct draft *d)
{
	int r = d->size ? write_file(d, d->small, d->size, 0) : 0;

	if (r < 0) {
		map_empty(d);
		return r;
	}
	free(steal(&d->small));
	return 0;
}

/* Back into memory: it has shrunk. */
static int unspill(struct draft *d, uint64_t size)
{
	size_t cap = (size_t)MAX(size, KIB(4));
	CLEANUP_FREE uint8_t *p = malloc(cap);
	ssize_t n = p ? draft_read(d, p, size, 0) : -ENOMEM;

	if (n < 0)
		return (int)n;
	map_empty(d);
	d->small = steal(&p);
	d->small_cap = cap;
	return 0;
}

static int small_room(struct draft *d, uint64_t size)
{
	size_t cap = d->small_cap;
	uint8_t *p;

	if (size <= cap)
		return 0;
	cap = (size_t)MIN(MAX((uint64_t)cap * 2, size), SMALL);
	p = realloc(d->small, cap);
	if (!p)
		return -ENOMEM;
	d->small = p;
	d->small_cap = cap;
	return 0;
}

/* What is in memory is end bytes long at least; the new ones are zeros. */
static int small_grow(struct draft *d, uint64_t end)
{
	int r = small_room(d, end);

	if (r >= 0 && end > d->size) {
		memset(d->small + d->size, 0, end - d->size);
		d->size = end;
	}
	return r;
}

int draft_write(struct draft *d, const void *p, size_t n, uint64_t off)
{
	uint64_t end = off + n;
	int r = 0;

	if (off > SIZE_LIMIT || end > SIZE_LIMIT)
		return -EFBIG;
	if (!n)
		return 0;
	if (d->small && end > SMALL)
		r = spill(d);
	if (r >= 0 && d->small) {
		r = small_grow(d, end);
		if (r >= 0)
			memcpy(d->small + off, p, n);
	} else if (r >= 0) {
		r = write_file(d, p, n, off);
	}
	if (r < 0)
		return r;
	d->size = MAX(d->size, end);
	d->dirty = d->written = true;
	return 0;
}

int draft_truncate(struct draft *d, uint64_t size)
{
	int r = 0;

	if (size > SIZE_LIMIT)
		return -EFBIG;
	if (size == d->size)
		return 0;
	if (d->small && size > SMALL) {
		r = spill(d);
	} else if (d->small) {
		r = small_grow(d, size);
	} else if (size <= SMALL) {
		r = unspill(d, size);
	} else if (size < d->size) {
		r = map_clear(d, size, SIZE_LIMIT);
		if (r >= 0 && d->fd >= 0 && ftruncate(d->fd, (off_t)size) < 0)
			r = -errno;
	}
	if (r < 0)
		return r;
	d->size = size;
	d->dirty = true;
	return 0;
}

int draft_zero(struct draft *d, uint64_t start, uint64_t end)
{
	int r = 0;

	end = MIN(end, d->size);
	if (start >= end)
		return 0;
	if (d->small) {
		memset(d->small + start, 0, end - start);
	} else {
		r = map_clear(d, start, end);
		/* where that cannot be done it only takes room for a while */
		if (r >= 0 && d->fd >= 0 &&
		    fallocate(d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)start, (off_t)(end - start)) < 0)
			log_debug("drafts: fallocate: %s", err_name(errno));
	}
	if (r >= 0)
		d->dirty = d->written = true;
	return r;
}

static int copy_bytes(struct draft *d, uint64_t at, struct blob *from,
		      uint64_t off, size_t n)
{
	CLEANUP_FREE uint8_t *p = malloc(n);
	ssize_t got = p ? blob_pread(from, p, n, off) : -ENOMEM;
	int r;

	if (got < 0)
		return (int)got;
	r = (size_t)got == n ? draft_write(d, p, n, at) : -EIO;
	if (r >= 0)
		blob_close(from);
	return r;
}

int draft_copy(struct draft *d, uint64_t at, struct blob *from, uint64_t off,
	       uint64_t n)
{
	uint32_t source;
	int r = 0;

	if (at > SIZE_LIMIT || n > SIZE_LIMIT - at)
		return -EFBIG;
	if (n < SHARE_MIN)
		return copy_bytes(d, at, from, off, n);
	if (d->small && at + n <= SMALL)
		return copy_bytes(d, at, from, off, n);
	if (d->small)
		r = spill(d);
	if (r >= 0)
		r = extents_prepare(&d->map);
	if (r >= 0)
		r = add_blob(d, from, &source);
	if (r >= 0)
		r = map_put(d, at, at + n, source, off);
	if (r < 0)
		return r;
	d->size = MAX(d->size, at + n);
	d->dirty = d->written = true;
	return 0;
}

/* --- taking it in --------------------------------------------------------- */

struct taking {
	struct draft *d;
	struct blob_writer *w;
	uint8_t *piece;
	struct summer sums; /* of a draft that was sealed: compared */
	size_t compared;    /* bytes of what is expected */
};

static int compare(void *ctx, uint64_t sum)
{
	struct taking *t = ctx;
	const struct buf *want = &t->d->expect;

	if (t->compared + 8 > want->len ||
	    get_le64(want->data + t->compared) != sum) {
		t->d->damaged = true;
		return -EBADMSG;
	}
	t->compared += 8;
	return 0;
}

static int take_file(struct taking *t, const struct extent *e)
{
	uint64_t off, n;
	int r = 0;

	for (off = e->start; r >= 0 && off < e->end; off += n) {
		n = MIN(e->end - off, PIECE);
		r = read_file(t->d, t->piece, n, off);
		if (r >= 0 && t->d->expect.len)
			r = summer_add(&t->sums, t->piece, n, off);
		if (r >= 0)
			r = blob_write(t->w, t->piece, n);
	}
	return r;
}

static int take_parts(struct taking *t)
{
	struct draft *d = t->d;
	struct extent e;
	uint64_t off;
	int r = 0;

	for (off = 0; r >= 0 && off < d->size; off = e.end) {
		uint64_t n;

		if (!locate(d, off, &e)) {
			r = blob_write_zeros(t->w, e.end - off);
			continue;
		}
		n = e.end - off;
		if (e.source == IN_FILE)
			r = take_file(t, &e);
		else
			r = blob_write_blob(t->w, blob_of(d, &e), e.off, n);
	}
	if (r >= 0)
		r = summer_end(&t->sums);
	if (r >= 0 && t->compared != d->expect.len) {
		d->damaged = true;
		r = -EBADMSG;
	}
	return r;
}

static int take_all(struct draft *d, struct addr *ret)
{
	CLEANUP(blob_writer_freep)
	struct blob_writer *w = blob_writer_new(d->store);
	CLEANUP_FREE uint8_t *piece = malloc(PIECE);
	struct taking t = {.d = d, .w = w, .piece = piece};
	int r = w && piece ? 0 : -ENOMEM;

	t.sums.fn = compare;
	t.sums.ctx = &t;
	if (r >= 0)
		r = take_parts(&t);
	summer_done(&t.sums);
	return r < 0 ? r : blob_finish(w, ret, NULL);
}

/* Whether the content is nothing but one blob: a copy, or what it was. */
static bool is_blob(const struct draft *d, struct addr *ret)
{
	struct extent e;

	if (!locate(d, 0, &e) || e.source == IN_FILE || e.off ||
	    e.end != d->size || blob_size(blob_of(d, &e)) != d->size)
		return false;
	blob_addr(blob_of(d, &e), ret);
	return true;
}

int draft_take_in(struct draft *d, struct addr *ret, uint64_t *ret_size)
{
	*ret_size = d->size;
	if (d->small)
		return blob_put(d->store, d->small, d->size, ret);
	return is_blob(d, ret) ? 0 : take_all(d, ret);
}

int draft_taken(struct draft *d, const struct addr *a, bool keep)
{
	struct blob *b;
	int r = 0;

	if (keep && !d->small) {
		close_fdp(&d->fd);
		d->fd = -1;
	}
	if (!d->small) {
		r = blob_open(d->store, a, &b);
		if (r < 0)
			return r;
		r = map_blob(d, b);
		if (r < 0)
			blob_close(b);
	}
	if (r >= 0)
		d->dirty = d->written = false;
	return r;
}

int draft_commit(struct draft *d, struct addr *ret, uint64_t *ret_size)
{
	struct addr addr;
	uint64_t size;
	int r = draft_take_in(d, &addr, &size);

	if (r >= 0)
		r = draft_taken(d, &addr, false);
	if (r < 0)
		return r;
	*ret = addr;
	if (ret_size)
		*ret_size = size;
	return 0;
}

/* --- sealing it ----------------------------------------------------------- */

struct summing {
	struct draft *d;
	uint8_t *piece;
	struct summer sums;
	uint64_t last; /* piece that came last + 1 */
};

static int note_sum(void *ctx, uint64_t sum)
{
	struct draft *d = ctx;

	buf_u64(&d->expect, sum);
	return buf_err(&d->expect);
}

/* Of one piece: its sum, or a part of the bytes it is made of. */
static int sum_part(struct summing *m, uint64_t off, size_t n)
{
	struct draft *d = m->d;
	uint64_t k = off / SUMS_PIECE, sum;
	int r = 0;

	if (d->sums && sums_known(d->sums, k, &sum)) {
		if (m->last != k + 1)
			r = summer_end(&m->sums);
		if (r >= 0 && m->last != k + 1)
			r = note_sum(d, sum);
	} else {
		r = read_file(d, m->piece, n, off);
		if (r >= 0)
			r = summer_add(&m->sums, m->piece, n, off);
	}
	m->last = k + 1;
	return r;
}

static int sum_extent(struct summing *m, const struct extent *e)
{
	uint64_t off, n;
	int r = 0;

	for (off = e->start; r >= 0 && off < e->end; off += n) {
		n = MIN(e->end - off, SUMS_PIECE - off % SUMS_PIECE);
		r = sum_part(m, off, (size_t)n);
	}
	return r;
}

static int sum_all(struct draft *d)
{
	CLEANUP_FREE uint8_t *piece = malloc(SUMS_PIECE);
	struct summing m = {.d = d, .piece = piece};
	struct extent e;
	uint64_t off;
	int r = piece ? 0 : -ENOMEM;

	m.sums.fn = note_sum;
	m.sums.ctx = d;
	buf_reset(&d->expect);
	for (off = 0; r >= 0 && off < d->size; off = e.end)
		if (locate(d, off, &e) && e.source == IN_FILE)
			r = sum_extent(&m, &e);
	if (r >= 0)
		r = summer_end(&m.sums);
	summer_done(&m.sums);
	return r;
}

#define EXTENT_LEN 25 /* u64 start, end, off, u8 1: in the blob */

int draft_fd(const struct draft *d)
{
	return d->small ? -1 : d->fd;
}

bool draft_damaged(const struct draft *d)
{
	return d->damaged;
}

int draft_seal(struct draft *d, const struct addr *base, struct buf *b)
{
	struct extent e;
	struct addr a;
	uint64_t off, count = 0;
	size_t at;
	int r;

	if (d->count) {
		blob_addr(d->blobs[0], &a);
		if (d->count > 1 || !addr_eq(&a, base))
			return -EOPNOTSUPP;
	}
	r = sum_all(d);
	if (r < 0)
		return r;
	buf_u64(b, d->size);
	buf_u8(b, d->count != 0);
	buf_add(b, base->b, ADDR_LEN);
	at = b->len;
	buf_u64(b, 0);
	for (off = 0; off < d->size; off = e.end) {
		if (!locate(d, off, &e))
			continue;
		buf_u64(b, e.start);
		buf_u64(b, e.end);
		buf_u64(b, e.off);
		buf_u8(b, e.source != IN_FILE);
		count++;
	}
	buf_add(b, d->expect.data, d->expect.len);
	r = buf_err(b);
	if (r >= 0)
		put_le64(b->data + at, count);
	return r;
}

static int restore_extent(struct draft *d, uint64_t end, struct cur *c)
{
	uint64_t from = cur_u64(c), to = cur_u64(c), off = cur_u64(c), max;
	bool in_blob = cur_u8(c);

	if (in_blob && !d->count)
		return -EBADMSG;
	max = in_blob ? blob_size(d->blobs[0]) : end;
	if (c->bad || from >= to || to > d->size || off > max ||
	    to - from > max - off || (!in_blob && off != from))
		return -EBADMSG;
	return map_put(d, from, to, in_blob ? 1 : IN_FILE, off);
}

static int restore_base(struct draft *d, const void *address)
{
	struct blob *blob;
	uint32_t source;
	struct addr a;
	int r;

	memcpy(a.b, address, ADDR_LEN);
	r = blob_open(d->store, &a, &blob);
	if (r < 0)
		return r;
	r = add_blob(d, blob, &source);
	if (r < 0)
		blob_close(blob);
	return r;
}

/* Without sums the extents go on to the end. */
static int restore_map(struct draft *d, uint64_t end, struct cur *c, bool sums)
{
	uint64_t count;
	const void *p;
	bool based;
	int r = 0;

	d->size = cur_u64(c);
	based = cur_u8(c);
	p = cur_bytes(c, ADDR_LEN);
	count = sums ? cur_u64(c) : cur_left(c) / EXTENT_LEN;
	if (!p || c->bad || d->size > SIZE_LIMIT ||
	    count > cur_left(c) / EXTENT_LEN)
		return -EBADMSG;
	if (based)
		r = restore_base(d, p);
	for (; r >= 0 && count; count--)
		r = restore_extent(d, end, c);
	if (r >= 0 && cur_left(c) % 8)
		r = -EBADMSG;
	if (r >= 0) {
		buf_add(&d->expect, c->p, cur_left(c));
		r = buf_err(&d->expect);
	}
	return r;
}

int draft_restore(struct store *s, int fd, uint64_t end, struct cur *c,
		  bool sums, struct draft **ret)
{
	CLEANUP(draft_freep) struct draft *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->store = s;
	d->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (d->fd < 0)
		return -errno;
	r = restore_map(d, end, c, sums);
	if (r < 0)
		return r;
	d->dirty = d->written = true;
	*ret = steal(&d);
	return 0;
}
