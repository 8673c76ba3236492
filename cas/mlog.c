/* The chain leads from its end to its beginning, and the log is read forwards:
 * the addresses of the journals since the last tile are collected on the way
 * back. */
#include "cas/mlog.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "cas/head.h"

#define LEVELS	  8    /* 256^8 leaves are all there can be */
#define PUT_EVERY 1000 /* rows of a batch */

struct leaf {
	struct addr hash;
	uint64_t seq;
	struct addr journal;
	uint32_t at; /* number of the record in it */
};

/* Leaves in a row, not more than a tile. */
struct leaves {
	struct leaf v[TILE];
	unsigned n;
};

struct mlog {
	struct peek *p;
	struct db *db;
	struct tiles *tiles; /* of the peek's database */
	struct tiles *mine;  /* of db; NULL: nothing is written */
	struct merkle tree;
	uint64_t count; /* tiles of level 1 */
	struct leaves tail;

	struct leaves loaded; /* of tile number loaded_pos */
	uint64_t loaded_pos;

	/* of each level above the leaves, the hashes that have no tile above
	 * them yet */
	struct addr open[LEVELS][TILE];
	uint64_t done[LEVELS]; /* tiles of a level */
	unsigned unsaved;
	struct checking *checking; /* instead of writing rows */

	struct buf journal, clear;
};

/* --- journals ------------------------------------------------------------- */

static int get_journal(struct mlog *m, const struct addr *a,
		       struct journal_info *ret)
{
	enum obj_kind kind;
	int rc = peek_get(m->p, a, &kind, &m->journal);

	if (!rc && kind != OBJ_JOURNAL)
		rc = -EBADMSG;
	return rc ? rc
		  : journal_decode(m->journal.data, m->journal.len, ret, NULL,
				   NULL);
}

/* Addresses from there back to `from`, which is one of them, or (zero) to the
 * first; the last first. */
static int chain_back(struct mlog *m, const struct addr *upto,
		      const struct addr *from, struct buf *ret)
{
	struct journal_info info;
	struct addr a = *upto;
	int rc;

	for (;; a = info.prev) {
		buf_add(ret, a.b, ADDR_LEN);
		if (addr_eq(&a, from))
			return buf_err(ret);
		rc = get_journal(m, &a, &info);
		if (rc < 0)
			return rc;
		if (addr_is_zero(&info.prev))
			return addr_is_zero(from) ? buf_err(ret) : -EUCLEAN;
	}
}

static struct addr nth_from_end(const struct buf *list, size_t n)
{
	struct addr a;

	memcpy(a.b, list->data + list->len - (n + 1) * ADDR_LEN, ADDR_LEN);
	return a;
}

/* --- new leaves ----------------------------------------------------------- */

static void hash_block(const struct addr *h, unsigned n, struct addr *ret)
{
	struct addr half[TILE];
	unsigned i;

	memcpy(half, h, n * sizeof(*h));
	for (; n > 1; n /= 2)
		for (i = 0; i < n / 2; i++)
			merkle_node(&half[2 * i], &half[2 * i + 1], &half[i]);
	*ret = half[0];
}

static int compare(struct mlog *m, const struct tile *t);

static int save(struct mlog *m, const struct tile *t)
{
	int rc;

	if (m->checking)
		return compare(m, t);
	db_lock(m->db);
	rc = tiles_put(m->mine, t);
	if (rc >= 0 && ++m->unsaved >= PUT_EVERY) {
		rc = db_commit(m->db);
		m->unsaved = 0;
	}
	db_unlock(m->db);
	return rc;
}

static int save_end(struct mlog *m)
{
	int rc;

	if (!m->unsaved)
		return 0;
	db_lock(m->db);
	rc = db_commit(m->db);
	db_unlock(m->db);
	m->unsaved = 0;
	return rc;
}

/* A tile is full; perhaps one above it is, then, too. */
static int add_tile(struct mlog *m, struct tile t)
{
	unsigned l = t.level;
	int rc = save(m, &t);

	assert(t.pos == m->done[l]);
	m->open[l][m->done[l] % TILE] = t.hash;
	m->done[l]++;
	if (l == 1)
		m->count = m->done[l];
	if (rc < 0 || m->done[l] % TILE || l + 1 == LEVELS)
		return rc;
	hash_block(m->open[l], TILE, &t.hash);
	t.level++;
	t.pos = m->done[l] / TILE - 1;
	return add_tile(m, t);
}

