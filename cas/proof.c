/* What a proof cannot show: that nothing happened to the path between the
 * records that it holds and some later moment. The log says what was done, and
 * has no tree of what there is. */
#include "cas/proof.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/journal_format.h"

#define TITLE	    "deriva proof v1"
#define TITLE_SINCE "deriva consistency v1"

/* --- paths as text -------------------------------------------------------- */

static bool is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("-._~/", c));
}

static void add_path(struct buf *b, const char *p, size_t n)
{
	for (; n--; p++)
		if (is_plain((unsigned char)*p))
			buf_add(b, p, 1);
		else
			buf_fmt(b, "%%%02x", (unsigned char)*p);
}

/* There is one way to write a path. */
static int read_path(const char *s, struct buf *ret)
{
	CLEANUP_BUF struct buf again = BUF_INIT;
	const char *p;
	uint8_t byte;
	char hex[3];

	for (p = s; *p; p++) {
		byte = (uint8_t)*p;
		if (*p == '%') {
			snprintf(hex, sizeof(hex), "%.2s", p + 1);
			if (hex_parse(hex, &byte, 1) < 0)
				return -EBADMSG;
			p += 2;
		}
		buf_u8(ret, byte);
	}
	add_path(&again, (const char *)ret->data, ret->len);
	if (buf_err(ret) < 0 || buf_err(&again) < 0)
		return -ENOMEM;
	return strcmp(buf_cstr(&again), s) != 0 ||
			       (ret->len && memchr(ret->data, 0, ret->len))
		       ? -EBADMSG
		       : 0;
}

/* The next component of a path without slashes at its ends: false at its end.
 */
static bool next_component(const char **p, const char *end, const char **ret,
			   size_t *ret_len)
{
	const char *slash;

	if (*p >= end)
		return false;
	slash = memchr(*p, '/', (size_t)(end - *p));
	*ret = *p;
	*ret_len = (size_t)((slash ? slash : end) - *p);
	*p = slash ? slash + 1 : end;
	return true;
}

/* --- making --------------------------------------------------------------- */

struct maker {
	struct peek *p;
	struct mlog *log;
	const struct tile_head *head;
	struct buf indexes; /* uint64_t, of the leaves that are there */
	struct buf leaves;  /* their lines */
	struct buf claims;  /* the lines of names and content */
	struct err *err;
};

/* An effect that is looked for in the leaves of a change. */
struct wanted {
	enum journal_effect_type type;
	uint64_t dir, ino;
	const char *name;
	size_t len;

	uint32_t number, at; /* of the effect */
	struct journal_effect found;
	struct maker *m;
	size_t leaf; /* number in the proof */
	struct buf salts, value;
};

static const uint8_t *salt_of(const struct journal_value *v)
{
	return (const uint8_t *)v->p - JOURNAL_SALT;
}

static bool fits(const struct wanted *w, const struct journal_effect *e)
{
	if (e->type != w->type)
		return false;
	if (e->type == JOURNAL_INODE) /* one without its value proves nothing */
		return e->ino == w->ino &&
		       (e->value.p || addr_is_zero(&e->value.hash));
	return e->dir == w->dir && e->name.p && e->name.len == w->len &&
	       !memcmp(e->name.p, w->name, w->len) &&
	       (e->type == JOURNAL_RESULT || e->ino == w->ino);
}

static int look_at(void *ctx, const struct journal_record *r,
		   const struct journal_effect *e)
{
	struct wanted *w = ctx;

	(void)r;
	if (!fits(w, e)) {
		w->at++;
		return 0;
	}
	w->number = w->at;
	w->found = *e;
	buf_reset(&w->salts);
	if (e->type != JOURNAL_INODE)
		buf_add(&w->salts, salt_of(&e->name), JOURNAL_SALT);
	if (e->type != JOURNAL_BORN && e->value.p) {
		buf_add(&w->salts, salt_of(&e->value), JOURNAL_SALT);
		buf_add(&w->value, e->value.p, e->value.len);
	}
	return 1;
}

