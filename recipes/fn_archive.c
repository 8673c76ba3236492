#include "recipes/fn.h"

#include <errno.h>
#include <stdio.h>

#include "cas/dir.h"
#include "recipes/arc.h"

/* Inputs become members under the paths by which the recipe names them, without
 * what leads out of its directory; directories with all that is in them, in
 * the order of the names. */

#define DEPTH_MAX 200 /* of directories */

struct packing {
	struct fn_call *call;
	struct err *err;
	struct arc_writer *to;
	const struct fn_input *input;
	struct buf path; /* of the member, NUL-terminated */
	unsigned depth;
	char **paths; /* of the inputs as members */
	size_t npaths;
};

static void packing_done(struct packing *p)
{
	size_t i;

	arc_writer_free(p->to);
	buf_done(&p->path);
	for (i = 0; i < p->npaths; i++)
		free(p->paths[i]);
	free(p->paths);
}

static int write_out(void *ctx, const void *bytes, size_t n)
{
	struct packing *p = ctx;

	return fn_stopped(p->call) ? -ECANCELED
				   : fn_write(p->call, bytes, n, p->err);
}

static int add(struct packing *p, struct arc_member *m)
{
	struct err why = {""};
	int rc;

	m->path = buf_cstr(&p->path);
	if (buf_err(&p->path) < 0)
		return -ENOMEM;
	if (fn_stopped(p->call))
		return -ECANCELED;
	rc = arc_add(p->to, m, &why);
	return rc < 0 && why.msg[0]
		       ? err_set(p->err, rc, "%s: %s", m->path, why.msg)
		       : rc;
}

static int add_file(struct packing *p, const struct addr *a, bool executable)
{
	struct arc_member m = {.type = executable ? ARC_EXEC : ARC_FILE};
	CLEANUP_READER struct fn_reader r = {0};
	const uint8_t *bytes;
	ssize_t n;
	int rc = fn_open_blob(&r, p->call, p->input, a, p->err);

	if (rc < 0)
		return rc;
	m.size = blob_size(r.blob);
	rc = add(p, &m);
	while (rc >= 0 && (n = fn_read(&r, &bytes, p->err)) != 0)
		rc = n < 0 ? (int)n : arc_data(p->to, bytes, (size_t)n, p->err);
	return rc;
}

static int add_dir(struct packing *p, const struct addr *a);

static int add_entry(void *ctx, const struct dir_entry *e)
{
	struct packing *p = ctx;
	CLEANUP_FREE char *target = NULL;
	struct arc_member link = {.type = ARC_LINK};
	size_t len = p->path.len;
	int rc;

	buf_add(&p->path, e->name, e->name_len);
	switch (e->type) {
	case DIR_FILE:
	case DIR_EXEC:
		rc = add_file(p, &e->addr, e->type == DIR_EXEC);
		break;
	case DIR_DIR:
		rc = add_dir(p, &e->addr);
		break;
	case DIR_LINK:
		target = strndup(e->target, e->target_len);
		link.target = target;
		rc = target ? add(p, &link) : -ENOMEM;
		break;
	default:
		rc = err_set(p->err, -EILSEQ,
			     "%s: is neither a file, a directory nor a "
			     "symbolic link",
			     buf_cstr(&p->path));
	}
	p->path.len = len;
	buf_add(&p->path, "", 0); /* its NUL */
	return rc;
}

/* The path is its name; one slash behind it is added. */
static int add_dir(struct packing *p, const struct addr *a)
{
	struct arc_member m = {.type = ARC_DIR};
	int rc = 0;

	if (p->path.len && p->path.data[p->path.len - 1] != '/')
		buf_u8(&p->path, '/');
	if (p->depth == DEPTH_MAX)
		return err_set(p->err, -E2BIG,
			       "%s: directories nested more than %d deep",
			       buf_cstr(&p->path), DEPTH_MAX);
	if (p->path.len)
		rc = add(p, &m);
	if (rc < 0)
		return rc;
	p->depth++;
	rc = dir_each(p->call->store, a, add_entry, p);
	p->depth--;
	return rc < 0 && !p->err->msg[0] && rc != -ECANCELED
		       ? err_set(p->err, rc, "%s: reading the directory: %s",
				 buf_cstr(&p->path), err_name(rc))
		       : rc;
}

