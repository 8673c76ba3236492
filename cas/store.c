/* How an object gets in: hash, look in the index, compress, append to a pack
 * (its bytes are in the kernel's hands from here on), remember the place. None
 * of this touches the batch, so that it goes on from any number of threads
 * while another one holds the db.
 *
 * The rows follow with the batch that ends next, in a hook before its commit.
 * Hooks that run after ours put objects as well (the journal of the batch):
 * such a put comes from the thread that commits, and writes its row at once,
 * so that the batch never refers to an object that the index does not know.
 *
 * Lock order: db_lock, then any of the locks inside pending, packset, caches,
 * of which none is held while another is taken (but see packset.c).
 */
#include "cas/store.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "cas/attach.h"
#include "cas/cache.h"
#include "cas/codec.h"
#include "cas/holds.h"
#include "cas/ingest.h"
#include "cas/layout.h"
#include "cas/pack_cache.h"
#include "cas/pack_read.h"
#include "cas/packset.h"
#include "cas/pending.h"
#include "cas/recover.h"
#include "cas/seal_file.h"
#include "core/ns.h"
#include "core/tip.h"

#define CHUNK_CACHE MIB(64)
#define TRUSTED	    65536 /* objects known to be good, at most */
#define NODE_CACHE  MIB(16)

struct store {
	struct layout layout;
	struct db *db;
	struct objects *objects;
	struct packset *packs;
	struct pending *pending;
	struct pack_cache *files;
	struct codec_pool *codecs;
	struct ingest *ingest;
	struct cache *chunks, *nodes;
	struct holds *holds;
	struct chunker chunker;
	struct attach *attach;
	unsigned leaving[2];	      /* when the batch ends; db_lock() */
	_Atomic(pthread_t) committer; /* thread between our hooks, or 0 */
	_Atomic uint64_t trusted[TRUSTED];

	_Atomic(int) unsafe; /* see store_unsafe() */

	struct tips *tips; /* these: db_lock() */
	struct tip safe;   /* synced last, all of it */
	bool safe_known;   /* the row of the chain says so */
	bool tell_again;   /* what was said of the packs was lost */
	uint64_t sealed;   /* rows up to there: their files are durable */
};

/* --- the index ------------------------------------------------------------ */

static int own_id(void *ctx, uint32_t own, uint8_t ret[PACK_ID_LEN])
{
	struct store *s = ctx;

	return packset_own_id(s->packs, own, ret);
}

static int any_id(void *ctx, uint32_t pack, uint8_t ret[PACK_ID_LEN])
{
	struct store *s = ctx;

	if (pack & PACK_LOCAL)
		return packset_own_id(s->packs, pack & ~PACK_LOCAL, ret);
	return packs_id(s->objects, pack, ret);
}

static int pack_is_safe(void *ctx, const uint8_t id[PACK_ID_LEN], uint64_t end)
{
	struct store *s = ctx;

	return packs_durable(s->objects, id, end);
}

/* What is on the disk since the last time is noted along with other rows. */
static int write_safe(struct store *s)
{
	int rc = packset_synced(s->packs, s->tell_again, pack_is_safe, s);

	s->tell_again = false;
	if (rc || s->safe_known)
		return rc;
	s->safe_known = true;
	return tips_set_durable(s->tips, &s->safe);
}

static int before_commit(void *ctx)
{
	struct store *s = ctx;
	int rc;

	s->committer = pthread_self();
	rc = pending_write(s->pending, s->objects);
	return rc ? rc : write_safe(s);
}

static void after_commit(void *ctx, bool committed)
{
	struct store *s = ctx;

	unsigned g;

	s->committer = 0;
	if (committed)
		attach_ring(s->attach);
	pending_end(s->pending, committed);
	for (g = 0; g < 2; g++)
		for (; s->leaving[g]; s->leaving[g]--)
			holds_leave(s->holds, g);
	if (!committed) {
		s->tell_again = true;
		s->safe_known = false;
	}
}

int store_find(struct store *s, const struct addr *a, struct object_loc *ret)
{
	int rc;

	/* in this order: an object leaves pending when its row is committed */
	if (pending_find(s->pending, a, ret)) {
		ret->pack |= PACK_LOCAL;
		return 0;
	}
	rc = objects_find(s->objects, a, ret);
	return rc == -EDOM ? -EUCLEAN : rc;
}

/* The same for who is about to put it: what the open batch did to it counts,
 * and nobody is waited for. */
static int find_to_put(struct store *s, const struct addr *a,
		       struct object_loc *ret)
{
	int rc;

