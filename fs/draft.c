#include "fs/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cas/blob_splice.h"

#define SMALL	   KIB(256) /* up to here the whole content is in memory */
#define PIECE	   MIB(1)
#define SIZE_LIMIT ((uint64_t)INT64_MAX)

struct range {
	uint64_t start, end;
};

struct draft {
	struct store *store;
	struct blob *base; /* NULL: all zeros */
	uint64_t base_end; /* behind this, nothing of base is left */
	uint64_t size;
	bool dirty, written;

	uint8_t *small; /* the whole content, or NULL */
	size_t small_cap;

	int fd;		      /* -1: none yet */
	struct range *ranges; /* sorted, apart: what lies in fd */
	size_t count, cap;
};

int draft_new(struct store *s, struct blob *base, struct draft **ret)
{
	struct draft *d = calloc(1, sizeof(*d));
	ssize_t n;

	if (!d)
		return -ENOMEM;
	d->store = s;
	d->fd = -1;
	d->size = d->base_end = base ? blob_size(base) : 0;
	if (d->size <= SMALL) {
		d->small_cap = MAX(d->size, KIB(4));
		d->small = malloc(d->small_cap);
		n = !d->small ? -ENOMEM
		    : base    ? blob_pread(base, d->small, d->size, 0)
			      : 0;
		if (n < 0 || (uint64_t)n != d->size) {
			free(d->small);
			free(d);
			return n < 0 ? (int)n : -EIO;
		}
	}
	d->base = base;
	*ret = d;
	return 0;
}

void draft_free(struct draft *d)
{
	if (!d)
		return;
	blob_close(d->base);
	free(d->small);
	free(d->ranges);
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

static uint64_t in_ranges(const struct draft *d)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < d->count; i++)
		sum += d->ranges[i].end - d->ranges[i].start;
	return sum;
}

uint64_t draft_changed(const struct draft *d)
{
	return d->small ? d->size : in_ranges(d);
}

uint64_t draft_data(const struct draft *d)
{
	if (d->small)
		return d->size;
	return MIN(d->size, d->base_end + in_ranges(d));
}

bool draft_only_truncated(const struct draft *d)
{
	return d->dirty && !d->written;
}

/* --- ranges ------------------------------------------------------------- */