static int add_leaf(struct maker *m, const struct mlog_leaf *leaf, size_t *ret)
{
	CLEANUP_BUF struct buf hashes = BUF_INIT;
	size_t n = m->indexes.len / sizeof(leaf->index), i;
	int rc;

	for (i = 0; i < n; i++)
		if (!memcmp(m->indexes.data + i * sizeof(leaf->index),
			    &leaf->index, sizeof(leaf->index))) {
			*ret = i;
			return 0;
		}
	buf_fmt(&m->leaves, "leaf: %" PRIu64 " ", leaf->index);
	hex_add(&m->leaves, leaf->record, leaf->len);
	buf_str(&m->leaves, "\n");
	buf_add(&m->indexes, &leaf->index, sizeof(leaf->index));
	rc = merkle_inclusion(mlog_tree(m->log), leaf->index, m->head->size,
			      &hashes);
	for (i = 0; rc >= 0 && i < hashes.len; i += ADDR_LEN) {
		buf_str(&m->leaves, "hash: ");
		hex_add(&m->leaves, hashes.data + i, ADDR_LEN);
		buf_str(&m->leaves, "\n");
	}
	*ret = n;
	return rc < 0 ? rc : buf_err(&m->leaves);
}

static int in_leaf(void *ctx, const struct mlog_leaf *leaf)
{
	struct wanted *w = ctx;
	struct journal_values values = leaf->values;
	struct journal_record r;
	struct mlog_leaf copy = *leaf;
	CLEANUP_BUF struct buf record = BUF_INIT;
	int rc;

	w->at = 0;
	rc = journal_record(leaf->record, leaf->len, &values, &r, look_at, w);
	if (rc <= 0)
		return rc;
	/* making the path reads other journals */
	buf_add(&record, leaf->record, leaf->len);
	if (buf_err(&record) < 0)
		return -ENOMEM;
	copy.record = record.data;
	rc = add_leaf(w->m, &copy, &w->leaf);
	return rc < 0 ? rc : 1;
}

/* A line of claims for what is found in that change. */
static int claim(struct maker *m, const char *name, uint64_t seq,
		 struct wanted *w)
{
	size_t i;
	int rc;

	w->m = m;
	rc = mlog_change(m->log, seq, in_leaf, w);
	if (rc == 0 || rc == -ENOENT)
		return err_set(m->err, -EUCLEAN,
			       "change %" PRIu64 " is not in the log as the "
			       "rows have it: run deriva fsck (or a value was "
			       "forgotten)",
			       seq);
	if (rc < 0)
		return err_set(m->err, rc, "the log cannot be read: %s",
			       err_name(rc));
	buf_fmt(&m->claims, "%s: %zu %" PRIu32, name, w->leaf, w->number);
	for (i = 0; i < w->salts.len; i += JOURNAL_SALT) {
		buf_str(&m->claims, " ");
		hex_add(&m->claims, w->salts.data + i, JOURNAL_SALT);
	}
	if (w->value.len) {
		buf_str(&m->claims, " ");
		hex_add(&m->claims, w->value.data, w->value.len);
	}
	buf_str(&m->claims, "\n");
	return buf_err(&m->claims);
}

static int claim_name(struct maker *m, uint64_t dir, uint64_t ino,
		      const char *name, size_t len, uint64_t born)
{
	struct wanted w = {.type = JOURNAL_BORN,
			   .dir = dir,
			   .ino = ino,
			   .name = name,
			   .len = len};
	int rc = claim(m, "name", born, &w);

	buf_done(&w.salts);
	buf_done(&w.value);
	return rc;
}

static int claim_result(struct maker *m, uint64_t at, uint64_t dir,
			const char *name, size_t len)
{
	struct wanted w = {.type = JOURNAL_RESULT,
			   .dir = dir,
			   .name = name,
			   .len = len};
	struct derived d;
	int rc;

	db_lock(peek_db(m->p));
	rc = results_derived(peek_results(m->p), at, dir, name, len, &d);
	db_unlock(peek_db(m->p));
	if (rc < 0)
		return rc;
	if (d.error)
		return err_set(m->err, -EINVAL,
			       "its computation had failed then: there is no "
			       "content to prove");
	rc = claim(m, "result", d.seq, &w);
	buf_done(&w.salts);
	buf_done(&w.value);
	return rc;
}

