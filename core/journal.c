#include "core/journal.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

#include "core/branch.h"
#include "core/journal_format.h"
#include "core/keepsakes.h"
#include "core/ns.h"
#include "core/results.h"
#include "core/stmts.h"

/* Records gather in memory until their batch ends. The record that is being
 * written stands apart from the finished ones, so that it can be taken back,
 * and so that a part (one journal and its clear object, each within
 * JOURNAL_MAX) is closed before the record that would not fit.
 *
 * Why salts: a hash of a file name or of a small file's address alone could be
 * guessed by trying; with 16 random bytes that are dropped together with the
 * value it says nothing, and still proves the value to whoever has both. */

/* A record ends and goes on in another from here on, so that a record always
 * fits: the longest effect (an extended attribute) is far below the rest. */
#define RECORD_SOFT_MAX KIB(128)
#define VALUES_SOFT_MAX KIB(512)

struct part {
	struct buf records, values;
	uint64_t first_seq;
	uint32_t count, n_values;
};

/* How far things were before the newest change. */
struct mark {
	size_t n_parts, records, values;
	uint32_t count, n_values;
	uint64_t seq;
};

enum { GET_HEAD, PUT_HEAD, PUT_BATCH, N_STMTS };
static const char *const sql[N_STMTS] = {
	[GET_HEAD] = "SELECT address, seq FROM journal WHERE id = 1",
	[PUT_HEAD] = "INSERT INTO journal(id, address, seq) VALUES (1, ?1, ?2)"
		     " ON CONFLICT(id) DO UPDATE SET address = ?1, seq = ?2",
	[PUT_BATCH] = "INSERT OR REPLACE INTO batch(address, last)"
		      " VALUES (?1, ?2)",
};

struct journal {
	struct db *db;
	struct stmts stmts;
	journal_put_fn put;
	void *put_ctx;
	journal_salt_fn salt;
	void *salt_ctx;
	uint8_t salts[256 * JOURNAL_SALT]; /* the unused are at the end */
	size_t salts_left;		   /* bytes */

	uint32_t branch;
	struct buf record, values; /* the record being written */
	uint32_t effects, n_values;
	uint64_t seq; /* of the newest record */
	bool open;    /* there is a record being written */
	int failed;   /* -errno: this batch cannot be recorded */

	journal_news_fn news;
	void *news_ctx;
	struct addr known;   /* the head, as of the last look or own batch */
	struct addr written; /* the head that the open batch makes */
	bool wrote;

	struct mark mark;
	struct part *parts;
	size_t n_parts, cap; /* parts above n_parts keep their memory */
};

