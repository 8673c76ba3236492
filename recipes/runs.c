#include "recipes/runs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FAN_IN	   16
#define READ_BLOCK KIB(128)
#define WRITE_MIN  KIB(256)

struct run {
	uint64_t off, end;
};

struct runs {
	const struct order *order;
	const bool *stop;
	int scratch_fd;
	int fd;
	struct run *list;
	size_t count, room;
};

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
	int rc;

	if (w->out) {
		rc = blob_write(w->out, w->pending.data, w->pending.len);
		if (rc < 0)
			return rc;
		done = w->pending.len;
	}
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

	if (w->order->unique) {
		if (w->any && !order_compare(w->order, last, l))
			return 0;
		w->any = true;
		buf_reset(&w->last);
		buf_add(&w->last, l.p, l.n);
	}
	buf_add(&w->pending, l.p, l.n);
	buf_u8(&w->pending, '\n');
	if (buf_err(&w->pending) < 0 || buf_err(&w->last) < 0)
		return -ENOMEM;
	return w->pending.len < WRITE_MIN ? 0 : flush(w);
}

int run_writer_end(struct run_writer *w)
{
	return w->pending.len ? flush(w) : 0;
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
	int rc = run_writer_end(w);

	return rc < 0 ? rc : add_run(r, (struct run){from, w->off});
}

/* --- merging -------------------------------------------------------------- */

/* A run being read: bytes of it from pos to len are in buf. */
struct source {
	uint64_t off, end; /* not read yet */
	uint8_t *buf;
	size_t cap, pos, len;
	struct line line;
};

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

/* 1: there is a line, 0: the run is at its end. */
static int next_line(struct source *s, int fd)
{
	const uint8_t *nl;
	int rc;

	for (;;) {
		nl = s->len > s->pos
			     ? memchr(s->buf + s->pos, '\n', s->len - s->pos)
			     : NULL;
		if (nl)
			break;
		if (s->off == s->end)
			return s->pos == s->len ? 0 : -EIO;
		rc = fill(s, fd);
		if (rc < 0)
			return rc;
	}
	s->line.p = s->buf + s->pos;
	s->line.n = (size_t)(nl - s->line.p);
	s->pos += s->line.n + 1;
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

static int merge_sources(struct runs *r, struct source **s, size_t n,
			 struct run_writer *w)
{
	unsigned lines = 0;
	int rc;

	while (n) {
		rc = run_write(w, s[0]->line);
		if (rc < 0)
			return rc;
		if (++lines % 65536 == 0 && stopped(r))
			return -ECANCELED;
		rc = next_line(s[0], r->fd);
		if (rc < 0)
			return rc;
		if (!rc) {
			s++;
			n--;
		}
		if (n)
			settle(r->order, s, n);
	}
	return 0;
}

/* Runs first to first + n into the writer. */
static int merge_some(struct runs *r, size_t first, size_t n,
		      struct run_writer *w)
{
	struct source src[FAN_IN] = {0}, *sorted[FAN_IN];
	size_t active = 0, i;
	int rc = stopped(r) ? -ECANCELED : 0;

	for (i = n; i-- > 0 && rc >= 0;) {
		src[i].off = r->list[first + i].off;
		src[i].end = r->list[first + i].end;
		rc = next_line(&src[i], r->fd);
		if (rc <= 0)
			continue;
		sorted[FAN_IN - 1 - active++] = &src[i];
		settle(r->order, sorted + FAN_IN - active, active);
	}
	if (rc >= 0)
		rc = merge_sources(r, sorted + FAN_IN - active, active, w);
	if (rc >= 0)
		rc = run_writer_end(w);
	for (i = 0; i < n; i++)
		free(src[i].buf);
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
		struct runs old = *r;

		*r = *to;
		*to = old;
	}
	runs_close(to);
	return rc;
}

int runs_merge(struct runs *r, struct blob_writer *out)
{
	struct run_writer w = {.order = r->order, .out = out};
	int rc = 0;

	while (rc >= 0 && r->count > FAN_IN)
		rc = merge_pass(r);
	if (rc >= 0)
		rc = merge_some(r, 0, r->count, &w);
	run_writer_done(&w);
	return rc;
}
