/* .deriva, the control directory.
 *
 * why/, output/ and graph/ mirror the present's directories and hold a text for
 * every derived name, and so does verify/, whose texts take as long to open as
 * it takes to run again: they are not listed; recipes/HEX is one computation;
 * at/TIME is the whole tree at a moment, history/PATH all that a path ever was,
 * by-addr/HEX an object; run/ is what running computations see. Texts are made
 * up when they are opened.
 */
#include "fs/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cas/usage.h"
#include "core/settings.h"

static const struct control_entry {
	const char *name;
	enum control control;
	uint32_t mode;
} entries[] = {
	{"at", CTL_AT, S_IFDIR},
	{"build", CTL_BUILD, S_IFREG},
	{"branch", CTL_BRANCH, S_IFREG},
	{"branches", CTL_BRANCHES, S_IFREG},
	{"by-addr", CTL_BY_ADDR, S_IFDIR},
	{"drop", CTL_DROP, S_IFREG},
	{"events", CTL_EVENTS, S_IFREG},
	{"graph", CTL_GRAPH, S_IFDIR},
	{"history", CTL_HISTORY, S_IFDIR},
	{"jobs", CTL_JOBS, S_IFREG},
	{"output", CTL_OUTPUT, S_IFDIR},
	{"pin", CTL_PIN, S_IFREG},
	{"pins", CTL_PINS, S_IFREG},
	{"recipes", CTL_RECIPES, S_IFDIR},
	{"retry", CTL_RETRY, S_IFREG},
	{"run", CTL_RUN, S_IFDIR},
	{"settings", CTL_SETTINGS, S_IFREG},
	{"snapshot", CTL_SNAPSHOT, S_IFREG},
	{"status", CTL_STATUS, S_IFREG},
	{"unpin", CTL_UNPIN, S_IFREG},
	{"verify", CTL_VERIFY, S_IFDIR},
	{"why", CTL_WHY, S_IFDIR},
};

static int lookup_run(struct fs *fs, const char *name, struct node **ret)
{
	char *end;
	uint64_t id = strtoull(name, &end, 10);
	const struct view_node *v;
	struct tree_at at;

	*ret = *end ? NULL : view_live(fs, id);
	if (*ret)
		return 0;
	v = *end || name[0] < '1' || name[0] > '9' ? NULL
						   : map_get_u64(fs->views, id);
	if (!v)
		return -ENOENT;
	if (v->tree) {
		tree_at_view(fs, id, v, &at);
		return tree_top(fs, &at, ret);
	}
	*ret = node_view(fs, id, v);
	return *ret ? 0 : -ENOMEM;
}

static int lookup_mirror(struct fs *fs, struct node *dir, const char *name,
			 struct node **ret)
{
	uint64_t parent = dir->ino ? dir->ino : NS_ROOT, ino;
	size_t len = strlen(name);
	struct ns_attr a;
	int r = ns_lookup(fs->ns, NS_NOW, parent, name, len, &ino, NULL);

	if (r >= 0) {
		r = ns_getattr(fs->ns, NS_NOW, ino, &a);
		if (r < 0 || !S_ISDIR(a.mode))
			return r < 0 ? r : -ENOENT;
		*ret = node_control(fs, dir->control, ino);
		return *ret ? 0 : -ENOMEM;
	}
	if (r != -ENOENT)
		return r;
	r = eval_defined(fs->eval, NS_NOW, parent, name, len, &a);
	if (r < 0)
		return r == -EEXIST ? -ENOENT : r;
	*ret = node_text(fs, dir->control, parent, name, len);
	return *ret ? 0 : -ENOMEM;
}

int control_lookup(struct fs *fs, struct node *dir, const char *name, int pid,
		   struct node **ret)
{
	size_t i;

	switch (dir->control) {
	case CTL_ROOT:
		for (i = 0; i < ARRAY_LEN(entries); i++)
			if (!strcmp(entries[i].name, name)) {
				*ret = entries[i].control == CTL_HISTORY
					       ? node_history(fs, "")
					       : node_control(
							 fs, entries[i].control,
							 0);
				return *ret ? 0 : -ENOMEM;
			}
		return -ENOENT;
	case CTL_AT:
		return past_lookup(fs, name, pid, ret);
	case CTL_BY_ADDR:
		return by_addr_lookup(fs, name, ret);
	case CTL_RUN:
		return lookup_run(fs, name, ret);
	case CTL_RECIPES:
		return recipes_lookup(fs, name, ret);
	case CTL_WHY:
	case CTL_OUTPUT:
	case CTL_GRAPH:
	case CTL_VERIFY:
		return lookup_mirror(fs, dir, name, ret);
	default:
		return -ENOTDIR;
	}
}

struct mirror {
	int (*fn)(void *ctx, const char *name, uint32_t mode);
	void *ctx;
};