static int system_salt(void *ctx, void *p, size_t n)
{
	uint8_t *to = p;
	ssize_t got;

	while (n) {
		got = getrandom(to, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		to += got;
		n -= (size_t)got;
	}
	return 0;
}

static const uint8_t *next_salt(struct journal *j)
{
	int rc;

	if (!j->salts_left) {
		rc = j->salt(j->salt_ctx, j->salts, sizeof(j->salts));
		if (rc < 0) {
			j->failed = rc;
			return NULL;
		}
		j->salts_left = sizeof(j->salts);
	}
	j->salts_left -= JOURNAL_SALT;
	return j->salts + sizeof(j->salts) - j->salts_left - JOURNAL_SALT;
}

static void put_absent(struct journal *j)
{
	static const struct addr zero;

	buf_add(&j->record, zero.b, ADDR_LEN);
}

/* The hash goes into the record, salt and bytes into the values. */
static void put_value(struct journal *j, const void *p, size_t n)
{
	const uint8_t *salt = next_salt(j);
	struct addr hash;
	size_t at;

	if (!salt)
		return;
	buf_u32(&j->values, (uint32_t)n);
	at = j->values.len;
	buf_add(&j->values, salt, JOURNAL_SALT);
	buf_add(&j->values, p, n);
	if (buf_err(&j->values) < 0)
		return;
	j->n_values++;
	addr_derive(JOURNAL_CONTEXT, j->values.data + at, JOURNAL_SALT + n,
		    &hash);
	buf_add(&j->record, hash.b, ADDR_LEN);
}

static void put_address(struct journal *j, const struct addr *a)
{
	if (addr_is_zero(a))
		put_absent(j);
	else
		put_value(j, a->b, ADDR_LEN);
}

static void put_text(struct journal *j, const char *s)
{
	if (s)
		put_value(j, s, strlen(s));
	else
		put_absent(j);
}

static struct part *add_part(struct journal *j)
{
	struct part *more, *p;
	size_t cap;

	if (j->n_parts == j->cap) {
		cap = j->cap ? j->cap * 2 : 1;
		more = reallocarray(j->parts, cap, sizeof(*more));
		if (!more)
			return NULL;
		memset(more + j->cap, 0, (cap - j->cap) * sizeof(*more));
		j->parts = more;
		j->cap = cap;
	}
	p = &j->parts[j->n_parts++];
	buf_reset(&p->records);
	buf_reset(&p->values);
	p->count = p->n_values = 0;
	return p;
}

static bool fits(const struct journal *j, const struct part *p)
{
	return JOURNAL_HEADER + p->records.len + 4 + j->record.len <=
		       JOURNAL_MAX &&
	       JOURNAL_CLEAR + p->values.len + j->values.len <= JOURNAL_MAX;
}

static void begin_record(struct journal *j)
{
	buf_reset(&j->record);
	buf_reset(&j->values);
	j->effects = j->n_values = 0;
	j->open = true;
}

/* Moves the record being written to the finished ones. */
static void end_record(struct journal *j)
{
	struct part *p = j->n_parts ? &j->parts[j->n_parts - 1] : NULL;

	if (!j->open)
		return;
	j->open = false;
	if (!j->failed && (buf_err(&j->record) < 0 || buf_err(&j->values) < 0))
		j->failed = -ENOMEM;
	if (j->failed)
		return;
	put_le32(j->record.data + JOURNAL_EFFECTS, j->effects);
	if (!p || !fits(j, p))
		p = add_part(j);
	if (!p) {
		j->failed = -ENOMEM;
		return;
	}
	assert(fits(j, p));
	if (!p->count)
		p->first_seq = j->seq;
	buf_u32(&p->records, (uint32_t)j->record.len);
	buf_add(&p->records, j->record.data, j->record.len);
	buf_add(&p->values, j->values.data, j->values.len);
	p->count++;
	p->n_values += j->n_values;
	if (buf_err(&p->records) < 0 || buf_err(&p->values) < 0)
		j->failed = -ENOMEM;
}

/* A record that has grown long is ended, and goes on in another one: with the
 * same head up to the pid. */
static void go_on(struct journal *j)
{
	uint8_t head[JOURNAL_EFFECTS - 2 * ADDR_LEN];

	if (buf_err(&j->record) < 0)
		return;
	memcpy(head, j->record.data, sizeof(head));
	end_record(j);
	begin_record(j);
	buf_add(&j->record, head, sizeof(head));
	put_absent(j);
	put_absent(j);
	buf_u32(&j->record, 0);
}

static void set_mark(struct journal *j)
{
	const struct part *p = j->n_parts ? &j->parts[j->n_parts - 1] : NULL;

	j->mark = (struct mark){.n_parts = j->n_parts, .seq = j->seq};
	if (!p)
		return;
	j->mark.records = p->records.len;
	j->mark.values = p->values.len;
	j->mark.count = p->count;
	j->mark.n_values = p->n_values;
}

static bool put_effect(struct journal *j, enum journal_effect_type type)
{
	if (!j || !j->put)
		return false;
	assert(j->open);
	if (j->record.len > RECORD_SOFT_MAX || j->values.len > VALUES_SOFT_MAX)
		go_on(j);
	j->effects++;
	buf_u8(&j->record, (uint8_t)type);
	return true;
}

void journal_set_branch(struct journal *j, uint64_t branch)
{
	j->branch = (uint32_t)branch;
}

void journal_change(struct journal *j, uint64_t seq, int64_t time_ns, int op,
		    const struct ns_by *by)
{
	if (!j || !j->put)
		return;
	end_record(j);
	set_mark(j);
	begin_record(j);
	j->seq = seq;
	buf_u64(&j->record, seq);
	buf_u64(&j->record, (uint64_t)time_ns);
	buf_u16(&j->record, (uint16_t)op);
	buf_u32(&j->record, j->branch);
	buf_u32(&j->record, by->uid);
	buf_u32(&j->record, by->pid);
	put_text(j, by->program);
	put_text(j, by->message);
	buf_u32(&j->record, 0); /* effects, known at its end */
}

void journal_name(struct journal *j, bool born, uint64_t dir, const char *name,
		  size_t len, uint64_t ino)
{
	if (!put_effect(j, born ? JOURNAL_BORN : JOURNAL_DIED))
		return;
	buf_u64(&j->record, dir);
	buf_u64(&j->record, ino);
	put_value(j, name, len);
}

void journal_inode(struct journal *j, const struct ns_attr *attr,
		   const char *target)
{
	if (!put_effect(j, JOURNAL_INODE))
		return;
	buf_u64(&j->record, attr->ino);
	buf_u32(&j->record, attr->mode);
	buf_u32(&j->record, attr->uid);
	buf_u32(&j->record, attr->gid);
	buf_u64(&j->record, attr->rdev);
	buf_u64(&j->record, attr->size);
	buf_u64(&j->record, (uint64_t)attr->mtime_ns);
	if (target)
		put_text(j, target);
	else
		put_address(j, &attr->addr);
}

void journal_xattr(struct journal *j, uint64_t ino, const char *name,
		   const void *value, size_t len)
{
	if (!put_effect(j, value ? JOURNAL_XATTR : JOURNAL_NOXATTR))
		return;
	buf_u64(&j->record, ino);
	put_text(j, name);
	if (value)
		put_value(j, value, len);
}

void journal_result(struct journal *j, uint64_t dir, const char *name,
		    size_t len, const struct result *r)
{
	if (!put_effect(j, JOURNAL_RESULT))
		return;
	buf_u64(&j->record, dir);
	put_value(j, name, len);
	put_value(j, r->recipe.b, ADDR_LEN);
	buf_u32(&j->record, (uint32_t)r->error);
	buf_u8(&j->record, (uint8_t)output_kind(r->executable, r->is_dir));
	put_address(j, &r->addr);
	buf_u64(&j->record, r->size);
	buf_u64(&j->record, (uint64_t)r->wall_ns);
}

void journal_gone(struct journal *j, uint64_t ino, uint64_t born)
{
	if (!put_effect(j, JOURNAL_GONE))
		return;
	buf_u64(&j->record, ino);
	buf_u64(&j->record, born);
}

void journal_snapshot(struct journal *j, const char *name, uint64_t seq,
		      int64_t time_ns)
{
	if (!put_effect(j, JOURNAL_SNAPSHOT))
		return;
	buf_u64(&j->record, seq);
	buf_u64(&j->record, (uint64_t)time_ns);
	put_text(j, name);
}

void journal_pin(struct journal *j, const struct pin *p)
{
	if (!put_effect(j, JOURNAL_PIN))
		return;
	buf_u64(&j->record, p->dir);
	buf_u64(&j->record, p->ino);
	buf_u64(&j->record, p->seq);
	buf_u64(&j->record, (uint64_t)p->time_ns);
	put_text(j, p->name);
	put_text(j, p->path);
}

void journal_unpin(struct journal *j, const char *path)
{
	if (put_effect(j, JOURNAL_UNPIN))
		put_text(j, path);
}

void journal_setting(struct journal *j, const char *name, const char *value)
{
	if (!put_effect(j, JOURNAL_SETTING))
		return;
	put_text(j, name);
	put_text(j, value);
}

void journal_branch(struct journal *j, const struct branch *b)
{
	if (!put_effect(j, JOURNAL_BRANCH))
		return;
	buf_u64(&j->record, b->id);
	buf_u64(&j->record, b->parent);
	buf_u64(&j->record, b->forked_at);
	put_text(j, b->name);
}

void journal_unbranch(struct journal *j, uint64_t id)
{
	if (put_effect(j, JOURNAL_UNBRANCH))
		buf_u64(&j->record, id);
}

void journal_merged(struct journal *j, uint64_t from, uint64_t upto)
{
	if (!put_effect(j, JOURNAL_MERGED))
		return;
	buf_u64(&j->record, from);
	buf_u64(&j->record, upto);
}

void journal_dropped(struct journal *j, uint64_t dir, const char *name,
		     size_t len, const struct addr *recipe)
{
	if (!put_effect(j, JOURNAL_DROPPED))
		return;
	buf_u64(&j->record, dir);
	if (name)
		put_value(j, name, len);
	else
		put_absent(j);
	put_value(j, recipe->b, ADDR_LEN);
}

void journal_values_now(struct journal *j, const struct addr *journal,
			const struct addr *before, const struct addr *now)
{
	if (!put_effect(j, JOURNAL_VALUES))
		return;
	buf_add(&j->record, journal->b, ADDR_LEN);
	buf_add(&j->record, before->b, ADDR_LEN);
	buf_add(&j->record, now->b, ADDR_LEN);
}

void journal_scrubbed(struct journal *j, uint64_t seq)
{
	if (put_effect(j, JOURNAL_SCRUBBED))
		buf_u64(&j->record, seq);
}

void journal_undo(struct journal *j)
{
	struct part *p;

	if (!j || !j->put)
		return;
	j->open = false;
	j->seq = j->mark.seq;
	j->n_parts = j->mark.n_parts;
	if (!j->n_parts)
		return;
	p = &j->parts[j->n_parts - 1];
	p->records.len = j->mark.records;
	p->values.len = j->mark.values;
	p->count = j->mark.count;
	p->n_values = j->mark.n_values;
}

int journal_head(struct journal *j, struct addr *ret, uint64_t *ret_seq)
{
	const void *p;
	struct stmt *st;
	size_t n;
	int rc;

	st = stmts_get(&j->stmts, GET_HEAD, &rc);
	if (!st)
		return rc;
	rc = stmt_step(st);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	p = stmt_col_blob(st, 0, &n);
	if (n == ADDR_LEN) {
		memcpy(ret->b, p, ADDR_LEN);
		if (ret_seq)
			*ret_seq = (uint64_t)stmt_col_int(st, 1);
	}
	stmt_reset(st);
	return n == ADDR_LEN ? 0 : -EUCLEAN;
}

static int put_head(struct journal *j, unsigned id, const struct addr *a)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&j->stmts, id, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, a->b, ADDR_LEN);
	stmt_int(st, 2, (int64_t)j->seq);
	return stmt_run(st);
}

