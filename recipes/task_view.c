/* What a run sees: its inputs under their paths, and $out. */
#include "recipes/task.h"

#include <errno.h>
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

/* /w and one /d for each level is where the command works; an input that
 * climbs k levels lies k levels above. */
static int place_input(struct task *j, const struct canon_input *in)
{
	CLEANUP_BUF struct buf at = BUF_INIT;
	unsigned up = levels_of(in), i;

	if (*in->path == '/')
		return view_add(j->root, in->path + 1, in->path_len - 1,
				&in->addr, in->size, in->executable);
	for (i = up; i < j->depth; i++)
		buf_str(&at, "d/");
	buf_add(&at, in->path + 3 * up, in->path_len - 3 * up);
	if (buf_err(&at) < 0)
		return -ENOMEM;
	return view_add(j->work, buf_cstr(&at), at.len, &in->addr, in->size,
			in->executable);
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

static int by_path(const void *a, const void *b)
{
	const struct canon_input *const *x = a, *const *y = b;

	return strcmp((*x)->path, (*y)->path);
}

/* In order of the paths, so that a view grows at its end. How deep it is
 * depends on the inputs that are there and on nothing else: the address of the
 * computation covers no more. */
int task_build_views(struct task *j, const struct canon_input **ret_in)
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
	r = make_cwd(j);
	for (i = 0; r >= 0 && i < n; i++) {
		r = place_input(j, in[i]);
		if (r == -EEXIST)
			*ret_in = in[i];
	}
	return r;
}

/* $out has the suffix of the file it becomes, for programs that go by it;
 * but only where the command can see it, so that everything else is the same
 * computation under any name. */
void task_name_output(struct task *j, const char *name)
{
	const struct recipe_def *d = j->def;
	const char *dot = strrchr(name, '.');
	bool sees = false;
	size_t i, n;

	strcpy(j->out_name, "out");
	if (d->kind == RECIPE_RUN_SHELL)
		sees = strstr(d->run, "out");
	for (i = 0; d->kind == RECIPE_RUN_ARGV && i < d->argc; i++)
		sees = sees || strstr(d->argv[i], "out");
	if (!sees || !dot || dot == name)
		return;
	n = strlen(dot + 1);
	if (!n || n > 16)
		return;
	for (i = 1; i <= n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
			    "XYZ0123456789_+-",
			    dot[i]))
			return;
	strcat(j->out_name, dot);
}
