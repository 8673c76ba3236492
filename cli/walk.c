#include "cli/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/output.h"

struct walk {
	struct items *it;
	char *root;
	const char *rel;   /* of the place, below the root */
	const char *shown; /* the place as the user wrote it */
	size_t prefix;	   /* bytes of its path; what follows is below it */
	dev_t dev;
	int rc; /* the first failure */
};

static void walk_failed(struct walk *w, const char *path, int rc)
{
	complain("%s: %s", path, err_name(rc));
	if (w->rc >= 0)
		w->rc = rc;
}

static int add(struct walk *w, const char *path, enum file_state state)
{
	struct items *it = w->it;
	struct item *list, item = {.root = w->root, .state = state};
	const char *below = path + w->prefix;
	size_t cap;

	if (it->count == it->cap) {
		cap = MAX(2 * it->cap, (size_t)64);
		list = reallocarray(it->list, cap, sizeof(*list));
		if (!list)
			return -ENOMEM;
		it->list = list;
		it->cap = cap;
	}
	below += strspn(below, "/");
	item.path = strdup(path);
	item.rel = path_join(w->rel, below);
	item.shown = path_join(w->shown, below);
	it->list[it->count++] = item;
	return item.path && item.rel && item.shown ? 0 : -ENOMEM;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char **list;
	size_t count, cap;
};

static void names_done(struct names *n)
{
	size_t i;

	for (i = 0; i < n->count; i++)
		free(n->list[i]);
	free(n->list);
}

static int names_add(struct names *n, const char *name)
{
	char **list, *copy;
	size_t cap;

	if (n->count == n->cap) {
		cap = MAX(2 * n->cap, (size_t)64);
		list = reallocarray(n->list, cap, sizeof(*list));
		if (!list)
			return -ENOMEM;
		n->list = list;
		n->cap = cap;
	}
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	n->list[n->count++] = copy;
	return 0;
}

/* Names of the entries that may matter: directories end in '/'. */
static int read_names(DIR *d, struct names *ret)
{
	char name[512];
	struct dirent *e;
	int rc;

	for (;;) {
		errno = 0;
		e = readdir(d);
		if (!e)
			return -errno;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    (e->d_type != DT_REG && e->d_type != DT_DIR &&
		     e->d_type != DT_UNKNOWN))
			continue;
		snprintf(name, sizeof(name), "%s%s", e->d_name,
			 e->d_type == DT_DIR ? "/" : "");
		rc = names_add(ret, name);
		if (rc < 0)
			return rc;
	}
}

static void visit_dir(struct walk *w, const char *dir);

static void visit(struct walk *w, const char *dir, char *name)
{
	CLEANUP_FREE char *path = NULL;
	enum file_state state;
	size_t n = strlen(name);
	bool is_dir = name[n - 1] == '/';
	int rc;

	if (is_dir)
		name[n - 1] = '\0';
	path = path_join(dir, name);
	if (!path) {
		walk_failed(w, dir, -ENOMEM);
		return;
	}
	if (is_dir) {
		visit_dir(w, path);
		return;
	}
	rc = attr_state(path, &state);
	if (rc == -ENODATA || rc == -ENOENT)
		return; /* no file, or gone since it was listed */
	if (rc >= 0 && state != STATE_SOURCE)
		rc = add(w, path, state);
	if (rc < 0)
		walk_failed(w, path, rc);
}

static void visit_dir(struct walk *w, const char *dir)
{
	CLEANUP(names_done) struct names names = {0};
	struct stat st;
	DIR *d = NULL;
	size_t i;
	int fd, rc;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		walk_failed(w, dir, -errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	if (w->dev && st.st_dev != w->dev) {
		close(fd);
		return;
	}
	w->dev = st.st_dev;
	d = fdopendir(fd);
	if (!d) {
		walk_failed(w, dir, -errno);
		close(fd);
		return;
	}
	rc = read_names(d, &names);
	closedir(d);
	if (rc < 0)
		walk_failed(w, dir, rc);
	if (names.count)
		qsort(names.list, names.count, sizeof(*names.list), by_name);
	for (i = 0; i < names.count; i++)
		visit(w, dir, names.list[i]);
}

static int own_root(struct items *it, char *root)
{
	char **roots = reallocarray(it->roots, it->nroots + 1, sizeof(*roots));

	if (!roots) {
		free(root);
		return -ENOMEM;
	}
	it->roots = roots;
	it->roots[it->nroots++] = root;
	return 0;
}

/* The path is a file. */
static int add_file(struct walk *w, const char *path)
{
	enum file_state state;
	int rc = attr_state(path, &state);

	if (rc == -ENODATA) {
		complain("%s is neither a file nor a directory", w->shown);
		return -EINVAL;
	}
	if (rc >= 0)
		rc = add(w, path, state);
	if (rc < 0)
		walk_failed(w, w->shown, rc);
	return rc;
}

int items_add(struct items *it, const struct where *where, const char *path)
{
	CLEANUP_PLACE struct place p = {0};
	struct walk w = {.it = it, .shown = path};
	int rc;

	rc = where_place(where, path, true, &p);
	if (rc < 0)
		return rc;
	if (p.is_dir && !strcmp(path, "."))
		w.shown = "";
	w.rel = p.rel;
	w.root = steal(&p.root);
	rc = own_root(it, w.root);
	if (rc < 0)
		return rc;
	w.prefix = strlen(p.path);
	if (!p.is_dir)
		return add_file(&w, p.path);
	visit_dir(&w, p.path);
	return w.rc;
}

void items_done(struct items *it)
{
	size_t i;

	for (i = 0; i < it->count; i++) {
		free(it->list[i].rel);
		free(it->list[i].path);
		free(it->list[i].shown);
	}
	for (i = 0; i < it->nroots; i++)
		free(it->roots[i]);
	free(it->list);
	free(it->roots);
	*it = (struct items){0};
}