static int set_head(struct journal *j, const struct addr *a)
{
	int rc = put_head(j, PUT_HEAD, a);

	return rc < 0 ? rc : put_head(j, PUT_BATCH, a);
}

/* Stores one part's two objects; *prev becomes the address of its journal. */
static int put_part(struct journal *j, const struct part *p, bool last,
		    struct addr *prev)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct addr clear;
	int rc;

	buf_u8(&b, JOURNAL_CLEAR_TAG);
	buf_u8(&b, JOURNAL_VERSION);
	buf_u32(&b, p->n_values);
	buf_add(&b, p->values.data, p->values.len);
	rc = buf_err(&b);
	if (rc == 0)
		rc = j->put(j->put_ctx, OBJ_JOURNAL, b.data, b.len, &clear);
	if (rc < 0)
		return rc;
	buf_reset(&b);
	buf_u8(&b, JOURNAL_TAG);
	buf_u8(&b, JOURNAL_VERSION);
	buf_u8(&b, last ? JOURNAL_LAST : 0);
	buf_add(&b, prev->b, ADDR_LEN);
	buf_add(&b, clear.b, ADDR_LEN);
	buf_u64(&b, p->first_seq);
	buf_u32(&b, p->count);
	buf_add(&b, p->records.data, p->records.len);
	rc = buf_err(&b);
	if (rc == 0)
		rc = j->put(j->put_ctx, OBJ_JOURNAL, b.data, b.len, prev);
	return rc;
}

