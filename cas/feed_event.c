/* The paths of a change: that of what it made, else of what it is about, else
 * of what it took away; `from` is where that was before; `also` are all others.
 * A name that came has its path after the change, one that went before it.
 *
 * What was forgotten is null. */
#include "cas/feed_event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/branch.h"
#include "core/clock.h"
#include "core/map.h"

struct name {
	bool born;
	uint64_t dir, ino;
	size_t at, len; /* in texts; len 0: forgotten */
};

struct feed_event {
	struct peek *p;
	struct journal_record r;
	struct buf texts;
	struct buf names;  /* struct name */
	struct buf inodes; /* uint64_t: of other effects */
	struct buf rest;   /* fields that follow from effects */
	bool told;	   /* the fields of an inode are there */
	bool derived;
	char op[16];
	/* while the line is made */
	struct buf paths; /* each with its NUL */
	bool lost;	  /* a path is not known */
};

struct feed_event *feed_event_new(struct peek *p)
{
	struct feed_event *e = calloc(1, sizeof(*e));

	if (e)
		e->p = p;
	return e;
}

void feed_event_free(struct feed_event *e)
{
	if (!e)
		return;
	buf_done(&e->texts);
	buf_done(&e->names);
	buf_done(&e->inodes);
	buf_done(&e->rest);
	buf_done(&e->paths);
	free(e);
}

/* --- fields --------------------------------------------------------------- */

static void field(struct buf *b, const char *name, const void *p, size_t n)
{
	buf_fmt(b, ",\"%s\":", name);
	buf_json(b, p, n);
}

static void value_field(struct buf *b, const char *name,
			const struct journal_value *v)
{
	if (addr_is_zero(&v->hash))
		return;
	if (v->p)
		field(b, name, v->p, v->len);
	else
		buf_fmt(b, ",\"%s\":null", name);
}

static void address_field(struct buf *b, const char *name,
			  const struct journal_value *v)
{
	char hex[ADDR_HEX];
	struct addr a;

	if (addr_is_zero(&v->hash))
		return;
	if (!v->p || v->len != ADDR_LEN) {
		buf_fmt(b, ",\"%s\":null", name);
		return;
	}
	memcpy(a.b, v->p, ADDR_LEN);
	addr_hex(&a, hex);
	buf_fmt(b, ",\"%s\":\"%s\"", name, hex);
}

static const char *type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "link";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	default:
		return "device";
	}
}

static void inode_fields(struct buf *b, const struct journal_effect *e)
{
	char time[48];

	buf_fmt(b,
		",\"type\":\"%s\",\"mode\":\"%04o\",\"owner\":%u,"
		"\"group\":%u",
		type_name(e->mode), e->mode & 07777, e->uid, e->gid);
	time_format(e->mtime_ns, time, sizeof(time));
	field(b, "mtime", time, strlen(time));
	if (S_ISREG(e->mode)) {
		buf_fmt(b, ",\"size\":%" PRIu64, e->size);
		address_field(b, "address", &e->value);
	} else if (S_ISLNK(e->mode)) {
		value_field(b, "target", &e->value);
	}
}

/* Whether the name's result came from a run or was known is in its row. */
static bool was_run(struct feed_event *e, const struct journal_effect *f)
{
	struct derived d;

	return f->name.p &&
	       results_derived(peek_results(e->p), e->r.seq, f->dir, f->name.p,
			       f->name.len, &d) >= 0 &&
	       d.seq == e->r.seq && d.ran;
}