static int add_leaf(struct mlog *m, const struct leaf *leaf)
{
	struct addr h[TILE];
	struct tile t;
	unsigned i;

	m->tail.v[m->tail.n++] = *leaf;
	if (m->tail.n < TILE)
		return 0;
	for (i = 0; i < TILE; i++)
		h[i] = m->tail.v[i].hash;
	t = (struct tile){.level = 1,
			  .pos = m->count,
			  .seq = leaf->seq,
			  .journal = leaf->journal,
			  .leaf = leaf->at};
	hash_block(h, TILE, &t.hash);
	m->tail.n = 0;
	return add_tile(m, t);
}

struct adding {
	struct mlog *m;
	struct addr journal;
	uint32_t at, skip; /* records */
	uint64_t seq;	   /* of the last */
	int (*each)(struct mlog *m, void *ctx);
	void *ctx;
};

static int add_record(void *ctx, const void *record, size_t len)
{
	struct adding *a = ctx;
	struct leaf leaf = {.journal = a->journal, .at = a->at++};
	int rc;

	if (leaf.at < a->skip)
		return 0;
	leaf.seq = a->seq = get_le64(record);
	merkle_leaf(record, len, &leaf.hash);
	rc = add_leaf(a->m, &leaf);
	return rc < 0 || !a->each ? rc : a->each(a->m, a->ctx);
}

static int check_batch(struct mlog *m, const struct addr *journal,
		       const struct journal_info *info, uint64_t last);

/* All leaves behind a journal's first `skip` records, up to a tip. */
static int add_leaves(struct mlog *m, const struct addr *from, uint32_t skip,
		      const struct tip *upto,
		      int (*each)(struct mlog *m, void *ctx), void *ctx)
{
	CLEANUP_BUF struct buf list = BUF_INIT;
	struct adding a = {.m = m, .skip = skip, .each = each, .ctx = ctx};
	struct journal_info info;
	size_t i;
	int rc = chain_back(m, &upto->head, from, &list);

	for (i = 0; rc >= 0 && i < list.len / ADDR_LEN; i++) {
		a.journal = nth_from_end(&list, i);
		a.at = 0;
		rc = get_journal(m, &a.journal, &info);
		if (rc >= 0)
			rc = journal_decode(m->journal.data, m->journal.len,
					    &info, add_record, &a);
		if (rc >= 0 && m->checking)
			rc = check_batch(m, &a.journal, &info, a.seq);
		a.skip = 0;
	}
	return rc;
}

/* --- opening -------------------------------------------------------------- */

static int load_open(struct mlog *m)
{
	struct tile t;
	unsigned l;
	uint64_t i;
	int rc = 0;

	for (l = 1; rc >= 0 && l < LEVELS; l++) {
		rc = tiles_count(m->tiles, l, &m->done[l]);
		for (i = m->done[l] / TILE * TILE; rc >= 0 && i < m->done[l];
		     i++) {
			rc = tiles_get(m->tiles, l, i, &t);
			if (rc >= 0)
				m->open[l][i % TILE] = t.hash;
		}
		if (rc >= 0 && l > 1 && m->done[l] != m->done[l - 1] / TILE)
			rc = -EUCLEAN;
	}
	m->count = m->done[1];
	return rc == -ENOENT ? -EUCLEAN : rc;
}

static struct mlog *new_mlog(struct peek *p)
{
	struct mlog *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return NULL;
	m->p = p;
	m->loaded_pos = UINT64_MAX;
	db_lock(peek_db(p));
	rc = tiles_open(peek_db(p), &m->tiles);
	db_unlock(peek_db(p));
	if (rc < 0) {
		free(m);
		return NULL;
	}
	return m;
}

static int whole(void *ctx, unsigned level, uint64_t pos, struct addr *ret);

int mlog_open(struct peek *p, struct db *db, const struct tip *upto,
	      struct mlog **ret)
{
	CLEANUP(mlog_closep) struct mlog *m = new_mlog(p);
	struct tile last = {.level = 0};
	int rc;

