/* .deriva/events: every change of the store since its first, a line each
 * (cas/feed.h). It grows; a read at its end gives nothing, and poll(2) waits.
 *
 * Nothing of it is kept: whoever has it open reads the store, through a
 * connection of his own, from where he is. What is known of the file as a whole
 * is how far somebody has looked: its size, and every now and then the change
 * at which an offset lies, for who jumps. Looking further is done while it is
 * open and somebody asks for the size, and not for longer than a moment at
 * once: in a store with a long history the size grows from question to question
 * until it has caught up.
 *
 * Who waits is woken after each commit of this process, and when the follower
 * (follow.c) is told of others'. */
#include "fs/fs.h"

#include <errno.h>
#include <poll.h>

#include "cas/feed.h"
#include "core/clock.h"

#define MARK_EVERY  KIB(64)
#define LOOK_FOR_NS (NSEC_PER_SEC / 2)
#define MARKED(m)   ((const struct mark *)(const void *)(m)->data)

struct mark {
	uint64_t offset, after; /* the line there is the first after a change */
};

struct reader {
	pthread_mutex_t lock;
	struct peek *peek;
	struct feed *feed;
	struct buf line;
	uint64_t start; /* where the line is */
	bool ended;	/* atomic: the last read found nothing */
	uint64_t at;	/* atomic: then the last change */

	struct fuse_pollhandle *waiting; /* under events.lock, as the list */
	struct reader *next;
};

struct events {
	pthread_mutex_t lock;
	struct reader *readers;
	uint64_t size; /* atomic */

	pthread_mutex_t look_lock;
	struct peek *peek; /* NULL: nobody has looked */
	struct feed *feed;
	struct buf marks; /* struct mark */
};

/* --- the size ------------------------------------------------------------- */

static int look_begin(struct fs *fs, struct events *e)
{
	const struct mark first = {0};
	struct err err;
	int r;

	if (e->feed)
		return 0;
	r = peek_open(store_path(fs->store), &e->peek, &err);
	if (r >= 0)
		r = feed_open(e->peek, 0, "", &e->feed);
	buf_add(&e->marks, &first, sizeof(first));
	return r < 0 ? r : buf_err(&e->marks);
}

static int look(struct fs *fs, struct events *e)
{
	int64_t until = clock_mono_ns() + LOOK_FOR_NS;
	struct mark last, m = {.offset = e->size};
	const char *line;
	uint64_t seq;
	size_t n;
	int r = look_begin(fs, e);

	if (r < 0)
		return r;
	last = MARKED(&e->marks)[e->marks.len / sizeof(m) - 1];
	do {
		m.after = feed_at(e->feed);
		if (m.offset - last.offset >= MARK_EVERY) {
			buf_add(&e->marks, &m, sizeof(m));
			last = m;
		}
		r = feed_next(e->feed, &line, &n, &seq);
		if (r > 0)
			m.offset += n;
	} while (r > 0 && clock_mono_ns() < until);
	__atomic_store_n(&e->size, m.offset, __ATOMIC_RELEASE);
	return r < 0 ? r : buf_err(&e->marks);
}

uint64_t events_size(struct fs *fs)
{
	return __atomic_load_n(&fs->events->size, __ATOMIC_ACQUIRE);
}

/* Under the writeback cache the kernel holds to the size that it was told
 * first, but for bytes that it is given: the last one. Without any lock. */
static void tell_size(struct fs *fs, fuse_ino_t id, uint64_t size)
{
	struct fuse_bufvec last = FUSE_BUFVEC_INIT(1);

	last.buf[0].mem = (char[]){'\n'};
	if (size)
		fuse_lowlevel_notify_store(fs->se, id, (off_t)(size - 1), &last,
					   0);
}