static void result_fields(struct feed_event *e, const struct journal_effect *f)
{
	struct buf *b = &e->rest;
	const char *name = strerrorname_np(f->error);

	e->derived = true;
	snprintf(e->op, sizeof(e->op), "%s",
		 f->error	 ? "failed"
		 : was_run(e, f) ? "computed"
				 : "found");
	buf_fmt(b, ",\"type\":\"%s\"", f->output_dir ? "directory" : "file");
	address_field(b, "recipe", &f->recipe);
	if (f->error) {
		buf_fmt(b, ",\"error\":\"%s\"", name ? name : "unknown");
	} else {
		if (!f->output_dir)
			buf_fmt(b, ",\"size\":%" PRIu64, f->size);
		address_field(b, "address", &f->value);
	}
	buf_fmt(b, ",\"wall_s\":%.6f", (double)f->wall_ns / 1e9);
}

/* --- gathering ------------------------------------------------------------ */

void feed_event_begin(struct feed_event *e, const struct journal_record *r)
{
	buf_reset(&e->texts);
	buf_reset(&e->names);
	buf_reset(&e->inodes);
	buf_reset(&e->rest);
	e->told = e->derived = false;
	e->r = *r;
	snprintf(e->op, sizeof(e->op), "%s", ns_op_name((int)r->op));
	/* the values go with the journal: what is needed of them is kept */
	value_field(&e->rest, "program", &r->program);
	value_field(&e->rest, "message", &r->message);
}

static void add_name(struct feed_event *e, bool born, uint64_t dir,
		     uint64_t ino, const struct journal_value *v)
{
	struct name n = {.born = born,
			 .dir = dir,
			 .ino = ino,
			 .at = e->texts.len,
			 .len = v->p ? v->len : 0};

	if (v->p)
		buf_add(&e->texts, v->p, v->len);
	buf_add(&e->names, &n, sizeof(n));
}

static void add_inode(struct feed_event *e, uint64_t ino)
{
	buf_add(&e->inodes, &ino, sizeof(ino));
}

/* One that has been removed has its former name, put aside. */
static void branch_name(struct feed_event *e, const char *name, uint64_t id,
			struct buf *b)
{
	struct branch br;

	if (branch_get(peek_db(e->p), id, &br) < 0)
		snprintf(br.name, sizeof(br.name), "#%" PRIu64, id);
	field(b, name, br.name, strcspn(br.name, "\n"));
}

int feed_event_add(struct feed_event *e, const struct journal_effect *f)
{
	switch (f->type) {
	case JOURNAL_BORN:
	case JOURNAL_DIED:
		add_name(e, f->type == JOURNAL_BORN, f->dir, f->ino, &f->name);
		break;
	case JOURNAL_INODE:
		add_inode(e, f->ino);
		if (!e->told)
			inode_fields(&e->rest, f);
		e->told = true;
		break;
	case JOURNAL_XATTR:
	case JOURNAL_NOXATTR:
		add_inode(e, f->ino);
		value_field(&e->rest, "attribute", &f->name);
		if (f->type == JOURNAL_XATTR)
			value_field(&e->rest, "value", &f->value);
		else
			buf_str(&e->rest, ",\"removed\":true");
		break;
	case JOURNAL_RESULT:
		add_name(e, true, f->dir, 0, &f->name);
		result_fields(e, f);
		break;
	case JOURNAL_GONE: /* many, of which nobody can see anything */
	case JOURNAL_VALUES:
	case JOURNAL_SCRUBBED:
		break;
	case JOURNAL_DROPPED:
		e->derived = true;
		snprintf(e->op, sizeof(e->op), "dropped");
		if (!addr_is_zero(&f->name.hash))
			add_name(e, true, f->dir, 0, &f->name);
		address_field(&e->rest, "recipe", &f->recipe);
		break;
	case JOURNAL_SNAPSHOT:
		value_field(&e->rest, "snapshot", &f->name);
		break;
	case JOURNAL_PIN:
		value_field(&e->rest, "pin", &f->value);
		break;
	case JOURNAL_UNPIN:
		value_field(&e->rest, "unpin", &f->name);
		break;
	case JOURNAL_SETTING:
		value_field(&e->rest, "setting", &f->name);
		value_field(&e->rest, "value", &f->value);
		break;
	case JOURNAL_BRANCH:
		value_field(&e->rest, "made", &f->name);
		break;
	case JOURNAL_UNBRANCH:
		branch_name(e, "removed", f->ino, &e->rest);
		break;
	case JOURNAL_MERGED:
		branch_name(e, "merged", f->ino, &e->rest);
		break;
	}
	if (buf_err(&e->texts) < 0 || buf_err(&e->names) < 0 ||
	    buf_err(&e->inodes) < 0)
		return -ENOMEM;
	return buf_err(&e->rest);
}