	if (!m)
		return -ENOMEM;
	m->db = db;
	m->tree = (struct merkle){.whole = whole, .ctx = m};
	db_lock(db);
	rc = tiles_open(db, &m->mine);
	db_unlock(db);
	db_lock(peek_db(p));
	if (rc >= 0)
		rc = load_open(m);
	if (rc >= 0 && m->count)
		rc = tiles_get(m->tiles, 1, m->count - 1, &last);
	db_unlock(peek_db(p));
	if (rc >= 0 && last.seq > upto->seq)
		rc = -EUCLEAN;
	if (rc >= 0)
		rc = add_leaves(m, &last.journal,
				last.level ? last.leaf + 1 : 0, upto, NULL,
				NULL);
	if (rc >= 0)
		rc = save_end(m);
	if (rc < 0)
		return rc;
	*ret = steal(&m);
	return 0;
}

void mlog_close(struct mlog *m)
{
	if (!m)
		return;
	if (m->mine) {
		db_lock(m->db);
		tiles_close(m->mine);
		db_unlock(m->db);
	}
	db_lock(peek_db(m->p));
	tiles_close(m->tiles);
	db_unlock(peek_db(m->p));
	buf_done(&m->journal);
	buf_done(&m->clear);
	free(m);
}

uint64_t mlog_size(const struct mlog *m)
{
	return m->count * TILE + m->tail.n;
}

const struct merkle *mlog_tree(struct mlog *m)
{
	return &m->tree;
}

/* --- hashes --------------------------------------------------------------- */

/* One journal's leaves, the last first, as far as there is room and above
 * `upto`. */
struct taking {
	struct leaves *to;
	struct addr journal;
	uint32_t at, upto;
	struct leaf last[TILE]; /* the newest of the journal, in a ring */
	uint32_t n;
};

static int take_record(void *ctx, const void *record, size_t len)
{
	struct taking *t = ctx;
	struct leaf *leaf = &t->last[t->n % TILE];

	if (t->at > t->upto)
		return 0;
	leaf->journal = t->journal;
	leaf->at = t->at++;
	leaf->seq = get_le64(record);
	merkle_leaf(record, len, &leaf->hash);
	t->n++;
	return 0;
}

/* The leaves of a tile, from its last back. */
static int load_tile(struct mlog *m, uint64_t pos)
{
	CLEANUP_FREE struct taking *t = calloc(1, sizeof(*t));
	struct journal_info info;
	struct tile tile;
	unsigned left = TILE;
	int rc;

	if (!t)
		return -ENOMEM;
	db_lock(peek_db(m->p));
	rc = tiles_get(m->tiles, 1, pos, &tile);
	db_unlock(peek_db(m->p));
	m->loaded_pos = UINT64_MAX;
	t->journal = tile.journal;
	t->upto = tile.leaf;
	while (rc >= 0 && left) {
		t->at = t->n = 0;
		rc = get_journal(m, &t->journal, &info);
		if (rc >= 0)
			rc = journal_decode(m->journal.data, m->journal.len,
					    &info, take_record, t);
		for (; rc >= 0 && left && t->n; t->n--)
			m->loaded.v[--left] = t->last[(t->n - 1) % TILE];
		if (rc >= 0 && left && addr_is_zero(&info.prev))
			rc = -EUCLEAN;
		t->journal = info.prev;
		t->upto = UINT32_MAX;
	}
	if (rc < 0)
		return rc == -ENOENT ? -EUCLEAN : rc;
	m->loaded.n = TILE;
	m->loaded_pos = pos;
	return 0;
}

/* The leaves that one is among. */
static int leaves_with(struct mlog *m, uint64_t leaf, const struct leaves **ret)
{
	uint64_t pos = leaf / TILE;
	int rc = 0;

	if (pos >= m->count) {
		*ret = &m->tail;
		return leaf % TILE < m->tail.n ? 0 : -EUCLEAN;
	}
	if (pos != m->loaded_pos)
		rc = load_tile(m, pos);
	*ret = &m->loaded;
	return rc;
}

static int whole(void *ctx, unsigned level, uint64_t pos, struct addr *ret)
{
	struct mlog *m = ctx;
	const struct leaves *leaves;
	struct addr left, right;
	struct tile t;
	int rc;

	if (!level) {
		rc = leaves_with(m, pos, &leaves);
		if (rc >= 0)
			*ret = leaves->v[pos % TILE].hash;
		return rc;
	}
	if (level % TILE_BITS == 0) {
		db_lock(peek_db(m->p));
		rc = tiles_get(m->tiles, level / TILE_BITS, pos, &t);
		db_unlock(peek_db(m->p));
		if (rc >= 0)
			*ret = t.hash;
		return rc == -ENOENT ? -EUCLEAN : rc;
	}
	rc = whole(m, level - 1, 2 * pos, &left);
	if (rc >= 0)
		rc = whole(m, level - 1, 2 * pos + 1, &right);
	if (rc >= 0)
		merkle_node(&left, &right, ret);
	return rc;
}