static int claim_inode(struct maker *m, uint64_t at, uint64_t ino)
{
	struct wanted w = {.type = JOURNAL_INODE, .ino = ino};
	struct ns_attr a;
	int rc;

	db_lock(peek_db(m->p));
	rc = ns_getattr(peek_ns(m->p), at, ino, &a);
	db_unlock(peek_db(m->p));
	if (rc < 0)
		return rc;
	rc = claim(m,
		   S_ISREG(a.mode)   ? "content"
		   : S_ISLNK(a.mode) ? "link"
				     : "inode",
		   a.version, &w);
	buf_done(&w.salts);
	buf_done(&w.value);
	return rc;
}

static int claim_path(struct maker *m, uint64_t at, const char *path)
{
	const char *p = path, *end = path + strlen(path), *name;
	uint64_t dir = NS_ROOT, ino = NS_ROOT, born;
	size_t len;
	int rc = 0;

	while (rc >= 0 && next_component(&p, end, &name, &len)) {
		db_lock(peek_db(m->p));
		rc = ns_lookup(peek_ns(m->p), at, dir, name, len, &ino, &born);
		db_unlock(peek_db(m->p));
		if (rc == -ENOENT && p == end)
			return claim_result(m, at, dir, name, len);
		if (rc >= 0)
			rc = claim_name(m, dir, ino, name, len, born);
		dir = ino;
	}
	return rc < 0 ? rc : claim_inode(m, at, ino);
}

int proof_of_path(struct peek *p, struct mlog *log,
		  const struct tile_head *head, uint64_t at, const char *path,
		  struct buf *ret, struct err *err)
{
	struct err why = {{0}};
	struct maker m = {.p = p, .log = log, .head = head, .err = &why};
	int rc = claim_path(&m, MIN(at, head->seq), path);

	if (rc >= 0) {
		buf_str(ret, TITLE "\npath: ");
		add_path(ret, path, strlen(path));
		buf_str(ret, "\n");
		head_text(head, true, ret);
		buf_add(ret, m.leaves.data, m.leaves.len);
		buf_add(ret, m.claims.data, m.claims.len);
		rc = buf_err(ret);
	}
	buf_done(&m.indexes);
	buf_done(&m.leaves);
	buf_done(&m.claims);
	if (rc < 0)
		return err_set(err, rc, "%s: %s", path,
			       why.msg[0]      ? why.msg
			       : rc == -ENOENT ? "it was not there then"
					       : err_name(rc));
	return 0;
}

int proof_of_consistency(struct mlog *log, const struct tile_head *head,
			 const struct tile_head *old, struct buf *ret,
			 struct err *err)
{
	CLEANUP_BUF struct buf hashes = BUF_INIT;
	struct addr root;
	size_t i;
	int rc;

	if (old->size > head->size)
		return err_set(err, -EBADMSG,
			       "that head is of %" PRIu64 " records, and the "
			       "log has %" PRIu64,
			       old->size, head->size);
	rc = merkle_root(mlog_tree(log), old->size, &root);
	if (rc >= 0 && !addr_eq(&root, &old->root))
		return err_set(err, -EBADMSG,
			       "the log does not begin with the %" PRIu64
			       " records of that head: it is of another store, "
			       "or was rewritten",
			       old->size);
	if (rc >= 0)
		rc = merkle_consistency(mlog_tree(log), old->size, head->size,
					&hashes);
	if (rc < 0)
		return err_set(err, rc, "the log cannot be read: %s",
			       err_name(rc));
	buf_str(ret, TITLE_SINCE "\n");
	head_text(old, true, ret);
	head_text(head, true, ret);
	for (i = 0; i < hashes.len; i += ADDR_LEN) {
		buf_str(ret, "hash: ");
		hex_add(ret, hashes.data + i, ADDR_LEN);
		buf_str(ret, "\n");
	}
	return buf_err(ret);
}