/* The head of the chain may be another process's. */
int journal_look(struct journal *j)
{
	struct addr head = {0}, known = j->known;
	int rc;

	if (!j->news)
		return 0;
	rc = journal_head(j, &head, NULL);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (addr_eq(&head, &known))
		return 0;
	j->known = head;
	j->news(j->news_ctx, &known, &head);
	return 0;
}

int journal_set_news(struct journal *j, journal_news_fn fn, void *ctx)
{
	int rc = journal_head(j, &j->known, NULL);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	j->news = fn;
	j->news_ctx = ctx;
	return 0;
}

/* From here on nobody else can commit: what is there now is theirs, what comes
 * is ours. */
static void batch_began(void *ctx)
{
	struct journal *j = ctx;
	int rc = journal_look(j);

	j->wrote = false;
	if (rc < 0)
		j->failed = rc;
}

static int before_commit(void *ctx)
{
	struct journal *j = ctx;
	struct addr head = {0};
	size_t i;
	int rc;

	end_record(j);
	if (j->failed)
		return j->failed;
	if (!j->n_parts)
		return 0;
	rc = journal_head(j, &head, NULL);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	for (i = 0; i < j->n_parts; i++) {
		rc = put_part(j, &j->parts[i], i + 1 == j->n_parts, &head);
		if (rc < 0)
			return rc;
	}
	j->written = head;
	j->wrote = true;
	return set_head(j, &head);
}