/* "/a/b", "../a/b", "./a//b": a/b. */
static void member_path(const char *path, struct buf *ret)
{
	size_t n;

	for (; *path; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (!n || (n == 1 && *path == '.'))
			continue;
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			buf_reset(ret);
			continue;
		}
		if (ret->len)
			buf_u8(ret, '/');
		buf_add(ret, path, n);
	}
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_twice(struct packing *p)
{
	CLEANUP_FREE char **sorted = calloc(p->npaths + 1, sizeof(*sorted));
	size_t i;

	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, p->paths, p->npaths * sizeof(*sorted));
	qsort(sorted, p->npaths, sizeof(*sorted), compare_paths);
	for (i = 1; i < p->npaths; i++)
		if (!strcmp(sorted[i - 1], sorted[i]))
			return err_set(p->err, -EINVAL,
				       "two inputs would both be called `%s` "
				       "in the archive",
				       sorted[i]);
	return 0;
}

static int name_members(struct packing *p)
{
	size_t i;

	p->paths = calloc(p->call->ninputs + 1, sizeof(*p->paths));
	if (!p->paths)
		return -ENOMEM;
	for (i = 0; i < p->call->ninputs; i++) {
		buf_reset(&p->path);
		member_path(p->call->inputs[i].path, &p->path);
		p->paths[i] = buf_err(&p->path) < 0
				      ? NULL
				      : strdup(buf_cstr(&p->path));
		if (!p->paths[i])
			return -ENOMEM;
		p->npaths++;
	}
	return check_twice(p);
}

static int add_input(struct packing *p, size_t i)
{
	p->input = &p->call->inputs[i];
	buf_reset(&p->path);
	buf_str(&p->path, p->paths[i]);
	return p->input->dir
		       ? add_dir(p, &p->input->addr)
		       : add_file(p, &p->input->addr, p->input->executable);
}

static int pack(struct fn_call *call, enum arc_format format, int level,
		struct err *err)
{
	CLEANUP(packing_done) struct packing p = {.call = call};
	struct err why = {""};
	size_t i;
	int rc;

	p.err = err ? err : &why;
	rc = name_members(&p);
	if (rc >= 0)
		rc = arc_writer_new(format, level, write_out, &p, &p.to);
	for (i = 0; i < call->ninputs && rc >= 0; i++)
		rc = add_input(&p, i);
	return rc < 0 ? rc : arc_writer_end(p.to, p.err);
}

static int tar(struct fn_call *call, struct err *err)
{
	return pack(call, ARC_TAR, 0, err);
}

static int zip(struct fn_call *call, struct err *err)
{
	return pack(call, ARC_ZIP, (int)fn_int(call, "level"), err);
}

static const struct fn_param none[] = {{0}};
static const struct fn_param zip_params[] = {
	PARAM_INT("level", "6", 0, 9,
		  "from 1 (fast) to 9 (small); 0: not compressed"),
	{0},
};

/* An archive is no text: what is shown is how it is compressed, and back. */
static const struct function rows[] = {
	{
		.name = "tar",
		.help = "the inputs as a tar file, under their paths, without "
			"times and owners",
		.version = 1,
		.params = none,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.paths = true,
		.dirs = true,
		.example = "== a.txt\n"
			   "one\n"
			   "== b.txt\n"
			   "two\n"
			   "== all.tar.recipe\n"
			   "in: [a.txt, b.txt]\n"
			   "fn: tar\n"
			   "== size.recipe\n"
			   "in: [all.tar]\n"
			   "fn: count\n"
			   "params: {what: bytes}\n"
			   "== size\n"
			   "3072\n",
		.run = tar,
	},
	{
		.name = "zip",
		.help = "the inputs as a zip file, under their paths, without "
			"times and owners",
		.version = 1,
		.params = zip_params,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.paths = true,
		.dirs = true,
		.example = "== a.txt\n"
			   "one\n"
			   "== all.zip.recipe\n"
			   "in: [a.txt]\n"
			   "fn: zip\n"
			   "== magic.recipe\n"
			   "in: [all.zip]\n"
			   "fn: head\n"
			   "params: {bytes: 2}\n"
			   "== magic.hex.recipe\n"
			   "in: [magic]\n"
			   "fn: hex\n"
			   "== magic.hex\n"
			   "504b\n",
		.run = zip,
	},
};

const struct fn_family family_archive = {"Archives", rows, ARRAY_LEN(rows)};