/* --- leaves of a change --------------------------------------------------- */

struct finding {
	struct mlog_leaf leaf;
	uint32_t at, want;
	bool found;
};

/* Goes through the values of the records before it. */
static int find_record(void *ctx, const void *record, size_t len)
{
	struct finding *f = ctx;
	struct journal_record r;

	if (f->at++ == f->want) {
		f->leaf.record = record;
		f->leaf.len = len;
		f->found = true;
		return 1;
	}
	return journal_record(record, len, &f->leaf.values, &r, NULL, NULL);
}

static int hand_over(struct mlog *m, uint64_t index, const struct leaf *leaf,
		     int (*fn)(void *ctx, const struct mlog_leaf *leaf),
		     void *ctx)
{
	struct finding f = {.leaf.index = index, .want = leaf->at};
	struct journal_info info;
	int rc = get_journal(m, &leaf->journal, &info);

	if (rc >= 0)
		rc = peek_clear(m->p, &info.clear, &m->clear);
	if (rc >= 0)
		rc = journal_values(m->clear.data, m->clear.len,
				    &f.leaf.values);
	if (rc >= 0)
		rc = journal_decode(m->journal.data, m->journal.len, &info,
				    find_record, &f);
	if (rc >= 0 && !f.found)
		rc = -EUCLEAN;
	return rc < 0 ? rc : fn(ctx, &f.leaf);
}

int mlog_change(struct mlog *m, uint64_t seq,
		int (*fn)(void *ctx, const struct mlog_leaf *leaf), void *ctx)
{
	const struct leaves *l;
	struct tile tile;
	uint64_t index;
	bool any = false;
	int rc;

	db_lock(peek_db(m->p));
	rc = tiles_of_change(m->tiles, seq, &tile);
	db_unlock(peek_db(m->p));
	if (rc < 0 && rc != -ENOENT)
		return rc;
	index = (rc < 0 ? m->count : tile.pos) * TILE;
	for (; index < mlog_size(m); index++) {
		struct leaf leaf;

		rc = leaves_with(m, index, &l);
		if (rc < 0)
			return rc;
		leaf = l->v[index % TILE];
		if (leaf.seq > seq)
			break;
		if (leaf.seq < seq)
			continue;
		any = true;
		rc = hand_over(m, index, &leaf, fn, ctx);
		if (rc)
			return rc;
	}
	return any ? 0 : -ENOENT;
}

/* --- checking ------------------------------------------------------------- */

struct checking {
	void (*found)(void *ctx, const char *what);
	void *ctx;
	struct buf heads; /* struct tile_head */
	size_t next;
	unsigned said;
	uint64_t seq; /* of the batch before */
};

PRINTF(2, 3)
static void say(struct checking *c, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	if (c->said++ >= 100)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->found(c->ctx, text);
}

static int note_head(void *ctx, const struct tile_head *h)
{
	struct checking *c = ctx;

	buf_add(&c->heads, h, sizeof(*h));
	return buf_err(&c->heads);
}

/* The root of all leaves so far, from the hashes that are open: the subtrees
 * from the right to the left. */
static int open_whole(void *ctx, unsigned level, uint64_t pos, struct addr *ret)
{
	struct mlog *m = ctx;
	unsigned l = level / TILE_BITS, n = 1U << level % TILE_BITS, i;
	uint64_t first = pos * n;
	struct addr h[TILE];

	for (i = 0; i < n; i++)
		h[i] = l ? m->open[l][(first + i) % TILE]
			 : m->tail.v[(first + i) % TILE].hash;
	hash_block(h, n, ret);
	return 0;
}