	if (pending_find(s->pending, a, ret)) {
		ret->pack |= PACK_LOCAL;
		return 0;
	}
	if (!db_trylock(s->db))
		return objects_find(s->objects, a, ret);
	rc = objects_seen(s->objects, a, ret);
	db_unlock(s->db);
	return rc;
}

bool store_has(struct store *s, const struct addr *a)
{
	struct object_loc loc;

	return !store_find(s, a, &loc);
}

bool store_pending(struct store *s)
{
	return pending_any(s->pending);
}

/* --- putting -------------------------------------------------------------- */

/* An object that is there is not stored a second time: then somebody's content
 * hangs on bytes that may have changed on the disk since they were written, and
 * who writes it is perhaps just trying to get it back. So they are read first,
 * unless this process has written or read them not long ago: such objects are
 * remembered by a part of their address, the latest of each slot. */
static void trust(struct store *s, const struct addr *a, bool good)
{
	uint64_t slot = addr_hash(a) % TRUSTED, mark = get_le64(a->b + 8);

	if (good)
		atomic_store_explicit(&s->trusted[slot], mark,
				      memory_order_relaxed);
	else if (atomic_load_explicit(&s->trusted[slot],
				      memory_order_relaxed) == mark)
		atomic_store_explicit(&s->trusted[slot], 0,
				      memory_order_relaxed);
}

static bool is_trusted(struct store *s, const struct addr *a)
{
	return atomic_load_explicit(&s->trusted[addr_hash(a) % TRUSTED],
				    memory_order_relaxed) == get_le64(a->b + 8);
}

/* Whether it is there: 0 or 1; replace: there, and damaged, or doomed. */
static int look_up(struct store *s, const struct addr *a, bool checked,
		   bool *ret_replace)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct object_loc loc;
	int rc;

	*ret_replace = false;
	holds_hit(s->holds, a);
	rc = find_to_put(s, a, &loc);
	if (rc < 0 && rc != -EDOM)
		return rc == -ENOENT ? 0 : rc;
	if (rc == -EDOM || loc.doomed) { /* a damaged row */
		*ret_replace = true;
		return 0;
	}
	if (!checked && is_trusted(s, a))
		return 1;
	rc = store_get(s, a, NULL, &b);
	*ret_replace = rc == -EBADMSG || rc == -EIO;
	if (rc == -ENOENT || *ret_replace)
		return 0;
	return rc < 0 ? rc : 1;
}

int store_prepare(struct store *s, const void *p, bool checked,
		  struct store_new *o)
{
	enum codec_id id;
	size_t stored;
	int rc;

	if (!record_length_valid(o->kind, o->raw))
		return -EFBIG;
	rc = look_up(s, &o->addr, checked, &o->replace);
	if (rc < 0)
		return rc;
	o->present = rc;
	if (o->present)
		return 0;
	o->holder = codec_take(s->codecs);
	if (!o->holder)
		return -ENOMEM;
	rc = codec_encode(o->holder, p, o->raw, &id, &o->payload, &stored);
	o->codec = (uint8_t)id;
	o->stored = (uint32_t)stored;
	return rc;
}

void store_prepared(struct store *s, struct store_new *o)
{
	codec_give(s->codecs, steal(&o->holder));
}

/* The same object may have come in since it was looked up, also with the run
 * that is being made. */
static bool came_meanwhile(struct store *s, struct store_new *o,
			   struct store_new *const *run, size_t n)
{
	struct object_loc loc;

	if (o->present || o->replace || !o->late)
		return o->present;
	while (n--)
		if (addr_eq(&run[n]->addr, &o->addr))
			return true;
	if (store_find(s, &o->addr, &loc))
		return false;
	o->replace = loc.doomed;
	return !loc.doomed;
}

/* Remembers where they lie, from that place on. */
static int add_run(struct store *s, struct store_new *const *o, size_t n,
		   uint32_t own, uint64_t offset)
{
	struct object_loc loc = {.pack = own, .offset = offset};
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < n; i++) {
		loc.kind = o[i]->kind;
		loc.codec = o[i]->codec;
		loc.stored = o[i]->stored;
		loc.raw = o[i]->raw;
		rc = pending_add(s->pending, &o[i]->addr, &loc, o[i]->replace);
		trust(s, &o[i]->addr, !rc);
		loc.offset += RECORD_HEADER_LEN + (uint64_t)loc.stored;
	}
	if (!rc && pthread_equal(s->committer, pthread_self()))
		rc = pending_write(s->pending, s->objects);
	return rc;
}