static int mirror_dir(void *ctx, const struct ns_entry *e)
{
	struct mirror *m = ctx;

	return S_ISDIR(e->mode) ? m->fn(m->ctx, e->name, S_IFDIR) : 0;
}

static int mirror_text(void *ctx, const char *name, size_t len, bool dir)
{
	struct mirror *m = ctx;
	char text[NS_NAME_MAX + 1];

	(void)dir; /* what is told of it is a text, too */
	memcpy(text, name, len);
	text[len] = '\0';
	return m->fn(m->ctx, text, S_IFREG);
}

int control_list(struct fs *fs, struct node *dir,
		 int (*fn)(void *ctx, const char *name, uint32_t mode),
		 void *ctx)
{
	struct mirror m = {fn, ctx};
	uint64_t parent = dir->ino ? dir->ino : NS_ROOT;
	size_t i;
	int r = 0;

	switch (dir->control) {
	case CTL_ROOT:
		for (i = 0; r >= 0 && i < ARRAY_LEN(entries); i++)
			r = fn(ctx, entries[i].name, entries[i].mode);
		return r;
	case CTL_WHY:
	case CTL_OUTPUT:
	case CTL_GRAPH:
		r = ns_list(fs->ns, NS_NOW, parent, "", 0, mirror_dir, &m);
		if (r >= 0)
			r = eval_list(fs->eval, NS_NOW, parent, mirror_text,
				      &m);
		return r;
	case CTL_AT:
		return past_list(fs, fn, ctx);
	default:
		return 0; /* runs and objects are not listed */
	}
}

/* --- texts -------------------------------------------------------------- */

/* Figures that cost a look at rows; damage there leaves them out, as who asks
 * for the pid (umount) needs no more. */
static int add_figures(struct fs *fs, struct buf *b)
{
	struct object_totals o = {0};
	struct result_totals t = {0};
	struct totals n = {0};
	CLEANUP_BUF struct buf keep = BUF_INIT;
	struct settings settings;
	struct usage u = {0};
	int r = ns_totals(fs->ns, &n);

	if (r >= 0)
		r = results_totals(fs->results, &t);
	if (r >= 0)
		r = objects_totals(store_objects(fs->store), &o);
	if (r >= 0)
		r = usage_read(store_path(fs->store), &u);
	if (r >= 0)
		r = settings_load(fs->db, &settings);
	if (r < 0)
		return r;
	retention_format(&settings.retention, &keep);
	buf_fmt(b,
		",\"disk_bytes\":%llu,\"pack_bytes\":%llu,"
		"\"database_bytes\":%llu,\"kept_bytes\":%llu",
		(unsigned long long)u.disk, (unsigned long long)u.packs,
		(unsigned long long)u.database, (unsigned long long)t.kept);
	buf_fmt(b,
		",\"files\":%llu,\"dirs\":%llu,\"links\":%llu,"
		"\"bytes\":%llu,\"changes\":%llu,\"versions\":%llu",
		(unsigned long long)n.files, (unsigned long long)n.dirs,
		(unsigned long long)n.links, (unsigned long long)n.bytes,
		(unsigned long long)n.changes, (unsigned long long)n.versions);
	buf_fmt(b,
		",\"objects\":%llu,\"object_bytes\":%llu,"
		"\"stored_bytes\":%llu,\"packs\":%llu",
		(unsigned long long)o.objects, (unsigned long long)o.raw,
		(unsigned long long)o.stored, (unsigned long long)o.packs);
	buf_fmt(b,
		",\"results\":%llu,\"failures\":%llu,\"derived_bytes\":%llu,"
		"\"uses\":%llu,\"cost_s\":%.6f,\"saved_s\":%.6f",
		(unsigned long long)t.results, (unsigned long long)t.failures,
		(unsigned long long)t.bytes, (unsigned long long)t.uses,
		(double)t.wall_ns / 1e9, (double)t.saved_ns / 1e9);
	buf_str(b, ",\"retention\":");
	buf_json(b, buf_cstr(&keep), keep.len);
	return 0;
}

static int status_text(struct fs *fs, struct buf *b)
{
	unsigned running, waiting, jobs;
	int r = db_commit(fs->db); /* what is told is there for others, too */

	if (r < 0)
		log_error("%s: changes are lost: %s", store_path(fs->store),
			  err_name(r));
	eval_counts(fs->eval, &running, &waiting, &jobs);
	buf_str(b, "{\"version\":\"" DERIVA_VERSION "\",\"store\":");
	buf_json(b, store_path(fs->store), strlen(store_path(fs->store)));
	buf_str(b, ",\"branch\":");
	branch_json(fs, b);
	buf_str(b, ",\"mountpoint\":");
	buf_json(b, fs->mountpoint, strlen(fs->mountpoint));
	buf_fmt(b,
		",\"pid\":%d,\"started_ns\":%lld,\"lost\":%u,\"jobs\":%u,"
		"\"running\":%u,\"waiting\":%u",
		(int)getpid(), (long long)fs->started_ns,
		__atomic_load_n(&fs->lost, __ATOMIC_ACQUIRE), jobs, running,
		waiting);
	r = add_figures(fs, b);
	if (r < 0) {
		buf_str(b, ",\"error\":");
		buf_json(b, err_name(r), strlen(err_name(r)));
	}
	buf_str(b, "}\n");
	return buf_err(b);
}

