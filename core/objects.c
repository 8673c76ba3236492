#include "core/objects_internal.h"

#include <errno.h>
#include <limits.h>

#include "core/map.h"

/* Two connections: rows are written, iterated and counted on the db's, in the
 * batch; objects_find() asks a second one that only sees what was committed,
 * and waits for nobody. But its pages are read and checked anew after every
 * commit, so that who puts many objects and has db_lock() for the asking is
 * better served by objects_seen(), on the connection that wrote them.
 *
 * Names of packs never change and numbers are not used again, so they are
 * remembered for ever, except those that were added in a batch that then
 * failed: their numbers will be given away anew. */

static const char *const main_sql[MAIN_STMTS] = {
	[ADD] = "INSERT INTO object(addr, kind, codec, pack, offset, stored,"
		" raw) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
	[REPLACE] = "UPDATE object SET kind = ?2, codec = ?3, pack = ?4,"
		    " offset = ?5, stored = ?6, raw = ?7, doomed = 0"
		    " WHERE addr = ?1",
	[TAKE] = "UPDATE object SET kind = ?2, codec = ?3, pack = ?4,"
		 " offset = ?5, stored = ?6, raw = ?7, doomed = 0"
		 " WHERE addr = ?1 AND doomed <> 0",
	[ALL] = "SELECT kind, codec, pack, offset, stored, raw, doomed, addr"
		" FROM object ORDER BY addr",
	[REMOVE] = "DELETE FROM object WHERE addr = ? RETURNING raw, stored",
	[IN_PACKS] = "SELECT kind, codec, pack, offset, stored, raw, doomed,"
		     " addr FROM object WHERE pack BETWEEN ? AND ?",
	[TOTALS] = "SELECT objects, raw, stored FROM object_total"
		   " WHERE id = 1",
	[TOTALS_ADD] = "UPDATE object_total SET objects = objects + ?1,"
		       " raw = raw + ?2, stored = stored + ?3 WHERE id = 1",
	[STORED] = "SELECT stored FROM object WHERE addr = ?1",
	[SEEN] = "SELECT kind, codec, pack, offset, stored, raw, doomed"
		 " FROM object WHERE addr = ?",
	[PACK_ADD] = "INSERT INTO pack(name) VALUES (?) RETURNING id",
	[PACK_COUNT] = "SELECT count(*) FROM pack",
	[PACK_ALL] = "SELECT p.id, p.name, coalesce(n, 0) FROM pack AS p"
		     " LEFT JOIN (SELECT pack, count(*) AS n FROM object"
		     " GROUP BY pack) AS o ON o.pack = p.id ORDER BY p.id",
	[PACK_EXTENT] = "UPDATE pack SET extent = max(extent, ?2)"
			" WHERE id = ?1",
	[PACK_DURABLE] = "UPDATE pack SET durable = max(durable, ?2)"
			 " WHERE name = ?1",
	[PACK_ENDS] = "SELECT id, name, extent, durable FROM pack",
	[PACK_CUT] = "UPDATE pack SET extent = ?2, durable = ?2 WHERE id = ?1",
	[PACK_GONE] = "DELETE FROM pack WHERE id = ?1",
};

static const char *const read_sql[READ_STMTS] = {
	[FIND] = "SELECT kind, codec, pack, offset, stored, raw, doomed"
		 " FROM object WHERE addr = ?",
	[PACK_NAME] = "SELECT name FROM pack WHERE id = ?",
	[COLLECTION] = "SELECT state FROM collection WHERE id = 1",
	[COLLECTED] = "SELECT ended FROM collection WHERE id = 1",
};

struct pack {
	uint8_t id[PACK_ID_LEN];
	uint32_t number;
	struct pack *next; /* added in the batch that is open */
};