/* --- checking ------------------------------------------------------------- */

struct proven_leaf {
	uint8_t *record;
	size_t len;
};

struct checker {
	struct lines lines;
	char *value; /* room for any line's */
	size_t size;
	struct buf path;
	struct proven_leaf *leaves;
	size_t n_leaves;
	struct proof_facts *facts;
	struct err *err;
};

static int bad(struct checker *c, const char *what)
{
	return err_set(c->err, -EBADMSG, "%s", what);
}

static int take_hashes(struct checker *c, struct buf *ret)
{
	struct addr a;
	int rc = 0;

	while (rc >= 0 && lines_is(&c->lines, "hash")) {
		rc = lines_take(&c->lines, "hash", c->value, c->size);
		if (rc >= 0)
			rc = hex_parse(c->value, a.b, ADDR_LEN);
		buf_add(ret, a.b, ADDR_LEN);
	}
	return rc < 0 || ret->len > MERKLE_PATH_MAX * ADDR_LEN
		       ? bad(c, "a line \"hash\" is not in form")
		       : buf_err(ret);
}

static int check_leaf(struct checker *c)
{
	CLEANUP_BUF struct buf hashes = BUF_INIT;
	struct proven_leaf *more, *leaf;
	struct addr hash;
	uint64_t index;
	char *hex;
	int rc;

	more = reallocarray(c->leaves, c->n_leaves + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	c->leaves = more;
	leaf = &more[c->n_leaves++];
	*leaf = (struct proven_leaf){NULL, 0};
	rc = lines_take(&c->lines, "leaf", c->value, c->size);
	hex = rc < 0 ? NULL : strchr(c->value, ' ');
	if (!hex)
		return bad(c, "a line \"leaf\" is not in form");
	*hex++ = '\0';
	leaf->len = strlen(hex) / 2;
	leaf->record = malloc(leaf->len + 1);
	if (!leaf->record)
		return -ENOMEM;
	if (number_parse(c->value, &index) < 0 ||
	    hex_parse(hex, leaf->record, leaf->len) < 0)
		return bad(c, "a line \"leaf\" is not in form");
	rc = take_hashes(c, &hashes);
	if (rc < 0)
		return rc;
	merkle_leaf(leaf->record, leaf->len, &hash);
	if (!merkle_is_in(&hash, index, c->facts->head.size,
			  (const struct addr *)(const void *)hashes.data,
			  hashes.len / ADDR_LEN, &c->facts->head.root))
		return bad(c, "a record is not in the log of that head");
	return 0;
}

/* A claim: "LEAF EFFECT" and more words, each in hexadecimal. */
struct one_claim {
	uint64_t leaf, effect;
	char *words[3];
	size_t n;

	uint64_t at; /* while the effects are counted */
	bool found;
	struct journal_record r;
	struct journal_effect e;
};

static int pick(void *ctx, const struct journal_record *r,
		const struct journal_effect *e)
{
	struct one_claim *o = ctx;

	if (o->at++ != o->effect)
		return 0;
	o->found = true;
	o->r = *r;
	o->e = *e;
	return 1;
}

static int take_claim(struct checker *c, const char *name,
		      enum journal_effect_type type, size_t words,
		      struct one_claim *o)
{
	struct journal_record r;
	char *rest, *word;
	int rc = lines_take(&c->lines, name, c->value, c->size);

	*o = (struct one_claim){.leaf = 0};
	rest = c->value;
	if (rc < 0 || number_parse(strsep(&rest, " "), &o->leaf) < 0 || !rest ||
	    number_parse(strsep(&rest, " "), &o->effect) < 0)
		return bad(c, "a line of what is claimed is not in form");
	while (rest && o->n < ARRAY_LEN(o->words) &&
	       (word = strsep(&rest, " ")))
		o->words[o->n++] = word;
	if (rest || o->n != words || o->leaf >= c->n_leaves)
		return bad(c, "a line of what is claimed is not in form");
	rc = journal_record(c->leaves[o->leaf].record, c->leaves[o->leaf].len,
			    NULL, &r, pick, o);
	if (rc < 0)
		return bad(c, "a record is not in form");
	if (!o->found || o->e.type != type)
		return bad(c, "a record does not say what is claimed");
	return 0;
}

static int check_hash(struct checker *c, const char *salt, const void *p,
		      size_t n, const struct journal_value *v)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint8_t s[JOURNAL_SALT];
	struct addr hash;

	if (hex_parse(salt, s, sizeof(s)) < 0)
		return bad(c, "a salt is not in form");
	buf_add(&b, s, sizeof(s));
	buf_add(&b, p, n);
	if (buf_err(&b) < 0)
		return -ENOMEM;
	addr_derive(JOURNAL_CONTEXT, b.data, b.len, &hash);
	return addr_eq(&hash, &v->hash)
		       ? 0
		       : bad(c, "a record does not say what is claimed");
}