void events_look(struct fs *fs, fuse_ino_t id)
{
	struct events *e = fs->events;
	uint64_t before;
	int r;

	pthread_mutex_lock(&e->look_lock);
	before = e->size;
	r = look(fs, e);
	if (r < 0) {
		log_warn("%s: .deriva/events: %s", store_path(fs->store),
			 err_name(r));
		feed_close(e->feed); /* from there on again */
		e->feed = NULL;
		peek_close(e->peek);
		e->peek = NULL;
		buf_reset(&e->marks);
		__atomic_store_n(&e->size, 0, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&e->look_lock);
	if (events_size(fs) > before)
		tell_size(fs, id, events_size(fs));
}

/* The last mark at or before an offset. */
static struct mark mark_before(struct events *e, uint64_t offset)
{
	struct mark m = {0};
	size_t i;

	pthread_mutex_lock(&e->look_lock);
	for (i = e->marks.len / sizeof(m); i; i--)
		if (MARKED(&e->marks)[i - 1].offset <= offset) {
			m = MARKED(&e->marks)[i - 1];
			break;
		}
	pthread_mutex_unlock(&e->look_lock);
	return m;
}

/* --- readers -------------------------------------------------------------- */

static void reader_free(struct reader *r)
{
	if (!r)
		return;
	feed_close(r->feed);
	peek_close(r->peek);
	buf_done(&r->line);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

int events_open(struct fs *fs, struct handle *h)
{
	struct events *e = fs->events;
	struct reader *r = calloc(1, sizeof(*r));
	struct err err;
	int rc;

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	rc = peek_open(store_path(fs->store), &r->peek, &err);
	if (rc >= 0)
		rc = feed_open(r->peek, 0, "", &r->feed);
	if (rc < 0) {
		reader_free(r);
		return rc;
	}
	h->events = r;
	pthread_mutex_lock(&e->lock);
	r->next = e->readers;
	e->readers = r;
	pthread_mutex_unlock(&e->lock);
	return 0;
}

void events_close(struct fs *fs, struct handle *h)
{
	struct events *e = fs->events;
	struct reader **p, *r = h->events;

	if (!r)
		return;
	pthread_mutex_lock(&e->lock);
	for (p = &e->readers; *p != r; p = &(*p)->next)
		;
	*p = r->next;
	pthread_mutex_unlock(&e->lock);
	if (r->waiting)
		fuse_pollhandle_destroy(r->waiting);
	reader_free(r);
	h->events = NULL;
}

static int jump(struct fs *fs, struct reader *r, uint64_t off)
{
	struct mark m = mark_before(fs->events, off);

	if (off >= r->start && m.offset <= r->start)
		return 0; /* it is nearer from where he is */
	feed_close(r->feed);
	r->feed = NULL;
	buf_reset(&r->line);
	r->start = m.offset;
	return feed_open(r->peek, m.after, "", &r->feed);
}

/* 1: there is a line at start; 0: that is the end. */
static int next_line(struct reader *r)
{
	const char *line;
	uint64_t seq;
	size_t n;
	int rc;

	rc = feed_next(r->feed, &line, &n, &seq);
	if (rc <= 0)
		return rc;
	r->start += r->line.len;
	buf_reset(&r->line);
	buf_add(&r->line, line, n);
	rc = buf_err(&r->line);
	return rc < 0 ? rc : 1;
}

static ssize_t read_some(struct fs *fs, struct reader *r, char *p, size_t size,
			 uint64_t off)
{
	size_t done = 0, at, n;
	int rc = 0;

	if (!r->feed || off < r->start || off - r->start > MARK_EVERY)
		rc = jump(fs, r, off);
	while (rc >= 0 && done < size) {
		if (off < r->start + r->line.len) {
			at = (size_t)(off - r->start);
			n = MIN(size - done, r->line.len - at);
			memcpy(p + done, r->line.data + at, n);
			done += n;
			off += n;
		} else {
			rc = next_line(r);
			if (rc <= 0)
				break;
		}
	}
	return done ? (ssize_t)done : rc;
}

ssize_t events_read(struct fs *fs, struct handle *h, char *p, size_t size,
		    uint64_t off)
{
	struct reader *r = h->events;
	ssize_t n;

	pthread_mutex_lock(&r->lock);
	n = read_some(fs, r, p, size, off);
	if (r->feed)
		__atomic_store_n(&r->at, feed_at(r->feed), __ATOMIC_RELEASE);
	__atomic_store_n(&r->ended, n == 0, __ATOMIC_RELEASE);
	if (n == 0)
		peek_rest(r->peek);
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* --- waiting -------------------------------------------------------------- */

void events_wake(struct fs *fs)
{
	struct events *e = fs->events;
	struct reader *r;

	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	for (r = e->readers; r; r = r->next)
		if (r->waiting) {
			fuse_lowlevel_notify_poll(r->waiting);
			fuse_pollhandle_destroy(r->waiting);
			r->waiting = NULL;
		}
	pthread_mutex_unlock(&e->lock);
}

static void committed(void *ctx, bool done)
{
	if (done)
		events_wake(ctx);
}

/* What is committed counts, which is all that is to be seen of the row while
 * no batch is just being ended: db_lock held. */
static bool is_ready(struct fs *fs, struct reader *r)
{
	struct addr head;
	uint64_t newest;

	if (!__atomic_load_n(&r->ended, __ATOMIC_ACQUIRE))
		return true;
	if (journal_head(fs->journal, &head, &newest) < 0)
		return true; /* reading says what is wrong */
	return newest > __atomic_load_n(&r->at, __ATOMIC_ACQUIRE);
}

/* Of all other files nobody has to wait for anything. */
void op_poll(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi,
	     struct fuse_pollhandle *ph)
{
	struct fs *fs = fs_of(req);
	struct reader *r = handle_of(fi)->events;
	unsigned ready = POLLIN | POLLRDNORM;

	(void)id;
	if (!r) {
		if (ph)
			fuse_pollhandle_destroy(ph);
		fuse_reply_poll(req, ready | POLLOUT | POLLWRNORM);
		return;
	}
	db_lock(fs->db); /* no commit falls in between */
	if (ph) {
		pthread_mutex_lock(&fs->events->lock);
		if (r->waiting)
			fuse_pollhandle_destroy(r->waiting);
		r->waiting = ph;
		pthread_mutex_unlock(&fs->events->lock);
	}
	if (!is_ready(fs, r))
		ready = 0;
	db_unlock(fs->db);
	fuse_reply_poll(req, ready);
}

/* --- the whole ------------------------------------------------------------ */

int events_start(struct fs *fs)
{
	struct events *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_init(&e->look_lock, NULL);
	fs->events = e;
	db_lock(fs->db);
	r = db_add_hook(fs->db,
			(struct db_hook){.after = committed, .ctx = fs});
	db_unlock(fs->db);
	return r;
}

/* Nobody has it open any more, or reads it. */
void events_free(struct fs *fs)
{
	struct events *e = fs->events;
	struct reader *r;

	if (!e)
		return;
	while ((r = e->readers)) {
		e->readers = r->next;
		if (r->waiting)
			fuse_pollhandle_destroy(r->waiting);
		reader_free(r);
	}
	feed_close(e->feed);
	peek_close(e->peek);
	buf_done(&e->marks);
	pthread_mutex_destroy(&e->lock);
	pthread_mutex_destroy(&e->look_lock);
	free(e);
	fs->events = NULL;
}