int object_loc_of(struct stmt *s, struct object_loc *ret)
{
	int64_t kind = stmt_col_int(s, 0), codec = stmt_col_int(s, 1);
	int64_t pack = stmt_col_int(s, 2), offset = stmt_col_int(s, 3);
	int64_t stored = stmt_col_int(s, 4), raw = stmt_col_int(s, 5);

	if (kind < 0 || kind > INT_MAX || !obj_kind_valid((int)kind) ||
	    codec < 0 || codec > UINT8_MAX || pack < 0 || pack > UINT32_MAX ||
	    offset < 0 || stored < 0 || stored > UINT32_MAX || raw < 0 ||
	    raw > UINT32_MAX)
		return -EUCLEAN;
	*ret = (struct object_loc){
		.kind = (enum obj_kind)kind,
		.codec = (uint8_t)codec,
		.pack = (uint32_t)pack,
		.offset = (uint64_t)offset,
		.stored = (uint32_t)stored,
		.raw = (uint32_t)raw,
		.doomed = stmt_col_int(s, 6),
	};
	return 0;
}

static int find(struct stmt *s, const struct addr *a, struct object_loc *ret)
{
	int rc;

	stmt_blob(s, 1, a->b, ADDR_LEN);
	rc = stmt_step(s);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	rc = object_loc_of(s, ret) < 0 ? -EDOM : 0;
	stmt_reset(s);
	return rc;
}

int objects_find(struct objects *o, const struct addr *a,
		 struct object_loc *ret)
{
	int rc;

	db_lock(o->reader);
	rc = find(o->reads[FIND], a, ret);
	db_unlock(o->reader);
	return rc;
}

int objects_seen(struct objects *o, const struct addr *a,
		 struct object_loc *ret)
{
	return find(o->stmts[SEEN], a, ret);
}

/* Writes a row: 1, or 0 when the statement had nothing to do. */
static int put(struct objects *o, int which, const struct addr *a,
	       const struct object_loc *loc)
{
	struct stmt *s = o->stmts[which];
	int rc;

	stmt_blob(s, 1, a->b, ADDR_LEN);
	stmt_int(s, 2, loc->kind);
	stmt_int(s, 3, loc->codec);
	stmt_int(s, 4, loc->pack);
	stmt_int(s, 5, (int64_t)loc->offset);
	stmt_int(s, 6, loc->stored);
	stmt_int(s, 7, loc->raw);
	rc = stmt_run(s);
	return rc < 0 ? rc : db_changes(o->db) > 0;
}

static int enter(struct objects *o, const struct object_loc *loc)
{
	return loc->offset > INT64_MAX ? -EFBIG : db_begin(o->db);
}

/* Another place for a row that is there: only the stored length may differ. */
static int put_over(struct objects *o, int which, const struct addr *a,
		    const struct object_loc *loc)
{
	struct stmt *s = o->stmts[STORED];
	int64_t was;
	int rc;

	stmt_blob(s, 1, a->b, ADDR_LEN);
	rc = stmts_int(s, &was);
	if (rc > 0)
		rc = put(o, which, a, loc);
	if (rc > 0)
		o->added.stored += (int64_t)loc->stored - was;
	return rc;
}

static int put_new(struct objects *o, const struct addr *a,
		   const struct object_loc *loc)
{
	int rc = put(o, ADD, a, loc);

	if (rc > 0) {
		o->added.objects++;
		o->added.raw += loc->raw;
		o->added.stored += loc->stored;
	}
	return rc;
}

int objects_add(struct objects *o, const struct addr *a,
		const struct object_loc *loc)
{
	int rc = enter(o, loc);

	if (rc >= 0)
		rc = put_new(o, a, loc);
	if (!rc) /* it is there, and perhaps going */
		rc = put_over(o, TAKE, a, loc);
	return rc < 0 ? rc : 0;
}

int objects_replace(struct objects *o, const struct addr *a,
		    const struct object_loc *loc)
{
	int rc = enter(o, loc);

	if (rc >= 0)
		rc = put_over(o, REPLACE, a, loc);
	if (!rc)
		rc = put_new(o, a, loc);
	return rc < 0 ? rc : 0;
}

int objects_count(struct objects *o)
{
	struct stmt *s = o->stmts[TOTALS_ADD];
	struct object_delta d = o->added;
	int rc;

	if (!d.objects && !d.raw && !d.stored)
		return 0;
	stmt_int(s, 1, d.objects);
	stmt_int(s, 2, d.raw);
	stmt_int(s, 3, d.stored);
	rc = stmt_run(s);
	if (rc >= 0)
		o->added = (struct object_delta){0};
	return rc;
}

