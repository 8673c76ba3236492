#include "recipes/runs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FAN_IN	   16
#define READ_BLOCK KIB(128)
#define WRITE_MIN  KIB(256)

/* In the file a record is its length, u32 in the machine's order, and its
 * bytes. */
#define HEAD sizeof(uint32_t)

struct run {
	uint64_t off, end;
};

/* A run being read: bytes of it from pos to len are in buf. */
struct source {
	uint64_t off, end; /* not read yet */
	uint8_t *buf;
	size_t cap, pos, len;
	struct line line;
};

struct runs {
	const struct order *order;
	const bool *stop;
	int scratch_fd;
	int fd;
	struct run *list;
	size_t count, room;

	/* the merge going on: sources by their records */
	struct source src[FAN_IN], *sorted[FAN_IN];
	struct source **first;
	size_t active;
	bool given; /* the first one's record was given out */
	unsigned steps;
};

static void merge_done(struct runs *r)
{
	size_t i;

	for (i = 0; i < FAN_IN; i++)
		free(r->src[i].buf);
	memset(r->src, 0, sizeof(r->src));
	r->active = 0;
	r->given = false;
}

/* --- files ---------------------------------------------------------------- */

/* A file of the directory, without a name. */
static int open_unnamed(int dir, int *ret_fd)
{
	char name[32];
	unsigned i;
	int fd;

	if (dir < 0)
		return -EBADF;
	for (i = 0;; i++) {
		snprintf(name, sizeof(name), "sort-%u", i);
		fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			    0600);
		if (fd >= 0)
			break;
		if (errno != EEXIST || i == 9999)
			return -errno;
	}
	if (unlinkat(dir, name, 0) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

int runs_open(int scratch_fd, const struct order *order, const bool *stop,
	      struct runs **ret)
{
	struct runs *r;
	int fd = -1, rc;

	rc = open_unnamed(scratch_fd, &fd);
	if (rc < 0)
		return rc;
	r = calloc(1, sizeof(*r));
	if (!r) {
		close(fd);
		return -ENOMEM;
	}
	r->order = order;
	r->stop = stop;
	r->scratch_fd = scratch_fd;
	r->fd = fd;
	*ret = r;
	return 0;
}

void runs_close(struct runs *r)
{
	if (!r)
		return;
	merge_done(r);
	close(r->fd);
	free(r->list);
	free(r);
}

static bool stopped(const struct runs *r)
{
	return r->stop && __atomic_load_n(r->stop, __ATOMIC_RELAXED);
}

/* --- writing -------------------------------------------------------------- */

static int flush(struct run_writer *w)
{
	size_t done = 0;
	ssize_t n;

	while (done < w->pending.len) {
		n = pwrite(w->fd, w->pending.data + done, w->pending.len - done,
			   (off_t)(w->off + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	w->off += done;
	buf_reset(&w->pending);
	return 0;
}

int run_write(struct run_writer *w, struct line l)
{
	struct line last = {w->last.data, w->last.len};
	uint32_t n = (uint32_t)l.n;

	if (l.n > RUN_LINE_MAX)
		return -E2BIG;
	if (w->order->unique) {
		if (w->any && !order_compare(w->order, last, l))
			return 0;
		w->any = true;
		buf_reset(&w->last);
		buf_add(&w->last, l.p, l.n);
	}
	buf_add(&w->pending, &n, HEAD);
	buf_add(&w->pending, l.p, l.n);
	if (buf_err(&w->pending) < 0 || buf_err(&w->last) < 0)
		return -ENOMEM;
	return w->pending.len < WRITE_MIN ? 0 : flush(w);
}

void run_writer_done(struct run_writer *w)
{
	buf_done(&w->pending);
	buf_done(&w->last);
}

void runs_begin(struct runs *r, struct run_writer *w)
{
	w->fd = r->fd;
	w->off = r->count ? r->list[r->count - 1].end : 0;
}

static int add_run(struct runs *r, struct run run)
{
	size_t room;
	struct run *p;

	if (r->count == r->room) {
		room = r->room ? r->room * 2 : 16;
		p = reallocarray(r->list, room, sizeof(*p));
		if (!p)
			return -ENOMEM;
		r->list = p;
		r->room = room;
	}
	r->list[r->count++] = run;
	return 0;
}

int runs_end(struct runs *r, struct run_writer *w)
{
	uint64_t from = r->count ? r->list[r->count - 1].end : 0;
	int rc = w->pending.len ? flush(w) : 0;

	return rc < 0 ? rc : add_run(r, (struct run){from, w->off});
}

/* --- merging -------------------------------------------------------------- */

/* Room behind len: the unread bytes move to the front, or the block grows. */
static int make_room(struct source *s)
{
	size_t cap;
	uint8_t *p;

	if (s->pos) {
		memmove(s->buf, s->buf + s->pos, s->len - s->pos);
		s->len -= s->pos;
		s->pos = 0;
	}
	if (s->len < s->cap)
		return 0;
	cap = s->cap ? s->cap * 2 : READ_BLOCK;
	p = realloc(s->buf, cap);
	if (!p)
		return -ENOMEM;
	s->buf = p;
	s->cap = cap;
	return 0;
}

static int fill(struct source *s, int fd)
{
	ssize_t n;
	int rc = make_room(s);

	if (rc < 0)
		return rc;
	do
		n = pread(fd, s->buf + s->len,
			  (size_t)MIN((uint64_t)(s->cap - s->len),
				      s->end - s->off),
			  (off_t)s->off);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -EIO; /* somebody cut the file */
	s->len += (size_t)n;
	s->off += (uint64_t)n;
	return 0;
}

/* At least n bytes from pos on. */
static int want(struct source *s, int fd, size_t n)
{
	int rc = 0;

	while (rc >= 0 && s->len - s->pos < n)
		rc = s->off < s->end ? fill(s, fd) : -EIO;
	return rc;
}

/* 1: there is a record, 0: the run is at its end. */
static int next_record(struct source *s, int fd)
{
	uint32_t n = 0;
	int rc;

	if (s->off == s->end && s->pos == s->len)
		return 0;
	rc = want(s, fd, HEAD);
	if (rc < 0)
		return rc;
	memcpy(&n, s->buf + s->pos, HEAD);
	rc = n > RUN_LINE_MAX ? -EIO : want(s, fd, HEAD + n);
	if (rc < 0)
		return rc;
	s->line.p = s->buf + s->pos + HEAD;
	s->line.n = n;
	s->pos += HEAD + n;
	return 1;
}

/* Whether a comes before b. Sources lie in the order of their runs in memory,
 * so among equal lines the one that was read first does. */
static bool before(const struct order *o, const struct source *a,
		   const struct source *b)
{
	int c = order_compare(o, a->line, b->line);

	return c ? c < 0 : a < b;
}

/* Moves the first source to its place among the others, which are sorted. */
static void settle(const struct order *o, struct source **s, size_t n)
{
	struct source *first = s[0];
	size_t i;

	for (i = 0; i + 1 < n && before(o, s[i + 1], first); i++)
		s[i] = s[i + 1];
	s[i] = first;
}

/* Runs first to first + n, at most FAN_IN. */
static int merge_begin(struct runs *r, size_t first, size_t n)
{
	size_t i;
	int rc = stopped(r) ? -ECANCELED : 0;

	merge_done(r);
	for (i = n; i-- > 0 && rc >= 0;) {
		struct source *s = &r->src[i];

		s->off = r->list[first + i].off;
		s->end = r->list[first + i].end;
		rc = next_record(s, r->fd);
		if (rc <= 0)
			continue;
		r->sorted[FAN_IN - 1 - r->active++] = s;
		r->first = r->sorted + FAN_IN - r->active;
		settle(r->order, r->first, r->active);
	}
	return rc < 0 ? rc : 0;
}

int runs_next(struct runs *r, struct line *ret)
{
	int rc;

	if (r->given) {
		rc = next_record(r->first[0], r->fd);
		if (rc < 0)
			return rc;
		if (!rc) {
			r->first++;
			r->active--;
		}
		if (r->active)
			settle(r->order, r->first, r->active);
	}
	r->given = r->active;
	if (!r->active)
		return 0;
	if (++r->steps % 65536 == 0 && stopped(r))
		return -ECANCELED;
	*ret = r->first[0]->line;
	return 1;
}

static int merge_some(struct runs *r, size_t first, size_t n,
		      struct run_writer *w)
{
	struct line l;
	int rc = merge_begin(r, first, n);

	while (rc >= 0 && (rc = runs_next(r, &l)) > 0)
		rc = run_write(w, l);
	return rc;
}

/* Every FAN_IN runs become one in another file, which takes this one's
 * place. */
static int merge_pass(struct runs *r)
{
	struct runs *to = NULL;
	size_t i, n;
	int rc;

	rc = runs_open(r->scratch_fd, r->order, r->stop, &to);
	for (i = 0; rc >= 0 && i < r->count; i += n) {
		struct run_writer w = {.order = r->order};

		n = MIN(r->count - i, (size_t)FAN_IN);
		runs_begin(to, &w);
		rc = merge_some(r, i, n, &w);
		if (rc >= 0)
			rc = runs_end(to, &w);
		run_writer_done(&w);
	}
	if (rc >= 0) {
		struct run *list = r->list;
		int fd = r->fd;

		r->list = to->list;
		r->count = to->count;
		r->room = to->room;
		r->fd = to->fd;
		to->list = list;
		to->fd = fd;
	}
	runs_close(to);
	return rc;
}

int runs_merge(struct runs *r)
{
	int rc = 0;

	while (rc >= 0 && r->count > FAN_IN)
		rc = merge_pass(r);
	return rc < 0 ? rc : merge_begin(r, 0, r->count);
}