/* --- paths ---------------------------------------------------------------- */

/* A path from the root without a slash in front, with its NUL. */
static int add_path(struct feed_event *e, uint64_t at, uint64_t dir,
		    const char *name, size_t len)
{
	CLEANUP_BUF struct buf path = BUF_INIT;
	struct ns *ns = peek_branch(e->p, e->r.branch);
	int rc = len && ns ? ns_path(ns, at, dir, &path) : -ENOENT;

	if (rc == -ENOENT) { /* forgotten, or not in the rows */
		e->lost = true;
		return 0;
	}
	if (rc < 0)
		return rc;
	if (path.len > 1) {
		buf_add(&e->paths, path.data + 1, path.len - 1);
		buf_u8(&e->paths, '/');
	}
	buf_add(&e->paths, name, len);
	buf_u8(&e->paths, '\0');
	return buf_err(&e->paths);
}

static int path_of_link(void *ctx, uint64_t dir, const char *name, size_t len)
{
	struct feed_event *e = ctx;

	return add_path(e, e->r.seq, dir, name, len);
}

static int name_paths(struct feed_event *e, bool born)
{
	const struct name *n = (const struct name *)(const void *)e->names.data;
	size_t i, count = e->names.len / sizeof(*n);
	int rc = 0;

	for (i = 0; rc >= 0 && i < count; i++)
		if (n[i].born == born)
			rc = add_path(e, e->r.seq - !born, n[i].dir,
				      (const char *)e->texts.data + n[i].at,
				      n[i].len);
	return rc;
}

/* Of which inodes the change has names. */
static int named(const struct feed_event *e, struct map **ret)
{
	const struct name *n = (const struct name *)(const void *)e->names.data;
	CLEANUP(map_freep) struct map *m = map_new();
	size_t i;

	if (!m)
		return -ENOMEM;
	for (i = 0; i < e->names.len / sizeof(*n); i++)
		if (map_put_u64(m, n[i].ino, m) < 0)
			return -ENOMEM;
	*ret = steal(&m);
	return 0;
}

static int inode_paths(struct feed_event *e)
{
	struct ns *ns = peek_branch(e->p, e->r.branch);
	CLEANUP(map_freep) struct map *names = NULL;
	uint64_t ino;
	size_t at;
	int rc;

	if (!ns && e->inodes.len)
		e->lost = true; /* it was removed meanwhile */
	if (!ns || !e->inodes.len)
		return 0;
	rc = named(e, &names);
	for (at = 0; rc >= 0 && at < e->inodes.len; at += sizeof(ino)) {
		memcpy(&ino, e->inodes.data + at, sizeof(ino));
		if (ino == NS_ROOT)
			buf_u8(&e->paths, '\0');
		else if (!map_get_u64(names, ino))
			rc = ns_names(ns, e->r.seq, ino, path_of_link, e);
	}
	return rc < 0 ? rc : buf_err(&e->paths);
}

/* --- the line ------------------------------------------------------------- */

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !n || (!strncmp(path, dir, n) && (!path[n] || path[n] == '/'));
}

/* Something below the path, the path itself, or a name above it, with which it
 * came or went. */
static bool concerns(const struct feed_event *e, const char *path)
{
	const char *p = (const char *)e->paths.data, *end = p + e->paths.len;

	if (!*path)
		return true;
	for (; p < end; p += strlen(p) + 1)
		if (below(p, path) || (e->names.len && *p && below(path, p)))
			return true;
	return false;
}

