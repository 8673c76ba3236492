#include "cas/gc_copy.h"

#include <errno.h>
#include <sys/stat.h>

#include "cas/pace.h"
#include "core/clock.h"

#define PENDING_MAX 4096    /* rows */
#define PENDING_LEN MIB(64) /* bytes that are not synced */

struct move {
	struct addr addr;
	struct object_loc from;
	uint64_t to; /* offset in the new pack */
};

struct gc_copy {
	struct store *s;
	struct dooms *d;
	struct pack_writer *w;
	uint32_t row; /* of the new pack; 0: not yet */
	struct move *moves;
	size_t count;
	uint64_t bytes;	  /* appended since the last sync */
	uint64_t payload; /* of records in the new pack */
	uint64_t moved, size;
	struct buf buf;
	struct pace pace;
	bool (*stop)(void *ctx);
	void *ctx;
	unsigned looked;
};

int gc_copy_new(struct store *s, struct dooms *d, bool (*stop)(void *ctx),
		void *ctx, struct gc_copy **ret)
{
	CLEANUP(gc_copy_freep) struct gc_copy *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->s = s;
	c->d = d;
	c->stop = stop;
	c->ctx = ctx;
	c->moves = calloc(PENDING_MAX, sizeof(*c->moves));
	if (!c->moves)
		return -ENOMEM;
	*ret = steal(&c);
	return 0;
}

void gc_copy_free(struct gc_copy *c)
{
	if (!c)
		return;
	pack_writer_free(c->w);
	buf_done(&c->buf);
	free(c->moves);
	free(c);
}

/* --- switching rows ------------------------------------------------------ */

/* Under db_lock(). */
static int number_pack(struct gc_copy *c)
{
	return c->row ? 0 : packs_add(store_objects(c->s), c->w->id, &c->row);
}

static int switch_row(struct gc_copy *c, const struct move *m)
{
	struct object_loc to = m->from;

	to.pack = c->row;
	to.offset = m->to;
	return dooms_move(c->d, &m->addr, &m->from, &to);
}

static int switch_some(struct gc_copy *c, size_t from, size_t n)
{
	struct db *db = store_db(c->s);
	uint32_t had = c->row;
	int64_t began;
	size_t i;
	int rc, end;

	db_lock(db);
	began = clock_mono_ns();
	rc = number_pack(c);
	for (i = 0; rc >= 0 && i < n; i++)
		rc = switch_row(c, &c->moves[from + i]);
	end = db_commit(db);
	pace_took(&c->pace, n, clock_mono_ns() - began);
	db_unlock(db);
	if (end < 0)
		c->row = had;
	return rc < 0 ? rc : end;
}

int gc_copy_flush(struct gc_copy *c)
{
	size_t i, n;
	int rc = 0;

	if (!c->count)
		return 0;
	if (fdatasync(c->w->fd) < 0)
		return -errno;
	for (i = 0; !rc && i < c->count; i += n) {
		n = pace_rows(&c->pace, c->count - i);
		rc = switch_some(c, i, n);
	}
	c->count = 0;
	c->bytes = 0;
	return rc;
}

static int finish_pack(struct gc_copy *c)
{
	int rc = gc_copy_flush(c);

	if (!c->w)
		return rc;
	if (!rc && fchmod(c->w->fd, 0400) < 0)
		log_debug("pack: cannot mark it sealed: %s", err_name(errno));
	c->size += c->w->end;
	pack_writer_free(steal(&c->w));
	c->row = 0;
	c->payload = 0;
	return rc;
}

/* --- copying ------------------------------------------------------------- */

static int begin_pack(struct gc_copy *c)
{
	int rc = pack_create(store_packs_fd(c->s), &c->w);

	/* its name has to be there before a row of it is */
	if (!rc && fsync(store_packs_fd(c->s)) < 0)
		rc = -errno;
	return rc;
}

/* A new pack is as long as it may be, so that how many there will be is known
 * beforehand: records are not split, and so it may be a record longer. */
static int copy_record(struct gc_copy *c, const struct record *r,
		       const struct object_loc *from)
{
	const void *payload;
	struct move *m;
	uint64_t at;
	int rc = 0;

	if (c->w && c->payload >= COPY_SEAL)
		rc = finish_pack(c);
	if (!rc && !c->w)
		rc = begin_pack(c);
	if (!rc)
		rc = store_read_stored(c->s, &r->addr, from, &c->buf);
	if (rc)
		return rc;
	payload = c->buf.data;
	rc = pack_append(c->w, r, &payload, 1, &at);
	if (rc)
		return rc;
	m = &c->moves[c->count++];
	*m = (struct move){r->addr, *from, at};
	c->bytes += RECORD_HEADER_LEN + (uint64_t)r->stored;
	c->payload += RECORD_HEADER_LEN + (uint64_t)r->stored;
	c->moved += RECORD_HEADER_LEN + (uint64_t)r->stored;
	if (c->count == PENDING_MAX || c->bytes >= PENDING_LEN)
		rc = gc_copy_flush(c);
	return rc;
}

int gc_copy_pack(struct gc_copy *c, int fd, const uint8_t id[PACK_ID_LEN],
		 uint32_t number, uint64_t *ret_rows)
{
	CLEANUP(pack_scan_freep) struct pack_scan *scan = NULL;
	struct object_loc loc;
	struct record r;
	uint64_t offset, rows = 0;
	int rc = pack_scan_new(fd, id, &scan);

	while (!rc && (rc = pack_scan_next(scan, &r, &offset)) > 0) {
		if (!(++c->looked & 63) && c->stop && c->stop(c->ctx))
			return -ECANCELED;
		rc = objects_find(store_objects(c->s), &r.addr, &loc);
		if (rc == -EDOM)
			rc = -EUCLEAN;
		if (rc == -ENOENT ||
		    (!rc && (loc.pack != number || loc.offset != offset))) {
			rc = 0; /* dead, or lives elsewhere */
			continue;
		}
		if (!rc)
			rc = copy_record(c, &r, &loc);
		if (rc == -EBADMSG)
			rc = 0; /* damaged: it stays where it is */
		else if (!rc)
			rows++;
	}
	if (!rc)
		*ret_rows = rows;
	return rc;
}

int gc_copy_end(struct gc_copy *c, uint64_t *ret_moved)
{
	int rc = finish_pack(c);

	*ret_moved = c->moved;
	return rc;
}

uint64_t gc_copy_size(const struct gc_copy *c)
{
	return c->size;
}