int store_append(struct store *s, struct store_new *const *o, size_t n)
{
	struct record records[PACK_RUN];
	const void *payloads[PACK_RUN];
	struct store_new *run[PACK_RUN];
	uint64_t offset;
	uint32_t own;
	size_t i = 0, k;
	int rc = 0;

	while (!rc && i < n) {
		for (k = 0; i < n && k < PACK_RUN; i++) {
			if (came_meanwhile(s, o[i], run, k))
				continue;
			run[k] = o[i];
			payloads[k] = o[i]->payload;
			records[k++] = (struct record){
				.kind = o[i]->kind,
				.codec = o[i]->codec,
				.stored = o[i]->stored,
				.raw = o[i]->raw,
				.addr = o[i]->addr,
			};
		}
		if (!k)
			break;
		rc = packset_append(s->packs, records, payloads, k, &own,
				    &offset);
		if (!rc)
			rc = add_run(s, run, k, own, offset);
	}
	return rc;
}

static int put(struct store *s, enum obj_kind kind, const struct addr *a,
	       const void *p, size_t n, bool checked)
{
	struct store_new o = {.kind = kind, .addr = *a, .raw = (uint32_t)n};
	struct store_new *one = &o;
	int rc;

	if (n > OBJ_MAX)
		return -EFBIG;
	rc = store_prepare(s, p, checked, &o);
	if (!rc)
		rc = store_append(s, &one, 1);
	store_prepared(s, &o);
	return rc;
}

int store_put_as(struct store *s, enum obj_kind kind, const struct addr *a,
		 const void *p, size_t n)
{
	return put(s, kind, a, p, n, false);
}

int store_put(struct store *s, enum obj_kind kind, const void *p, size_t n,
	      struct addr *ret)
{
	struct addr a;
	int rc;

	addr_of(kind, p, n, &a);
	rc = store_put_as(s, kind, &a, p, n);
	if (!rc)
		*ret = a;
	return rc;
}

int store_put_checked(struct store *s, enum obj_kind kind, const struct addr *a,
		      const void *p, size_t n)
{
	return put(s, kind, a, p, n, true);
}

/* --- getting -------------------------------------------------------------- */

static void log_damage(struct store *s, const struct addr *a,
		       const struct object_loc *loc, int rc)
{
	char hex[ADDR_HEX], name[PACK_NAME_LEN] = "(unknown pack)";
	uint8_t id[PACK_ID_LEN];

	addr_hex(a, hex);
	if (!any_id(s, loc->pack, id))
		pack_name(id, name);
	log_error("%s/packs/%s: offset %" PRIu64 ": %s %s %s", s->layout.path,
		  name, loc->offset, obj_kind_name(loc->kind), hex,
		  rc == -EIO ? "cannot be read from the disk" : "is damaged");
}

static bool same_place(const struct object_loc *a, const struct object_loc *b)
{
	return a->pack == b->pack && a->offset == b->offset;
}

int store_get(struct store *s, const struct addr *a, enum obj_kind *ret_kind,
	      struct buf *ret)
{
	struct object_loc loc, now;
	int rc, found;

	buf_reset(ret);
	rc = store_find(s, a, &loc);
	if (rc)
		return rc;
	while ((rc = pack_read(s->files, s->codecs, a, &loc, ret)) ==
		       -EBADMSG ||
	       rc == -EIO) {
		/* damaged, unless it was healed or moved meanwhile */
		found = store_find(s, a, &now);
		if (found == -ENOENT) {
			rc = found; /* collected */
			break;
		}
		if (found || same_place(&loc, &now)) {
			log_damage(s, a, &loc, rc);
			break;
		}
		loc = now;
	}
	if (rc != -ENOMEM)
		trust(s, a, !rc);
	if (rc)
		buf_reset(ret);
	else if (ret_kind)
		*ret_kind = loc.kind;
	return rc;
}

int store_read_stored(struct store *s, const struct addr *a,
		      const struct object_loc *loc, struct buf *ret)
{
	CLEANUP_BUF struct buf raw = BUF_INIT;
	const struct pack_file *f;
	void *to;
	int rc = pack_read(s->files, s->codecs, a, loc, &raw);

	if (rc)
		return rc;
	buf_reset(ret);
	to = buf_room(ret, loc->stored);
	if (!to)
		return -ENOMEM;
	rc = pack_cache_get(s->files, loc->pack, &f);
	if (rc)
		return rc;
	rc = pack_read_stored(f, a, loc, to);
	pack_cache_put(s->files, f);
	if (!rc)
		ret->len = loc->stored;
	return rc;
}