static size_t replacements(const char *s)
{
	size_t n = 0;

	while ((s = strstr(s, "\xef\xbf\xbd"))) {
		s += 3;
		n++;
	}
	return n;
}

/* What is not UTF-8 is lost in JSON. */
static bool is_utf8(const char *s)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	buf_json(&b, s, strlen(s));
	return replacements(buf_cstr(&b)) == replacements(s);
}

static void path_field(struct buf *b, const char *name, const char *path)
{
	const char *p;

	buf_fmt(b, ",\"%s\":", name);
	buf_json(b, path, strlen(path));
	if (is_utf8(path))
		return;
	buf_fmt(b, ",\"%s_bytes\":\"", name);
	for (p = path; *p; p++)
		buf_fmt(b, "%02x", (unsigned char)*p);
	buf_str(b, "\"");
}

static const char *next(const char *p)
{
	return p + strlen(p) + 1;
}

/* Those that came first; of a rename the first that went is from where. What
 * was replaced has the same path as what came. */
static int path_fields(struct feed_event *e, size_t came, struct buf *b)
{
	CLEANUP(map_freep) struct map *told = map_new();
	const char *first = (const char *)e->paths.data, *p;
	const char *end = first + e->paths.len;
	const char *went = first + came, *from = NULL;
	int others = 0;

	if (!told)
		return -ENOMEM;
	if (first == end) {
		if (e->lost)
			buf_str(b, ",\"path\":null");
		return 0;
	}
	path_field(b, "path", first);
	if (map_put(told, first, strlen(first), told, NULL) < 0)
		return -ENOMEM;
	for (p = went; came && !from && p < end; p = next(p))
		if (strcmp(p, first) && e->names.len)
			from = p;
	if (from && e->r.op == NS_OP_RENAME)
		path_field(b, "from", from);
	else
		from = NULL;
	for (p = next(first); p < end; p = next(p)) {
		if (map_get(told, p, strlen(p)))
			continue;
		if (map_put(told, p, strlen(p), told, NULL) < 0)
			return -ENOMEM;
		if (p == from)
			continue;
		buf_str(b, others++ ? "," : ",\"also\":[");
		buf_json(b, p, strlen(p));
	}
	if (others)
		buf_str(b, "]");
	return 0;
}

static const char *kind_of(const struct feed_event *e)
{
	switch (e->r.op) {
	case NS_OP_ROLLBACK:
	case NS_OP_FORGET:
	case NS_OP_KEEP:
	case NS_OP_BRANCH:
		return e->derived ? "derived" : "store";
	default:
		return e->derived ? "derived" : "source";
	}
}

int feed_event_line(struct feed_event *e, const char *path, struct buf *ret)
{
	const struct journal_record *r = &e->r;
	size_t came;
	char time[48];
	int rc;

	buf_reset(&e->paths);
	e->lost = false;
	rc = name_paths(e, true);
	came = e->paths.len;
	if (rc >= 0)
		rc = inode_paths(e);
	if (rc >= 0 && came)
		came = e->paths.len;
	if (rc >= 0)
		rc = name_paths(e, false);
	if (rc < 0 || !concerns(e, path))
		return rc;
	time_format(r->time_ns, time, sizeof(time));
	buf_fmt(ret, "{\"change\":%" PRIu64, r->seq);
	field(ret, "time", time, strlen(time));
	buf_fmt(ret, ",\"kind\":\"%s\",\"op\":\"%s\"", kind_of(e), e->op);
	if (r->branch != BRANCH_MAIN)
		branch_name(e, "branch", r->branch, ret);
	rc = path_fields(e, came, ret);
	if (rc < 0)
		return rc;
	buf_add(ret, e->rest.data, e->rest.len);
	buf_fmt(ret, ",\"uid\":%u,\"pid\":%u}\n", r->uid, r->pid);
	return buf_err(ret);
}