static int check_head(struct mlog *m, struct checking *c,
		      const struct tile_head *h)
{
	struct merkle tree = {.whole = open_whole, .ctx = m};
	struct addr root;
	int rc = merkle_root(&tree, h->size, &root);

	if (rc < 0)
		return rc;
	if (!addr_eq(&root, &h->root))
		say(c,
		    "the log was rewritten: its first %" PRIu64
		    " records (up to change %" PRIu64
		    ") are not those whose head was signed",
		    h->size, h->seq);
	if (!head_is_signed(h))
		say(c,
		    "the signature of the head of %" PRIu64
		    " records (up to change %" PRIu64 ") is not right",
		    h->size, h->seq);
	return 0;
}

static int check_leaf(struct mlog *m, void *ctx)
{
	const struct tile_head *heads;
	struct checking *c = ctx;
	size_t n = c->heads.len / sizeof(*heads);
	int rc = 0;

	heads = (const struct tile_head *)(const void *)c->heads.data;
	while (rc >= 0 && c->next < n && heads[c->next].size == mlog_size(m))
		rc = check_head(m, c, &heads[c->next++]);
	return rc;
}

/* A tile that the records give, against its row. That the last ones have none
 * yet is right: rows are made when somebody asks for a head. */
static int compare(struct mlog *m, const struct tile *t)
{
	struct tile row;
	int rc;

	db_lock(peek_db(m->p));
	rc = tiles_get(m->tiles, t->level, t->pos, &row);
	db_unlock(peek_db(m->p));
	if (rc == -ENOENT)
		return 0;
	if (rc >= 0 &&
	    (!addr_eq(&row.hash, &t->hash) || row.seq != t->seq ||
	     !addr_eq(&row.journal, &t->journal) || row.leaf != t->leaf))
		say(m->checking,
		    "what is remembered of the log is not what its records "
		    "give: tile %" PRIu64 " of level %u",
		    t->pos, t->level);
	return rc;
}

/* Rows by which a change's journal is found, as far as there are any. */
static int check_batch(struct mlog *m, const struct addr *journal,
		       const struct journal_info *info, uint64_t last)
{
	struct checking *c = m->checking;
	struct tip tip;
	int rc;

	if (!info->last)
		return 0;
	db_lock(peek_db(m->p));
	rc = tips_after(peek_tips(m->p), c->seq, &tip);
	db_unlock(peek_db(m->p));
	if (rc > 0 && (tip.seq < last ||
		       (tip.seq == last && !addr_eq(&tip.head, journal))))
		say(c,
		    "change %" PRIu64 " is said to be in a journal that does "
		    "not have it",
		    tip.seq);
	c->seq = last;
	return rc < 0 ? rc : 0;
}

static int check_rows(struct mlog *m, struct checking *c)
{
	uint64_t rows;
	unsigned l;
	int rc = 0;

	for (l = 1; rc >= 0 && l < LEVELS; l++) {
		rc = tiles_count(m->tiles, l, &rows);
		if (rc >= 0 && rows > m->done[l])
			say(c,
			    "more of the log is remembered than there is: "
			    "%" PRIu64 " tiles, not %" PRIu64,
			    rows, m->done[l]);
	}
	return rc;
}

static int check_all(struct mlog *m, struct checking *c)
{
	const struct tile_head *heads;
	struct addr none = {{0}};
	struct tip upto;
	int rc;

	db_lock(peek_db(m->p));
	rc = tips_newest(peek_tips(m->p), &upto);
	if (rc >= 0)
		rc = tiles_each_head(m->tiles, note_head, c);
	db_unlock(peek_db(m->p));
	if (rc >= 0 && !addr_is_zero(&upto.head))
		rc = add_leaves(m, &none, 0, &upto, check_leaf, c);
	if (rc < 0)
		return rc;
	heads = (const struct tile_head *)(const void *)c->heads.data;
	if (c->next < c->heads.len / sizeof(*heads))
		say(c,
		    "records were removed from the log: it has %" PRIu64
		    ", and the head of %" PRIu64 " was signed",
		    mlog_size(m), heads[c->next].size);
	db_lock(peek_db(m->p));
	rc = check_rows(m, c);
	db_unlock(peek_db(m->p));
	return rc;
}

int mlog_check(struct peek *p, void (*found)(void *ctx, const char *what),
	       void *ctx)
{
	CLEANUP(mlog_closep) struct mlog *m = new_mlog(p);
	struct checking c = {.found = found, .ctx = ctx};
	int rc = -ENOMEM;

	if (m) {
		m->checking = &c;
		rc = check_all(m, &c);
	}
	buf_done(&c.heads);
	return rc;
}