static int check_name(struct checker *c, uint64_t dir, const char *name,
		      size_t len, uint64_t *ret_ino)
{
	struct one_claim o;
	int rc = take_claim(c, "name", JOURNAL_BORN, 1, &o);

	if (rc >= 0)
		rc = check_hash(c, o.words[0], name, len, &o.e.name);
	if (rc < 0)
		return rc;
	if (o.e.dir != dir)
		return bad(c, "the names do not lie in each other");
	if (o.r.seq >= c->facts->name_seq) {
		c->facts->name_seq = o.r.seq;
		c->facts->name_time_ns = o.r.time_ns;
	}
	*ret_ino = o.e.ino;
	return 0;
}

static int check_address(struct checker *c, struct one_claim *o,
			 const char *salt, const char *hex)
{
	struct addr *a = &c->facts->addr;

	if (hex_parse(hex, a->b, ADDR_LEN) < 0)
		return bad(c, "an address is not in form");
	c->facts->has_addr = true;
	return check_hash(c, salt, a->b, ADDR_LEN, &o->e.value);
}

static int check_link(struct checker *c, struct one_claim *o)
{
	CLEANUP_BUF struct buf target = BUF_INIT, shown = BUF_INIT;
	size_t n = strlen(o->words[1]) / 2;
	void *p = buf_room(&target, n + 1);
	int rc;

	if (!p)
		return -ENOMEM;
	if (hex_parse(o->words[1], p, n) < 0)
		return bad(c, "a target is not in form");
	rc = check_hash(c, o->words[0], p, n, &o->e.value);
	add_path(&shown, p, n);
	c->facts->target = strdup(buf_cstr(&shown));
	return rc < 0 ? rc : c->facts->target ? 0 : -ENOMEM;
}

static int check_inode(struct checker *c, uint64_t ino)
{
	bool content = lines_is(&c->lines, "content");
	bool link = lines_is(&c->lines, "link");
	struct one_claim o;
	int rc = take_claim(c,
			    content ? "content"
			    : link  ? "link"
				    : "inode",
			    JOURNAL_INODE, content || link ? 2 : 0, &o);

	if (rc < 0)
		return rc;
	if (o.e.ino != ino || content != S_ISREG(o.e.mode) ||
	    link != S_ISLNK(o.e.mode))
		return bad(c, "a record does not say what is claimed");
	if (content)
		rc = check_address(c, &o, o.words[0], o.words[1]);
	else if (link)
		rc = check_link(c, &o);
	c->facts->mode = o.e.mode;
	c->facts->size = o.e.size;
	c->facts->seq = o.r.seq;
	c->facts->time_ns = o.r.time_ns;
	return rc;
}

static int check_result(struct checker *c, uint64_t dir, const char *name,
			size_t len)
{
	struct one_claim o;
	int rc = take_claim(c, "result", JOURNAL_RESULT, 3, &o);

	if (rc >= 0)
		rc = check_hash(c, o.words[0], name, len, &o.e.name);
	if (rc >= 0)
		rc = check_address(c, &o, o.words[1], o.words[2]);
	if (rc < 0)
		return rc;
	if (o.e.dir != dir || o.e.error)
		return bad(c, "a record does not say what is claimed");
	c->facts->derived = true;
	c->facts->mode = o.e.output_dir ? S_IFDIR : S_IFREG;
	c->facts->size = o.e.size;
	c->facts->seq = o.r.seq;
	c->facts->time_ns = o.r.time_ns;
	return 0;
}