static void after_commit(void *ctx, bool committed)
{
	struct journal *j = ctx;

	if (committed && j->wrote)
		j->known = j->written;
	j->wrote = false;

	j->open = false;
	j->failed = 0;
	j->n_parts = 0;
}

int journal_open(struct db *db, struct journal **ret)
{
	struct journal *j = calloc(1, sizeof(*j));
	int rc;

	if (!j)
		return -ENOMEM;
	j->db = db;
	j->branch = 1;
	j->salt = system_salt;
	rc = stmts_init(&j->stmts, db, sql, N_STMTS);
	if (rc == 0) {
		db_lock(db);
		rc = db_add_hook(db, (struct db_hook){.before = before_commit,
						      .after = after_commit,
						      .ctx = j});
		if (rc == 0)
			rc = db_add_begun(db, batch_began, j);
		db_unlock(db);
	}
	if (rc < 0) {
		stmts_done(&j->stmts);
		free(j);
		return rc;
	}
	*ret = j;
	return 0;
}

void journal_close(struct journal *j)
{
	size_t i;

	if (!j)
		return;
	db_lock(j->db);
	db_drop_hooks(j->db, j);
	stmts_done(&j->stmts);
	db_unlock(j->db);
	buf_done(&j->record);
	buf_done(&j->values);
	for (i = 0; i < j->cap; i++) {
		buf_done(&j->parts[i].records);
		buf_done(&j->parts[i].values);
	}
	free(j->parts);
	free(j);
}

void journal_set_put(struct journal *j, journal_put_fn fn, void *ctx)
{
	j->put = fn;
	j->put_ctx = ctx;
}

void journal_set_salt(struct journal *j, journal_salt_fn fn, void *ctx)
{
	j->salt = fn ? fn : system_salt;
	j->salt_ctx = ctx;
	j->salts_left = 0;
}
