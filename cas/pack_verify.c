#include "cas/pack_verify.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "cas/codec.h"

#define THREADS_MAX 64

struct pack_verifier {
	struct codec_pool *pool;
	struct codec *codec;
	struct buf stored, object;
};

struct pack_verifier *pack_verifier_new(void)
{
	struct pack_verifier *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->pool = codec_pool_new();
	v->codec = v->pool ? codec_take(v->pool) : NULL;
	if (!v->codec) {
		pack_verifier_free(v);
		return NULL;
	}
	return v;
}

void pack_verifier_free(struct pack_verifier *v)
{
	if (!v)
		return;
	if (v->codec)
		codec_give(v->pool, v->codec);
	if (v->pool)
		codec_pool_free(v->pool);
	buf_done(&v->stored);
	buf_done(&v->object);
	free(v);
}

/* --- one object ------------------------------------------------------------
 */

/* n bytes at off behind what is in b; -EBADMSG when the file ends before. */
static int read_at(int fd, uint64_t off, size_t n, struct buf *b)
{
	uint8_t *p;
	ssize_t got;

	buf_reset(b);
	p = buf_room(b, n);
	if (!p)
		return -ENOMEM;
	while (b->len < n) {
		got = pread(fd, p + b->len, n - b->len, (off_t)(off + b->len));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -EBADMSG;
		b->len += (size_t)got;
	}
	return 0;
}

/* The payload of a record into v->object, checked. */
static int read_payload(struct pack_verifier *v, int fd, const struct record *r,
			uint64_t offset)
{
	struct addr is;
	void *to;
	int rc;

	rc = read_at(fd, offset + RECORD_HEADER_LEN, r->stored,
		     r->codec == CODEC_RAW ? &v->object : &v->stored);
	if (rc < 0)
		return rc;
	if (r->codec != CODEC_RAW) {
		buf_reset(&v->object);
		to = buf_room(&v->object, r->raw);
		if (!to)
			return -ENOMEM;
		rc = codec_decode(v->codec, v->stored.data, r->stored, to,
				  r->raw);
		if (rc < 0)
			return rc;
		v->object.len = r->raw;
	}
	addr_of(r->kind, v->object.data, r->raw, &is);
	return addr_eq(&is, &r->addr) ? 0 : -EBADMSG;
}

int pack_read_object(struct pack_verifier *v, int fd,
		     const uint8_t id[PACK_ID_LEN], uint64_t offset,
		     struct record *ret_record, struct buf *ret)
{
	struct record r;
	int rc;

	rc = read_at(fd, offset, RECORD_HEADER_LEN, &v->stored);
	if (!rc)
		rc = record_decode(id, v->stored.data, &r);
	if (!rc)
		rc = read_payload(v, fd, &r, offset);
	if (rc < 0)
		return rc;
	buf_reset(ret);
	buf_add(ret, v->object.data, v->object.len);
	*ret_record = r;
	return buf_err(ret);
}

/* --- one pack --------------------------------------------------------------
 */

int pack_verify(struct pack_verifier *v, int fd, const uint8_t id[PACK_ID_LEN],
		int (*fn)(void *ctx, const struct pack_object *o), void *ctx,
		uint64_t *done, struct pack_damage *ret_damage)
{
	CLEANUP(pack_scan_freep) struct pack_scan *s = NULL;
	struct pack_object o;
	uint64_t at = 0, end;
	int rc;

	rc = pack_scan_new(fd, id, &s);
	while (rc >= 0 && (rc = pack_scan_next(s, &o.r, &o.offset)) > 0) {
		rc = read_payload(v, fd, &o.r, o.offset);
		if (rc == -ENOMEM)
			return rc;
		o.good = !rc;
		o.bytes = o.good ? v->object.data : NULL;
		end = o.offset + RECORD_HEADER_LEN + o.r.stored;
		if (done)
			__atomic_fetch_add(done, end - at, __ATOMIC_RELAXED);
		at = end;
		rc = fn(ctx, &o);
		if (rc)
			return rc;
	}
	if (s)
		pack_scan_damage(s, ret_damage);
	return rc;
}

/* --- all packs -------------------------------------------------------------
 */

struct crew {
	size_t count;
	int (*fn)(void *ctx, size_t i, struct pack_verifier *v);
	void *ctx;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t ended;
	size_t next;
	unsigned working;
	int rc;
};

static void *work(void *arg)
{
	CLEANUP(pack_verifier_freep)
	struct pack_verifier *v = pack_verifier_new();
	struct crew *c = arg;
	size_t i;
	int rc = v ? 0 : -ENOMEM;

	pthread_mutex_lock(&c->lock);
	while (!rc && !c->rc && c->next < c->count) {
		i = c->next++;
		pthread_mutex_unlock(&c->lock);
		rc = c->fn(c->ctx, i, v);
		pthread_mutex_lock(&c->lock);
	}
	if (rc && !c->rc)
		c->rc = rc;
	c->working--;
	pthread_cond_signal(&c->ended);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void wait_for_all(struct crew *c, void (*poll)(void *ctx))
{
	struct timespec until;

	pthread_mutex_lock(&c->lock);
	while (c->working) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += NSEC_PER_SEC / 10;
		if (until.tv_nsec >= NSEC_PER_SEC) {
			until.tv_sec++;
			until.tv_nsec -= NSEC_PER_SEC;
		}
		pthread_cond_timedwait(&c->ended, &c->lock, &until);
		if (poll) {
			pthread_mutex_unlock(&c->lock);
			poll(c->ctx);
			pthread_mutex_lock(&c->lock);
		}
	}
	pthread_mutex_unlock(&c->lock);
}

int packs_each(size_t count,
	       int (*fn)(void *ctx, size_t i, struct pack_verifier *v),
	       void (*poll)(void *ctx), void *ctx)
{
	struct crew c = {.count = count,
			 .fn = fn,
			 .ctx = ctx,
			 .lock = PTHREAD_MUTEX_INITIALIZER,
			 .ended = PTHREAD_COND_INITIALIZER};
	long cores = MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);
	size_t most = (size_t)MIN(cores, (long)THREADS_MAX);
	size_t want = MIN(count, most), i;
	pthread_t threads[THREADS_MAX];
	int rc = 0;

	pthread_mutex_lock(&c.lock);
	for (i = 0; i < want && !rc; i++) {
		rc = pthread_create(&threads[i], NULL, work, &c);
		if (!rc)
			c.working++;
	}
	want = c.working;
	pthread_mutex_unlock(&c.lock);
	if (!want)
		return count ? -rc : 0;
	wait_for_all(&c, poll);
	for (i = 0; i < want; i++)
		pthread_join(threads[i], NULL);
	return c.rc;
}