static int check_claims(struct checker *c)
{
	const char *p = (const char *)c->path.data, *end = p + c->path.len;
	const char *name;
	uint64_t ino = NS_ROOT;
	size_t len;
	int rc = 0;

	while (rc >= 0 && next_component(&p, end, &name, &len)) {
		if (p == end && lines_is(&c->lines, "result"))
			return check_result(c, ino, name, len);
		rc = check_name(c, ino, name, len, &ino);
	}
	return rc < 0 ? rc : check_inode(c, ino);
}

static int check_head(struct checker *c, struct tile_head *h)
{
	if (head_parse(&c->lines, h) < 0)
		return bad(c, "the head is not in form");
	return head_is_signed(h) ? 0
				 : bad(c, "the signature of the head is wrong");
}

static int check_path(struct checker *c)
{
	int rc = lines_take(&c->lines, "path", c->value, c->size);

	c->facts->kind = PROOF_PATH;
	if (rc >= 0) {
		c->facts->path = strdup(c->value);
		rc = c->facts->path ? read_path(c->value, &c->path) : -ENOMEM;
	}
	if (rc < 0)
		return bad(c, "the line \"path\" is not in form");
	rc = check_head(c, &c->facts->head);
	while (rc >= 0 && lines_is(&c->lines, "leaf"))
		rc = check_leaf(c);
	return rc < 0 ? rc : check_claims(c);
}

static int check_consistency(struct checker *c)
{
	CLEANUP_BUF struct buf hashes = BUF_INIT;
	struct proof_facts *f = c->facts;
	int rc = check_head(c, &f->old);

	f->kind = PROOF_CONSISTENCY;
	if (rc >= 0)
		rc = check_head(c, &f->head);
	if (rc >= 0)
		rc = take_hashes(c, &hashes);
	if (rc < 0)
		return rc;
	if (!merkle_is_before(f->old.size, &f->old.root, f->head.size,
			      &f->head.root,
			      (const struct addr *)(const void *)hashes.data,
			      hashes.len / ADDR_LEN))
		return bad(c, "the log of the second head does not begin with "
			      "that of the first");
	if (memcmp(f->old.key, f->head.key, sizeof(f->old.key)) != 0)
		return bad(c, "the heads are signed with different keys");
	return 0;
}

static int check_text(struct checker *c)
{
	int rc;

	if (lines_skip(&c->lines, TITLE))
		rc = check_path(c);
	else if (lines_skip(&c->lines, TITLE_SINCE))
		rc = check_consistency(c);
	else
		rc = check_head(c, &c->facts->head);
	if (rc >= 0 && *c->lines.p)
		return bad(c, "something follows behind its end");
	return rc;
}

int proof_check(const char *text, size_t len, struct proof_facts *ret,
		struct err *err)
{
	CLEANUP_FREE char *copy = strndup(text, len), *value = malloc(len + 1);
	struct proof_facts facts = {.kind = PROOF_HEAD};
	struct checker c = {.lines = {copy},
			    .value = value,
			    .size = len + 1,
			    .facts = &facts,
			    .err = err};
	int rc;

	if (!copy || !value)
		return err_set(err, -ENOMEM, "%s", err_name(-ENOMEM));
	rc = strlen(copy) == len ? check_text(&c) : bad(&c, "it is no text");
	while (c.n_leaves)
		free(c.leaves[--c.n_leaves].record);
	free(c.leaves);
	buf_done(&c.path);
	if (rc < 0) {
		proof_facts_done(&facts);
		return rc == -EBADMSG ? rc
				      : err_set(err, rc, "%s", err_name(rc));
	}
	*ret = facts;
	return 0;
}

void proof_facts_done(struct proof_facts *f)
{
	free(f->path);
	free(f->target);
	f->path = f->target = NULL;
}