/* --- in use --------------------------------------------------------------- */

unsigned store_enter(struct store *s)
{
	return holds_enter(s->holds);
}

/* The rows are in the open batch, or in none any more. */
void store_leave(struct store *s, unsigned ticket)
{
	db_lock(s->db);
	if (db_in_batch(s->db))
		s->leaving[ticket]++;
	else
		holds_leave(s->holds, ticket);
	db_unlock(s->db);
}

void store_keep(struct store *s, const struct addr *a)
{
	holds_keep(s->holds, a);
}

void store_release(struct store *s, const struct addr *a)
{
	holds_release(s->holds, a);
}

void store_wake(struct store *s)
{
	holds_wake(s->holds);
}

int store_finish_pack(struct store *s)
{
	int rc;

	pack_cache_trim(s->files);
	rc = packset_retire(s->packs);
	return rc < 0 ? rc : store_sync(s);
}

int store_serve(struct store *s, int64_t timeout_ns)
{
	if (!holds_asked(s->holds)) {
		holds_wait(s->holds, timeout_ns);
		if (!holds_asked(s->holds))
			return 0;
	}
	return store_finish_pack(s);
}

/* --- durable -------------------------------------------------------------- */

/* What is to be on the disk: all of it as of one commit. */
struct syncing {
	struct tip tip;
	uint64_t last;	   /* row of a file that waits, and these */
	struct buf sealed; /* seal_files_waiting() */
};

/* Rows of files that wait are looked at before the next batch begins: one that
 * is taken in in that waits again when the batch is lost. What is closed from
 * now on has rows behind the tip, and recovery looks at these. */
static int commit(struct store *s, struct syncing *y)
{
	int rc = 0;

	db_lock(s->db);
	if (store_pending(s))
		rc = db_begin(s->db);
	if (!rc)
		rc = db_commit(s->db);
	if (!rc)
		rc = tips_newest(s->tips, &y->tip);
	y->last = s->sealed;
	if (!rc)
		rc = seal_files_waiting(s->db, &y->last, &y->sealed);
	db_unlock(s->db);
	return rc;
}

int store_unsafe(const struct store *s)
{
	return s->unsafe;
}

void store_sealing(struct store *s, bool on)
{
	packset_sealing(s->packs, on);
}

static int sync_as_of(struct store *s, const struct syncing *y)
{
	int rc = seal_files_sync(s, &y->sealed);

	db_sync_soon(s->db);
	if (!rc)
		rc = packset_sync(s->packs);
	if (!rc)
		rc = db_sync(s->db);
	if (rc) {
		s->unsafe = rc;
		return rc;
	}
	db_lock(s->db);
	s->sealed = MAX(s->sealed, y->last);
	if (y->tip.seq > s->safe.seq) {
		s->safe = y->tip;
		s->safe_known = false;
	}
	db_unlock(s->db);
	return 0;
}

int store_sync(struct store *s)
{
	struct syncing y = {.last = 0};
	int rc = commit(s, &y);

	if (!rc)
		rc = s->unsafe;
	if (!rc)
		rc = sync_as_of(s, &y);
	buf_done(&y.sealed);
	return rc;
}

/* The last sync, too, is noted, so that whoever opens the store next has
 * nothing to look at. When this is lost, it has. */
static int note_last(struct store *s)
{
	int rc = 0;

	db_lock(s->db);
	if (!s->safe_known || packset_news(s->packs))
		rc = db_begin(s->db);
	if (!rc)
		rc = db_commit(s->db);
	db_unlock(s->db);
	return rc;
}

/* --- the whole ------------------------------------------------------------ */

/* Who may be in the way. */
static void name_others(struct store *s, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t n = err ? strlen(err->msg) : 0;

	if (n && attach_others(s->attach, &b) >= 0 && b.len)
		snprintf(err->msg + n, sizeof(err->msg) - n, " (%s)",
			 buf_cstr(&b));
}