/* Index of the first range that ends at or behind off. */
static size_t range_at(const struct draft *d, uint64_t off)
{
	size_t lo = 0, hi = d->count, mid;

	if (d->count && d->ranges[d->count - 1].end < off)
		return d->count;
	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (d->ranges[mid].end < off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int range_add(struct draft *d, uint64_t start, uint64_t end)
{
	size_t i = range_at(d, start), k;
	struct range *p;

	for (k = i; k < d->count && d->ranges[k].start <= end; k++) {
		start = MIN(start, d->ranges[k].start);
		end = MAX(end, d->ranges[k].end);
	}
	if (k == i && d->count == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 8;
		p = realloc(d->ranges, d->cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		d->ranges = p;
	}
	/* ranges i to k-1 become one */
	memmove(&d->ranges[i + 1], &d->ranges[k],
		(d->count - k) * sizeof(*d->ranges));
	d->count = d->count - (k - i) + 1;
	d->ranges[i] = (struct range){start, end};
	return 0;
}

static void ranges_cut(struct draft *d, uint64_t size)
{
	while (d->count && d->ranges[d->count - 1].start >= size)
		d->count--;
	if (d->count && d->ranges[d->count - 1].end > size)
		d->ranges[d->count - 1].end = size;
}

/* --- where a byte lies --------------------------------------------------- */

enum where { IN_FILE, IN_BASE, IN_NOTHING };

/* What off lies in, and how far that goes. off < size. */
static enum where locate(const struct draft *d, uint64_t off, uint64_t *ret_end)
{
	size_t i = range_at(d, off + 1);
	uint64_t next = d->size;

	if (i < d->count) {
		if (d->ranges[i].start <= off) {
			*ret_end = d->ranges[i].end;
			return IN_FILE;
		}
		next = d->ranges[i].start;
	}
	if (d->base && off < d->base_end) {
		*ret_end = MIN(next, d->base_end);
		return IN_BASE;
	}
	*ret_end = next;
	return IN_NOTHING;
}

static int read_part(struct draft *d, enum where w, uint8_t *p, size_t n,
		     uint64_t off)
{
	ssize_t got;

	for (; n; p += got, n -= (size_t)got, off += (uint64_t)got) {
		if (w == IN_NOTHING) {
			memset(p, 0, n);
			return 0;
		}
		if (w == IN_BASE)
			got = blob_pread(d->base, p, n, off);
		else
			got = pread(d->fd, p, n, (off_t)off);
		if (got < 0)
			return w == IN_BASE ? (int)got : -errno;
		if (!got) {
			/* the file ends before its last range: zeros */
			memset(p, 0, n);
			return 0;
		}
	}
	return 0;
}

ssize_t draft_read(struct draft *d, void *p, size_t n, uint64_t off)
{
	uint64_t end;
	size_t done = 0, part;
	enum where w;
	int r;

	if (off >= d->size)
		return 0;
	n = (size_t)MIN((uint64_t)n, d->size - off);
	if (d->small) {
		memcpy(p, d->small + off, n);
		return (ssize_t)n;
	}
	while (done < n) {
		w = locate(d, off + done, &end);
		part = (size_t)MIN((uint64_t)(n - done), end - off - done);
		r = read_part(d, w, (uint8_t *)p + done, part, off + done);
		if (r < 0)
			return r;
		done += part;
	}
	return (ssize_t)n;
}

/* --- writing ------------------------------------------------------------ */

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
	ssize_t got;

	for (; n; p += got, n -= (size_t)got, off += (uint64_t)got) {
		got = pwrite(d->fd, p, n, (off_t)off);
		if (got < 0)
			return -errno;
	}
	return 0;
}

/* From memory to a file: it has grown. */
static int spill(struct draft *d)
{
	int r = d->fd >= 0 ? 0 : open_file(d);

	if (r >= 0)
		r = write_file(d, d->small, d->size, 0);
	if (r >= 0 && d->size)
		r = range_add(d, 0, d->size);
	if (r < 0)
		return r;
	free(d->small);
	d->small = NULL;
	d->base_end = 0; /* all that is left of it is in the file now */
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

int draft_write(struct draft *d, const void *p, size_t n, uint64_t off)
{
	uint64_t end = off + n;
	int r;

	if (off > SIZE_LIMIT || end > SIZE_LIMIT)
		return -EFBIG;
	if (!n)
		return 0;
	if (d->small && end > SMALL) {
		r = spill(d);
		if (r < 0)
			return r;
	}
	if (d->small) {
		r = small_room(d, end);
		if (r < 0)
			return r;
		if (off > d->size)
			memset(d->small + d->size, 0, off - d->size);
		memcpy(d->small + off, p, n);
	} else {
		r = d->fd >= 0 ? 0 : open_file(d);
		if (r >= 0)
			r = write_file(d, p, n, off);
		if (r >= 0)
			r = range_add(d, off, end);
		if (r < 0)
			return r;
	}
	d->size = MAX(d->size, end);
	d->dirty = d->written = true;
	return 0;
}

int draft_truncate(struct draft *d, uint64_t size)
{
	int r;

	if (size > SIZE_LIMIT)
		return -EFBIG;
	if (size == d->size)
		return 0;
	if (d->small && size > SMALL) {
		r = spill(d);
		if (r < 0)
			return r;
	}
	if (d->small) {
		r = small_room(d, size);
		if (r < 0)
			return r;
		if (size > d->size)
			memset(d->small + d->size, 0, size - d->size);
	} else if (size < d->size) {
		ranges_cut(d, size);
		d->base_end = MIN(d->base_end, size);
		if (d->fd >= 0 && ftruncate(d->fd, (off_t)size) < 0)
			return -errno;
	}
	d->size = size;
	d->dirty = true;
	return 0;
}

/* --- taking it in -------------------------------------------------------- */

static int copy_part(struct draft *d, struct blob_writer *w, enum where where,
		     uint64_t off, uint64_t end, uint8_t *piece)
{
	uint64_t n;
	int r = 0;

	if (where == IN_NOTHING)
		return blob_write_zeros(w, end - off);
	if (where == IN_BASE)
		return blob_write_blob(w, d->base, off, end - off);
	for (; r >= 0 && off < end; off += n) {
		n = MIN(end - off, PIECE);
		r = read_part(d, where, piece, n, off);
		if (r >= 0)
			r = blob_write(w, piece, n);
	}
	return r;
}

static int copy_all(struct draft *d, struct addr *ret, uint64_t *ret_size)
{
	CLEANUP(blob_writer_freep)
	struct blob_writer *w = blob_writer_new(d->store);
	CLEANUP_FREE uint8_t *piece = malloc(PIECE);
	uint64_t off = 0, end;
	enum where where;
	int r = w && piece ? 0 : -ENOMEM;

	for (; r >= 0 && off < d->size; off = end) {
		where = locate(d, off, &end);
		r = copy_part(d, w, where, off, end, piece);
	}
	return r < 0 ? r : blob_finish(w, ret, ret_size);
}

int draft_commit(struct draft *d, struct addr *ret, uint64_t *ret_size)
{
	struct blob *base = NULL;
	struct addr addr;
	uint64_t size = d->size;
	int r;

	if (d->small)
		r = blob_put(d->store, d->small, d->size, &addr);
	else
		r = copy_all(d, &addr, &size);
	if (r >= 0 && !d->small)
		r = blob_open(d->store, &addr, &base);
	if (r < 0)
		return r;
	blob_close(d->base);
	d->base = base;
	d->base_end = size;
	d->count = 0;
	if (d->fd >= 0 && ftruncate(d->fd, 0) < 0)
		log_warn("drafts: ftruncate: %s", err_name(errno));
	d->dirty = d->written = false;
	*ret = addr;
	*ret_size = size;
	return 0;
}
