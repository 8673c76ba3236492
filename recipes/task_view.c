/* What a run sees: its inputs under their paths, and $out. */
#include "recipes/task.h"

#include "cas/dir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Levels that a path climbs. */
static unsigned levels_of(const struct canon_input *in)
{
	const char *p = in->path;
	unsigned n = 0;

	for (; !strncmp(p, "../", 3); p += 3)
		n++;
	return n;
}

/* What lies in a directory that is an input, too, is fine when it is the same
 * there. */
static int same_in_tree(struct store *s, const struct view_node *root,
			const char *path, size_t len,
			const struct canon_input *in)
{
	const struct view_node *tree = view_tree(root, &path, &len);
	CLEANUP_BUF struct buf page = BUF_INIT;
	struct dir_entry e = {.type = DIR_DIR};
	size_t part;
	const char *slash;
	int r = 0;

	if (!tree)
		return -EEXIST;
	e.addr = tree->addr;
	while (!r && len) {
		struct addr dir = e.addr;

		if (e.type != DIR_DIR)
			return -EEXIST;
		slash = memchr(path, '/', len);
		part = slash ? (size_t)(slash - path) : len;
		r = dir_find(s, &dir, path, part, &page, &e);
		path += part + !!slash;
		len -= part + !!slash;
	}
	if (r < 0)
		return r == -ENOENT ? -EEXIST : r;
	/* a link leads to it, as it did when the input was looked up */
	if (e.type == DIR_LINK)
		return 0;
	return addr_eq(&e.addr, &in->addr) && (e.type == DIR_DIR) == in->dir &&
			       (e.type == DIR_EXEC) == in->executable
		       ? 0
		       : -EEXIST;
}

static int place(struct store *s, struct view_node *root, const char *path,
		 size_t len, const struct canon_input *in)
{
	int r = in->dir ? view_add_tree(root, path, len, &in->addr)
			: view_add(root, path, len, &in->addr, in->size,
				   in->executable);

	return r == -EEXIST ? same_in_tree(s, root, path, len, in) : r;
}

/* /w and one /d for each level is where the command works; an input that
 * climbs k levels lies k levels above. "." is that directory itself. */
static int path_in_work(const struct task *j, const struct canon_input *in,
			struct buf *ret)
{
	unsigned up = levels_of(in), i;
	bool here = !strcmp(in->path, ".");

	for (i = up; i < j->depth; i++)
		buf_str(ret, i + 1 < j->depth || !here ? "d/" : "d");
	if (!here)
		buf_add(ret, in->path + 3 * up, in->path_len - 3 * up);
	return buf_err(ret);
}

static int place_input(struct store *s, struct task *j,
		       const struct canon_input *in)
{
	CLEANUP_BUF struct buf at = BUF_INIT;
	int r;

	if (*in->path == '/')
		return place(s, j->root, in->path + 1, in->path_len - 1, in);
	r = path_in_work(j, in, &at);
	return r < 0 ? r : place(s, j->work, buf_cstr(&at), at.len, in);
}

/* Whether the command looked at what lies there, or at the directory that it
 * is taken in with. */
static bool was_seen(const struct view_node *top, const char *path)
{
	const struct view_node *n = top;
	const char *slash;

	for (; *path && !n->tree; path = *slash ? slash + 1 : slash) {
		slash = strchrnul(path, '/');
		n = view_find(n, path, (size_t)(slash - path));
		if (!n)
			return true;
	}
	return n == top || n->seen;
}

int task_unread(const struct task *j,
		int (*fn)(void *ctx, const struct canon_input *in), void *ctx)
{
	const struct canon_input *in;
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < j->ninputs; i++) {
		CLEANUP_BUF struct buf at = BUF_INIT;

		in = &j->inputs[i];
		if (in->empty)
			continue;
		if (*in->path == '/') {
			r = was_seen(j->root, in->path + 1) ? 0 : fn(ctx, in);
			continue;
		}
		r = path_in_work(j, in, &at);
		if (r >= 0 && !was_seen(j->work, buf_cstr(&at)))
			r = fn(ctx, in);
	}
	return r;
}