static int open_rows(struct store *s, struct err *err)
{
	CLEANUP_FREE char *path = NULL;
	int rc, flags = 0;

	if (asprintf(&path, "%s/deriva.db", s->layout.path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (s->layout.fresh)
		flags = DB_CREATE;
	else if (!attach_alone(s->attach))
		flags = DB_SHARED;
	rc = db_open(path, flags, &s->db, err);
	if (rc == -EBUSY)
		name_others(s, err);
	if (!rc)
		rc = ns_is_newest(s->db, err);
	if (!rc)
		rc = objects_open(s->db, path, &s->objects, err);
	if (!rc)
		rc = tips_open(s->db, &s->tips);
	return rc;
}

static int open_parts(struct store *s, struct err *err)
{
	int rc;

	s->pending = pending_new(own_id, s);
	s->files = pack_cache_new(s->layout.packs_fd, any_id, s);
	s->codecs = codec_pool_new();
	s->ingest = ingest_new(s);
	s->chunks = cache_new(CHUNK_CACHE);
	s->nodes = cache_new(NODE_CACHE);
	if (!s->pending || !s->files || !s->codecs || !s->ingest ||
	    !s->chunks || !s->nodes)
		return err_set(err, -ENOMEM, "%s", err_name(-ENOMEM));
	rc = packset_open(s->layout.packs_fd, &s->packs);
	if (rc)
		return err_set(err, rc, "%s/packs: %s", s->layout.path,
			       err_name(rc));
	rc = holds_open(s->layout.dir_fd, &s->holds);
	if (rc)
		return err_set(err, rc, "%s/holds: %s", s->layout.path,
			       err_name(rc));
	rc = open_rows(s, err);
	if (!rc)
		rc = db_add_hook(s->db, (struct db_hook){before_commit,
							 after_commit, s});
	return rc;
}

/* It is a store once its tables are on the disk. */
static int seal_fresh(struct store *s, struct err *err)
{
	int rc = db_sync(s->db);

	if (rc)
		return err_set(err, rc, "%s/deriva.db: %s", s->layout.path,
			       err_name(rc));
	return layout_seal(&s->layout, err);
}

static int open_after_crash(struct store *s, struct err *err)
{
	int rc = recover(s, s->tips, attach_alone(s->attach), err);

	return rc ? rc : note_last(s);
}

static void store_free(struct store *s)
{
	if (!s)
		return;
	ingest_free(s->ingest);
	tips_close(s->tips);
	objects_close(s->objects);
	db_close(s->db);
	pending_free(s->pending);
	pack_cache_free(s->files);
	packset_close(s->packs);
	codec_pool_free(s->codecs);
	cache_free(s->chunks);
	cache_free(s->nodes);
	holds_close(s->holds);
	layout_done(&s->layout);
	attach_close(s->attach);
	free(s);
}
CLEANUP_FN(struct store, store_free)

int store_open(const char *path, int flags, struct store **ret, struct err *err)
{
	CLEANUP(store_freep) struct store *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(err, -ENOMEM, "%s", err_name(-ENOMEM));
	s->layout = (struct layout){NULL, -1, -1, -1, false};
	s->safe_known = true;
	chunker_init(&s->chunker);
	rc = layout_open(path, flags & STORE_CREATE, &s->layout, err);
	if (!rc)
		rc = attach_open(s->layout.dir_fd, s->layout.path, &s->attach,
				 err);
	if (!rc)
		rc = layout_look_again(&s->layout, err);
	if (!rc)
		rc = open_parts(s, err);
	if (!rc && s->layout.fresh)
		rc = seal_fresh(s, err);
	else if (!rc)
		rc = open_after_crash(s, err);
	/* up to here, what only one process may do is done by who is alone */
	if (!rc)
		rc = attach_share(s->attach);
	if (rc)
		return rc;
	*ret = steal(&s);
	return 0;
}

int store_close(struct store *s)
{
	int rc;

	if (!s)
		return 0;
	rc = store_sync(s);
	if (!rc)
		rc = note_last(s);
	store_free(s);
	return rc;
}

struct attach *store_attach(struct store *s)
{
	return s->attach;
}

struct db *store_db(struct store *s)
{
	return s->db;
}

struct objects *store_objects(struct store *s)
{
	return s->objects;
}

const char *store_path(const struct store *s)
{
	return s->layout.path;
}

int store_drafts_fd(const struct store *s)
{
	return s->layout.drafts_fd;
}

struct ingest *store_ingest(struct store *s)
{
	return s->ingest;
}

int store_packs_fd(const struct store *s)
{
	return s->layout.packs_fd;
}

const struct chunker *store_chunker(const struct store *s)
{
	return &s->chunker;
}

struct cache *store_chunk_cache(struct store *s)
{
	return s->chunks;
}

struct cache *store_node_cache(struct store *s)
{
	return s->nodes;
}

struct holds *store_holds(struct store *s)
{
	return s->holds;
}

int store_dir_fd(const struct store *s)
{
	return s->layout.dir_fd;
}
