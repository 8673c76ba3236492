/* cas/store.h - keep and find objects by address on local disk.
 *
 * The directory of a store:
 *
 *	format		"deriva store 1\n": refused when the number is higher
 *	deriva.db	rows (core), with its -wal and -shm
 *	packs/ID.pack	objects
 *	drafts/		files being written: whose flock(2) nobody holds was
 *			left by a process that ended, and is swept
 *	holds/		what each process is using, for collection (cas/holds.h)
 *	lock		locked by every process that has it open, see
 *			cas/attach.h
 *
 * An object that is put lies in a pack at once and in the index when the batch
 * of the db is committed; until then the store itself knows where it lies.
 * Bytes are checked against their address every time they leave a pack.
 *
 * Owns:    the db, the object index, the packs.
 * Threads: put, get, has from any thread, with or without db_lock() held;
 *          open and close from one.
 * Units:   sizes are uint64_t bytes, uncompressed unless the name says stored.
 * Errors:  -ENOENT absent, -EBADMSG bytes do not hash to the address, -EFBIG
 *          an object over OBJ_MAX, else what the system said.
 * Durable: a put survives a power cut only after store_sync().
 */
#ifndef CAS_STORE_H
#define CAS_STORE_H

#include "core/addr.h"
#include "core/buf.h"
#include "core/db.h"
#include "core/objects.h"
#include "cas/chunker.h" /* CHUNK_MAX */
#include "cas/pack.h"	 /* OBJ_MAX */

#define STORE_FORMAT 1

/* In an object_loc of this process: the object lies in a pack that has no row
 * yet; the rest is this process's own number for it. */
#define PACK_LOCAL UINT32_C(0x80000000)

struct attach;
/* Names in drafts/ that are not swept: files that were closed before a crash,
 * and wait to be taken in (cas/seal_file.h). */
#define DRAFTS_SEALED "sealed-"
/* Behind it: kept for people, and nobody else's business. */
#define DRAFTS_DAMAGED DRAFTS_SEALED "damaged-"

struct store;
struct cache;

enum store_flags {
	STORE_CREATE = 1, /* make it (and the directory's last component) */
};

/* Opens it, also while other processes use it. Messages name the path and
 * the remedy: missing, not empty and no store, not writable, newer format; or
 * of an older one, and in use, so that it cannot be brought up to date. */
int store_open(const char *path, int flags, struct store **ret,
	       struct err *err) MUST_USE;
/* Commits the batch, makes all of it durable, closes. Says how that went; the
 * store is freed in any case. */
int store_close(struct store *s);
CLEANUP_FN(struct store, store_close)

struct db *store_db(struct store *s);
struct objects *store_objects(struct store *s);
const char *store_path(const struct store *s); /* absolute */
int store_drafts_fd(const struct store *s);    /* the drafts/ directory */

/* Which other processes have it open, and what this one is to them; alone only
 * while it is being opened, see store.c. */
struct attach *store_attach(struct store *s);

/* Address of the object; stored only when it is not there yet, or damaged: what
 * was not read or written by this process not long ago is read back to see. */
int store_put(struct store *s, enum obj_kind kind, const void *p, size_t n,
	      struct addr *ret) MUST_USE;
/* The same for bytes whose address the caller has just computed. */
int store_put_as(struct store *s, enum obj_kind kind, const struct addr *a,
		 const void *p, size_t n) MUST_USE;
/* The same, but an object that is there already is read back in any case. */
int store_put_checked(struct store *s, enum obj_kind kind, const struct addr *a,
		      const void *p, size_t n) MUST_USE;
/* Whether something was put that no batch has indexed yet: whoever commits
 * batches then begins one, if none is open. */
bool store_pending(struct store *s);
/* Replaces the content of *ret (empty after a failure). ret_kind may be
 * NULL. */
int store_get(struct store *s, const struct addr *a, enum obj_kind *ret_kind,
	      struct buf *ret) MUST_USE;
int store_find(struct store *s, const struct addr *a,
	       struct object_loc *ret) MUST_USE; /* without reading it */
bool store_has(struct store *s, const struct addr *a);

/* Whoever puts objects and then writes rows that refer to them does so between
 * these two, so that collection lets them be. To be left after the rows were
 * written, or given up; it lasts until the batch that is open then has ended.
 * db_lock held or not. Holding on for long makes collection take less. */
unsigned store_enter(struct store *s);
void store_leave(struct store *s, unsigned ticket);

/* What somebody is going to read for some time: collection lets it be until it
 * is released. Before the address is looked up; nothing is said about whether
 * it is there. blob_open() does it by itself. */
void store_keep(struct store *s, const struct addr *a);
void store_release(struct store *s, const struct addr *a);

/* Waits, so long at most, until collection, in whatever process, asks for
 * something; does it: the pack being written is finished, files that are gone
 * are closed. Returns at once after store_wake(). Mounts have a thread for it.
 */
int store_serve(struct store *s, int64_t timeout_ns) MUST_USE;
/* The pack being written is finished: what comes next goes to another. */
int store_finish_pack(struct store *s) MUST_USE;
void store_wake(struct store *s);

/* -errno of a sync that failed; 0: none did. From then on nothing can be made
 * durable: what the system could not write it may have dropped, and a later
 * sync would not say so. Opening the store again looks at what is there. */
int store_unsafe(const struct store *s);
/* Commits the batch (db_lock held or not), then makes everything committed
 * durable: files that wait to be taken in (cas/seal_file.h), packs with
 * unsynced bytes, packs/ itself, the database's log. */
int store_sync(struct store *s) MUST_USE;

/* For cas itself: packset_sealing(). */
void store_sealing(struct store *s, bool on);
/* For cas itself: an object on its way in, in two steps, so that many can be
 * prepared at once and then appended in order with one write. kind, addr and
 * raw are the caller's; what prepare finds out is the rest. */
struct codec;
struct store_new {
	enum obj_kind kind;
	struct addr addr;
	uint32_t raw;
	bool present; /* nothing is to be appended */
	bool replace; /* the one that is there is damaged */
	bool late;    /* look again before it is appended */
	uint8_t codec;
	uint32_t stored;
	const void *payload;  /* p, or the codec's until it is given back */
	struct codec *holder; /* until store_prepared() */
};
/* Looks it up and compresses it; checked: as store_put_checked(). */
int store_prepare(struct store *s, const void *p, bool checked,
		  struct store_new *o) MUST_USE;
void store_prepared(struct store *s, struct store_new *o);
/* Appends what is not there yet, in that order. */
int store_append(struct store *s, struct store_new *const *o,
		 size_t n) MUST_USE;
struct ingest;
struct ingest *store_ingest(struct store *s);

/* For cas itself: the directory of the packs; the gear table; what was decoded
 * a moment ago (chunks as their bytes, nodes as struct node). */
int store_packs_fd(const struct store *s);
const struct chunker *store_chunker(const struct store *s);
struct cache *store_chunk_cache(struct store *s);
struct cache *store_node_cache(struct store *s);
struct holds *store_holds(struct store *s);
int store_dir_fd(const struct store *s);
/* An object as it lies at that place, its payload as stored, checked against
 * its address: -EBADMSG. */
int store_read_stored(struct store *s, const struct addr *a,
		      const struct object_loc *loc, struct buf *ret) MUST_USE;

#endif