static int visit(struct stmt *s,
		 int (*fn)(void *ctx, const struct addr *a,
			   const struct object_loc *loc),
		 void *ctx)
{
	struct object_loc loc;
	struct addr a;
	int rc = stmt_col_addr(s, 7, &a);

	if (rc == 0)
		rc = object_loc_of(s, &loc);
	return rc < 0 ? rc : fn(ctx, &a, &loc);
}

static int visit_all(struct stmt *s,
		     int (*fn)(void *ctx, const struct addr *a,
			       const struct object_loc *loc),
		     void *ctx)
{
	int rc;

	while ((rc = stmt_step(s)) > 0) {
		rc = visit(s, fn, ctx);
		if (rc)
			break;
	}
	stmt_free(s);
	return rc;
}

/* A statement of its own, so that the callback may iterate too. */
int objects_iterate(struct objects *o,
		    int (*fn)(void *ctx, const struct addr *a,
			      const struct object_loc *loc),
		    void *ctx)
{
	int rc;
	struct stmt *s = db_prepare(o->db, main_sql[ALL], &rc);

	return s ? visit_all(s, fn, ctx) : rc;
}

int objects_in_packs(struct objects *o, uint32_t from, uint32_t upto,
		     int (*fn)(void *ctx, const struct addr *a,
			       const struct object_loc *loc),
		     void *ctx)
{
	int rc;
	struct stmt *s = db_prepare(o->db, main_sql[IN_PACKS], &rc);

	if (!s)
		return rc;
	stmt_int(s, 1, from);
	stmt_int(s, 2, upto);
	return visit_all(s, fn, ctx);
}

int objects_remove_by(struct objects *o, struct stmt *s)
{
	struct object_delta d;
	int rc = stmt_step(s);

	if (rc <= 0)
		return rc;
	d = (struct object_delta){.objects = -1,
				  .raw = -stmt_col_int(s, 0),
				  .stored = -stmt_col_int(s, 1)};
	rc = stmt_run(s);
	if (rc < 0)
		return rc;
	o->added.objects += d.objects;
	o->added.raw += d.raw;
	o->added.stored += d.stored;
	rc = objects_count(o);
	return rc < 0 ? rc : 1;
}

int objects_remove(struct objects *o, const struct addr *a)
{
	struct stmt *s = o->stmts[REMOVE];
	int rc = db_begin(o->db);

	if (rc < 0)
		return rc;
	stmt_blob(s, 1, a->b, ADDR_LEN);
	rc = objects_remove_by(o, s);
	return rc < 0 ? rc : 0;
}

/* --- packs ---------------------------------------------------------------- */

static int remember(struct objects *o, uint32_t number, const void *id,
		    struct pack **ret)
{
	struct pack *p = map_get_u64(o->packs, number);
	int rc;

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		p->number = number;
		rc = map_put_u64(o->packs, number, p);
		if (rc < 0) {
			free(p);
			return rc;
		}
	}
	memcpy(p->id, id, PACK_ID_LEN);
	*ret = p;
	return 0;
}

/* The batch is over. */
static void settle(void *ctx, bool committed)
{
	struct objects *o = ctx;
	struct pack *p, *next;

	o->added = (struct object_delta){0};
	db_lock(o->reader);
	for (p = o->fresh; p; p = next) {
		next = p->next;
		p->next = NULL;
		if (committed)
			continue;
		map_del_u64(o->packs, p->number);
		free(p);
	}
	o->fresh = NULL;
	db_unlock(o->reader);
}

static int insert_pack(struct objects *o, const uint8_t *id, uint32_t *ret)
{
	struct stmt *s = o->stmts[PACK_ADD];
	int64_t number;
	int rc;

	stmt_blob(s, 1, id, PACK_ID_LEN);
	rc = stmt_step(s);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	number = stmt_col_int(s, 0);
	rc = stmt_step(s);
	if (rc > 0)
		stmt_reset(s);
	if (rc)
		return rc < 0 ? rc : -EUCLEAN;
	if (number <= 0 || number > UINT32_MAX)
		return -EOVERFLOW;
	*ret = (uint32_t)number;
	return 0;
}