/* What the last run of a derived name printed, or why it could not run. */
static int output_text(struct fs *fs, uint64_t dir, const char *name,
		       size_t len, struct buf *b)
{
	CLEANUP(blob_closep) struct blob *blob = NULL;
	enum eval_state state;
	struct eval_value v;
	struct derived d;
	struct result res;
	uint8_t *p;
	ssize_t n;
	bool now;
	int r = eval_peek(fs->eval, NS_NOW, dir, name, len, &state, &v, &now,
			  b);

	if (r >= 0 && b->len)
		buf_u8(b, '\n');
	if (r >= 0)
		r = results_derived(fs->results, NS_NOW, dir, name, len, &d);
	if (r >= 0)
		r = results_get(fs->results, &d.recipe, &res);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (!b->len && res.error)
		buf_fmt(b, "%s\n", res.message);
	if (addr_is_zero(&res.text))
		return buf_err(b);
	r = blob_open(fs->store, &res.text, &blob);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	p = buf_room(b, blob_size(blob));
	if (!p)
		return -ENOMEM;
	n = blob_pread(blob, p, blob_size(blob), 0);
	if (n < 0)
		return (int)n;
	b->len += (size_t)n;
	return 0;
}

int control_open(struct fs *fs, struct node *n, struct handle *h)
{
	const char *name;
	size_t len;

	if (n->kind == NODE_TEXT) {
		name = node_text_name(n, &len);
		if (n->control == CTL_BY_ADDR)
			return by_addr_text(fs, name, len, &h->text);
		if (n->control == CTL_WHY)
			return eval_why(fs->eval, NS_NOW, n->ino, name, len,
					&h->text);
		if (n->control == CTL_GRAPH)
			return eval_graph(fs->eval, n->ino, name, len,
					  &h->text);
		return output_text(fs, n->ino, name, len, &h->text);
	}
	switch (n->control) {
	case CTL_STATUS:
		return status_text(fs, &h->text);
	case CTL_JOBS:
		return eval_jobs(fs->eval, &h->text);
	case CTL_EVENTS:
		return events_open(fs, h);
	case CTL_BRANCH:
		return (h->flags & O_ACCMODE) == O_WRONLY
			       ? 0
			       : branch_text(fs, &h->text);
	case CTL_BRANCHES:
		return branches_text(fs, &h->text);
	case CTL_PINS:
		return keep_text(fs, n->control, &h->text);
	case CTL_SETTINGS:
		/* what is written has nothing to do with what was there */
		return (h->flags & O_ACCMODE) == O_WRONLY
			       ? 0
			       : keep_text(fs, n->control, &h->text);
	case CTL_RETRY:
	case CTL_DROP:
	case CTL_PIN:
	case CTL_UNPIN:
	case CTL_SNAPSHOT:
		return 0;
	case CTL_BUILD:
		return request_open(fs, h);
	default:
		return -EISDIR;
	}
}

static int retry(struct fs *fs, const char *path)
{
	const char *name;
	uint64_t dir;
	int r = lookup_path(fs, path, &dir, &name);

	return r < 0 ? r : eval_retry(fs->eval, dir, name, strlen(name));
}

/* One line, with or without newline, per write; settings takes several. */
int control_write(struct fs *fs, struct handle *h, const char *p, size_t n)
{
	enum control c = h->node->control;
	CLEANUP_BUF struct buf text = BUF_INIT;
	char *rest, *line;
	int r = 0;

	if (h->node->kind != NODE_CONTROL || c < CTL_RETRY)
		return -EPERM;
	if (c == CTL_BUILD)
		return request_write(h, p, n);
	while (n && p[n - 1] == '\n')
		n--;
	buf_add(&text, p, n);
	if (!n || buf_err(&text) < 0)
		return n ? -ENOMEM : -EINVAL;
	rest = (char *)text.data;
	if (c == CTL_RETRY)
		return retry(fs, rest);
	if (c != CTL_SETTINGS)
		return keep_told(fs, c, rest);
	while (r >= 0 && (line = strsep(&rest, "\n")))
		if (*line)
			r = keep_told(fs, c, line);
	return r;
}