static int make_cwd(struct task *j)
{
	CLEANUP_BUF struct buf cwd = BUF_INIT;
	unsigned d;

	for (d = 0; d < j->depth; d++)
		buf_str(&cwd, d ? "/d" : "d");
	if (buf_err(&cwd) < 0)
		return -ENOMEM;
	return view_add_dir(j->work, buf_cstr(&cwd), cwd.len);
}

/* Directories first, those above before those below. */
static int by_path(const void *a, const void *b)
{
	const struct canon_input *const *x = a, *const *y = b;
	bool here = !strcmp((*x)->path, ".");

	if ((*x)->dir != (*y)->dir)
		return (*x)->dir ? -1 : 1;
	if (here != !strcmp((*y)->path, "."))
		return here ? -1 : 1;
	return strcmp((*x)->path, (*y)->path);
}

static bool is_here(const struct canon_input *in)
{
	return in->dir && !strcmp(in->path, ".");
}

/* In order of the paths, so that a view grows at its end. How deep it is
 * depends on the inputs that are there and on nothing else: the address of the
 * computation covers no more. */
int task_build_views(struct store *s, struct task *j,
		     const struct canon_input **ret_in)
{
	CLEANUP_FREE const struct canon_input **in =
		malloc((j->ninputs + 1) * sizeof(struct canon_input *));
	size_t i, n = 0;
	int r;

	j->work = view_new();
	j->root = view_new();
	if (!in || !j->work || !j->root)
		return -ENOMEM;
	for (i = 0; i < j->ninputs; i++) {
		if (j->inputs[i].empty)
			continue;
		in[n++] = &j->inputs[i];
		j->depth = MAX(j->depth, levels_of(&j->inputs[i]));
	}
	qsort(in, n, sizeof(*in), by_path);
	r = n && is_here(in[0]) ? 0 : make_cwd(j);
	for (i = 0; r >= 0 && i < n; i++) {
		r = place_input(s, j, in[i]);
		if (r == -EEXIST)
			*ret_in = in[i];
	}
	return r;
}

/* The suffix with its dot, when it is a plain one; else "". */
static const char *suffix_of(const char *name)
{
	const char *dot = strrchr(name, '.');
	size_t i, n;

	if (!dot || dot == name)
		return "";
	n = strlen(dot + 1);
	if (!n || n > 16)
		return "";
	for (i = 1; i <= n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
			    "XYZ0123456789_+-",
			    dot[i]))
			return "";
	return dot;
}

/* Each has the name of its variable and the suffix of its file, so that it is
 * the same computation for every stem. */
static int name_several(struct task *j, const char *name)
{
	const struct recipe_def *d = j->def;
	size_t i;

	j->which = d->nouts;
	j->outs = calloc(d->nouts, sizeof(*j->outs));
	if (!j->outs)
		return -ENOMEM;
	for (i = 0; i < d->nouts; i++) {
		if (!strcmp(d->outs[i].file, name))
			j->which = i;
		if (asprintf(&j->outs[i].file, "%s%s", d->outs[i].name,
			     suffix_of(d->outs[i].file)) < 0) {
			j->outs[i].file = NULL;
			return -ENOMEM;
		}
	}
	return j->which < d->nouts ? 0 : -ENOENT;
}

/* $out has the suffix of the file it becomes, for programs that go by it;
 * but only where the command can see it, so that everything else is the same
 * computation under any name. */
int task_name_output(struct task *j, const char *name)
{
	const struct recipe_def *d = j->def;
	bool sees = false;
	size_t i;

	strcpy(j->out_name, "out");
	if (d->nouts)
		return name_several(j, name);
	if (d->kind == RECIPE_RUN_SHELL)
		sees = strstr(d->run, "out");
	for (i = 0; d->kind == RECIPE_RUN_ARGV && i < d->argc; i++)
		sees = sees || strstr(d->argv[i], "out");
	if (sees)
		strcat(j->out_name, suffix_of(name));
	return 0;
}