int packs_add(struct objects *o, const uint8_t id[PACK_ID_LEN],
	      uint32_t *ret_pack)
{
	struct pack *p;
	uint32_t number;
	int rc;

	rc = db_savepoint(o->db);
	if (rc < 0)
		return rc;
	rc = insert_pack(o, id, &number);
	if (rc >= 0) {
		db_lock(o->reader);
		rc = remember(o, number, id, &p);
		if (rc >= 0) {
			p->next = o->fresh;
			o->fresh = p;
		}
		db_unlock(o->reader);
	}
	if (rc < 0) {
		db_revert(o->db);
		return rc;
	}
	rc = db_release(o->db);
	if (rc < 0)
		return rc; /* the batch is lost, and settle() forgets it */
	*ret_pack = number;
	return 0;
}

/* Under the reader's lock. */
static int load_pack(struct objects *o, uint32_t pack, struct pack **ret)
{
	struct stmt *s = o->reads[PACK_NAME];
	const void *id;
	size_t n;
	int rc;

	stmt_int(s, 1, pack);
	rc = stmt_step(s);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	id = stmt_col_blob(s, 0, &n);
	rc = n == PACK_ID_LEN ? remember(o, pack, id, ret) : -EUCLEAN;
	stmt_reset(s);
	return rc;
}

int packs_id(struct objects *o, uint32_t pack, uint8_t ret_id[PACK_ID_LEN])
{
	struct pack *p;
	int rc = 0;

	db_lock(o->reader);
	p = map_get_u64(o->packs, pack);
	if (!p)
		rc = load_pack(o, pack, &p);
	if (rc >= 0)
		memcpy(ret_id, p->id, PACK_ID_LEN);
	db_unlock(o->reader);
	return rc;
}

static int visit_pack(struct stmt *s,
		      int (*fn)(void *ctx, uint32_t pack,
				const uint8_t id[PACK_ID_LEN],
				uint64_t objects),
		      void *ctx)
{
	int64_t number = stmt_col_int(s, 0), n = stmt_col_int(s, 2);
	const void *id;
	size_t len;

	id = stmt_col_blob(s, 1, &len);
	if (len != PACK_ID_LEN || number <= 0 || number > UINT32_MAX)
		return -EUCLEAN;
	return fn(ctx, (uint32_t)number, id, (uint64_t)n);
}

int packs_iterate(struct objects *o,
		  int (*fn)(void *ctx, uint32_t pack,
			    const uint8_t id[PACK_ID_LEN], uint64_t objects),
		  void *ctx)
{
	struct stmt *s;
	int rc;

	s = db_prepare(o->db, main_sql[PACK_ALL], &rc);
	if (!s)
		return rc;
	while ((rc = stmt_step(s)) > 0) {
		rc = visit_pack(s, fn, ctx);
		if (rc)
			break;
	}
	stmt_free(s);
	return rc;
}

/* --- what is on the disk -------------------------------------------------- */

static int set_end(struct objects *o, int which, uint32_t pack, uint64_t end)
{
	struct stmt *s = o->stmts[which];
	int rc = end > INT64_MAX ? -EFBIG : db_begin(o->db);

	if (rc < 0)
		return rc;
	stmt_int(s, 1, pack);
	stmt_int(s, 2, (int64_t)end);
	return stmt_run(s);
}

int packs_extent(struct objects *o, uint32_t pack, uint64_t end)
{
	return set_end(o, PACK_EXTENT, pack, end);
}

int packs_cut(struct objects *o, uint32_t pack, uint64_t end)
{
	return set_end(o, PACK_CUT, pack, end);
}

int packs_durable(struct objects *o, const uint8_t id[PACK_ID_LEN],
		  uint64_t end)
{
	struct stmt *s = o->stmts[PACK_DURABLE];
	int rc = end > INT64_MAX ? -EFBIG : db_begin(o->db);

	if (rc < 0)
		return rc;
	stmt_blob(s, 1, id, PACK_ID_LEN);
	stmt_int(s, 2, (int64_t)end);
	return stmt_run(s);
}

static int ends_of(struct stmt *s, struct pack_ends *ret)
{
	int64_t pack = stmt_col_int(s, 0), extent = stmt_col_int(s, 2);
	int64_t durable = stmt_col_int(s, 3);
	const void *id;
	size_t n;

	id = stmt_col_blob(s, 1, &n);
	if (n != PACK_ID_LEN || pack <= 0 || pack > UINT32_MAX || extent < 0 ||
	    durable < 0)
		return -EUCLEAN;
	ret->pack = (uint32_t)pack;
	memcpy(ret->id, id, PACK_ID_LEN);
	ret->extent = (uint64_t)extent;
	ret->durable = (uint64_t)durable;
	return 0;
}

int packs_ends(struct objects *o,
	       int (*fn)(void *ctx, const struct pack_ends *p), void *ctx)
{
	struct stmt *s = o->stmts[PACK_ENDS];
	struct pack_ends p;
	int rc;

	while ((rc = stmt_step(s)) > 0) {
		rc = ends_of(s, &p);
		if (rc >= 0)
			rc = fn(ctx, &p);
		if (rc) {
			stmt_reset(s);
			break;
		}
	}
	return rc;
}

int packs_remove(struct objects *o, uint32_t pack)
{
	struct stmt *s = o->stmts[PACK_GONE];
	int rc = db_begin(o->db);

	if (rc < 0)
		return rc;
	stmt_int(s, 1, pack);
	return stmt_run(s);
}

int objects_totals(struct objects *o, struct object_totals *ret)
{
	struct stmt *s = o->stmts[TOTALS];
	struct object_totals t;
	int rc;

	rc = db_in_batch(o->db) ? objects_count(o) : 0;
	if (rc >= 0)
		rc = stmt_step(s);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	t.objects = (uint64_t)stmt_col_int(s, 0);
	t.raw = (uint64_t)stmt_col_int(s, 1);
	t.stored = (uint64_t)stmt_col_int(s, 2);
	stmt_reset(s);
	s = o->stmts[PACK_COUNT];
	rc = stmt_step(s);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	t.packs = (uint64_t)stmt_col_int(s, 0);
	stmt_reset(s);
	*ret = t;
	return 0;
}

/* --- opening -------------------------------------------------------------- */

static int prepare_all(struct db *db, const char *const *sql,
		       struct stmt **stmts, size_t n)
{
	size_t i;
	int rc;

	for (i = 0; i < n; i++) {
		stmts[i] = db_prepare(db, sql[i], &rc);
		if (!stmts[i])
			return rc;
	}
	return 0;
}

int objects_open(struct db *db, const char *path, struct objects **ret,
		 struct err *err)
{
	CLEANUP(objects_closep) struct objects *o = calloc(1, sizeof(*o));
	int rc;

	if (!o)
		return err_set(err, -ENOMEM, "%s: %s", path, err_name(ENOMEM));
	o->db = db;
	rc = db_open(path, DB_READONLY, &o->reader, err);
	if (rc < 0)
		return rc;
	o->packs = map_new();
	rc = o->packs ? 0 : -ENOMEM;
	if (rc >= 0)
		rc = prepare_all(db, main_sql, o->stmts, MAIN_STMTS);
	if (rc >= 0)
		rc = prepare_all(o->reader, read_sql, o->reads, READ_STMTS);
	if (rc >= 0)
		rc = db_add_hook(db,
				 (struct db_hook){.after = settle, .ctx = o});
	if (rc < 0)
		return err_set(err, rc, "%s: %s", path, err_name(rc));
	*ret = steal(&o);
	return 0;
}

void objects_close(struct objects *o)
{
	struct pack *p;
	size_t it = 0, i;
	void *v;

	if (!o)
		return;
	db_drop_hooks(o->db, o);
	for (i = 0; i < MAIN_STMTS; i++)
		stmt_free(o->stmts[i]);
	for (i = 0; i < READ_STMTS; i++)
		stmt_free(o->reads[i]);
	while (o->packs && map_next(o->packs, &it, NULL, NULL, &v)) {
		p = v;
		free(p);
	}
	map_free(o->packs);
	db_close(o->reader);
	free(o);
}
