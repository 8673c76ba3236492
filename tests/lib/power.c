#include "tests/lib/power.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/macros.h"

#define SECTOR 512

struct op {
	struct disk_record r;
	char *path, *to;
	const uint8_t *data;
	size_t file; /* number in files */
	bool done;   /* it is on the disk for certain */
};

struct file {
	uint64_t ino;
	uint8_t *data; /* what is on the disk for certain */
	size_t len, cap;
	uint32_t mode;
	size_t *ops, n_ops, cap_ops; /* of this file, in order */
	size_t first;		     /* of ops that is not done */
};

struct name {
	char *path;
	bool dir;
	size_t file;
};

struct names {
	struct name *v;
	size_t n, cap;
};

struct power {
	uint8_t *text;
	struct op *ops;
	size_t count;
	struct file *files;
	size_t n_files;
	struct names names; /* on the disk for certain */
	size_t at;	    /* records before that one were looked at */
};

static void die(const char *why, size_t i)
{
	fprintf(stderr, "# power: %s (record %zu)\n", why, i);
	abort();
}

static void *more(void *p, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return p;
	*cap = *cap ? *cap * 2 : 16;
	p = realloc(p, *cap * size);
	if (!p)
		abort();
	return p;
}

/* The same numbers everywhere: splitmix64. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* --- the log -------------------------------------------------------------- */

static void read_all(const char *path, uint8_t **ret, size_t *ret_n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t n = 0;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path, 0);
	*ret = malloc((size_t)st.st_size + 1);
	while ((got = read(fd, *ret + n, (size_t)st.st_size - n)) > 0)
		n += (size_t)got;
	close(fd);
	*ret_n = n;
}

static size_t file_of(struct power *p, uint64_t ino, size_t i)
{
	size_t f = p->n_files;

	/* a number may be used again: the newest file of it */
	while (f--)
		if (p->files[f].ino == ino)
			return f;
	die("a file that was there before", i);
	return 0;
}

static void add_to_file(struct power *p, size_t i)
{
	struct file *f = &p->files[p->ops[i].file];

	f->ops = more(f->ops, f->n_ops, &f->cap_ops, sizeof(*f->ops));
	f->ops[f->n_ops++] = i;
}

static void parse(struct power *p, const struct disk_log *head, size_t len)
{
	size_t at = DISK_LOG_HEAD, i, cap = 0;
	struct op *o;

	p->ops = calloc(head->count + 1, sizeof(*p->ops));
	for (i = 0; i < head->count; i++) {
		o = &p->ops[i];
		if (at + sizeof(o->r) > len)
			die("cut short", i);
		memcpy(&o->r, p->text + at, sizeof(o->r));
		at += sizeof(o->r);
		o->path = strndup((char *)p->text + at, o->r.path);
		at += o->r.path;
		o->to = strndup((char *)p->text + at, o->r.to);
		at += o->r.to;
		o->data = p->text + at;
		at += o->r.data;
		switch ((enum disk_kind)o->r.kind) {
		case DISK_CREATE:
			p->files = more(p->files, p->n_files, &cap,
					sizeof(*p->files));
			p->files[p->n_files] =
				(struct file){.ino = o->r.file,
					      .mode = (uint32_t)o->r.off};
			o->file = p->n_files++;
			break;
		case DISK_WRITE:
		case DISK_TRUNCATE:
		case DISK_CHMOD:
		case DISK_SYNC:
			o->file = file_of(p, o->r.file, i);
			add_to_file(p, i);
			break;
		default:
			break;
		}
	}
	p->count = head->count;
}

struct power *power_load(const char *log)
{
	struct power *p = calloc(1, sizeof(*p));
	struct disk_log head;
	size_t n;

	read_all(log, &p->text, &n);
	memcpy(&head, p->text, sizeof(head));
	parse(p, &head, n);
	return p;
}

static void names_done(struct names *n)
{
	size_t i;

	for (i = 0; i < n->n; i++)
		free(n->v[i].path);
	free(n->v);
}

void power_free(struct power *p)
{
	size_t i;

	for (i = 0; i < p->count; i++) {
		free(p->ops[i].path);
		free(p->ops[i].to);
	}
	for (i = 0; i < p->n_files; i++) {
		free(p->files[i].data);
		free(p->files[i].ops);
	}
	names_done(&p->names);
	free(p->files);
	free(p->ops);
	free(p->text);
	free(p);
}

size_t power_count(const struct power *p)
{
	return p->count;
}

const struct disk_record *power_record(const struct power *p, size_t i)
{
	return &p->ops[i].r;
}

/* --- bytes ---------------------------------------------------------------- */

static void resize(struct file *f, size_t len)
{
	if (len > f->cap) {
		f->cap = MAX(len, f->cap * 2);
		f->data = realloc(f->data, f->cap);
		if (!f->data)
			abort();
	}
	if (len > f->len)
		memset(f->data + f->len, 0, len - f->len);
	f->len = len;
}

static void apply_op(struct file *f, const struct op *o)
{
	switch ((enum disk_kind)o->r.kind) {
	case DISK_WRITE:
		if (o->r.off + o->r.data > f->len)
			resize(f, o->r.off + o->r.data);
		memcpy(f->data + o->r.off, o->data, o->r.data);
		break;
	case DISK_TRUNCATE:
		resize(f, o->r.off);
		break;
	case DISK_CHMOD:
		f->mode = (uint32_t)o->r.off;
		break;
	default:
		break;
	}
}

/* All of the file up to record `since` is on the disk; of its mode only if all
 * was synced, not just what is needed to read it. */
static void settle_file(struct power *p, struct file *f, size_t since)
{
	while (f->first < f->n_ops && f->ops[f->first] < since)
		apply_op(f, &p->ops[f->ops[f->first++]]);
}

/* How far a sector, or the size, has come: of n operations the first so many.
 */
static size_t come(uint64_t seed, uint64_t which, size_t n)
{
	uint64_t s = seed ^ (which * UINT64_C(0xd1342543de82ef95));
	uint64_t r = next(&s);

	if (seed == 0)
		return 0;
	if (seed == 1)
		return n;
	switch (r % 4) {
	case 0:
		return 0;
	case 1:
		return n;
	default:
		return (size_t)(next(&s) % (n + 1));
	}
}

/* Writes op number k of the file where its sectors have come that far. */
static void write_sectors(struct file *f, const struct op *o, size_t k,
			  size_t n, uint64_t seed)
{
	uint64_t off = o->r.off, end = off + o->r.data, to;

	for (; off < end; off = to) {
		to = MIN(end, (off / SECTOR + 1) * SECTOR);
		if (k >= come(seed, off / SECTOR + 1, n))
			continue;
		if (to > f->len)
			resize(f, to);
		memcpy(f->data + off, o->data + (off - o->r.off), to - off);
	}
}

/* What lies beyond a file's end when it is cut becomes zeros, sector by
 * sector. */
static void cut_sectors(struct file *f, uint64_t size, size_t k, size_t n,
			uint64_t seed)
{
	uint64_t off = size, to;

	for (; off < f->len; off = to) {
		to = MIN((uint64_t)f->len, (off / SECTOR + 1) * SECTOR);
		if (k < come(seed, off / SECTOR + 1, n))
			memset(f->data + off, 0, to - off);
	}
}

/* The file with what else may have reached the disk before record `at`. */
static void torn_file(struct power *p, const struct file *from, size_t at,
		      uint64_t seed, struct file *ret)
{
	size_t n = 0, k, size_come, mode_come;
	uint64_t s = seed ^ from->ino;
	uint64_t size = from->len;
	const struct op *o;

	*ret = (struct file){.mode = from->mode};
	resize(ret, from->len);
	if (from->len)
		memcpy(ret->data, from->data, from->len);
	while (from->first + n < from->n_ops && from->ops[from->first + n] < at)
		n++;
	if (seed > 1)
		seed = MAX(next(&s), UINT64_C(2));
	/* now and then a file has come wholly, or not at all */
	if (seed > 1 && seed % 5 < 2)
		seed = seed % 5;
	size_come = come(seed, UINT64_MAX, n);
	mode_come = come(seed, UINT64_MAX - 1, n);
	for (k = 0; k < n; k++) {
		o = &p->ops[from->ops[from->first + k]];
		if (o->r.kind == DISK_WRITE) {
			write_sectors(ret, o, k, n, seed);
			if (k < size_come)
				size = MAX(size, o->r.off + o->r.data);
		} else if (o->r.kind == DISK_TRUNCATE) {
			cut_sectors(ret, o->r.off, k, n, seed);
			if (k < size_come)
				size = o->r.off;
		} else if (o->r.kind == DISK_CHMOD && k < mode_come) {
			ret->mode = (uint32_t)o->r.off;
		}
	}
	resize(ret, size);
}

/* --- names ---------------------------------------------------------------- */

static struct name *find(struct names *n, const char *path)
{
	size_t i;

	for (i = 0; i < n->n; i++)
		if (!strcmp(n->v[i].path, path))
			return &n->v[i];
	return NULL;
}

static void drop(struct names *n, struct name *at)
{
	free(at->path);
	*at = n->v[--n->n];
}

static void add(struct names *n, const char *path, bool dir, size_t file)
{
	struct name *old = find(n, path);

	if (old)
		drop(n, old);
	n->v = more(n->v, n->n, &n->cap, sizeof(*n->v));
	n->v[n->n++] = (struct name){strdup(path), dir, file};
}

/* Nothing, where what it needs is not there. */
static void apply_name(struct names *n, const struct op *o)
{
	struct name *at = find(n, o->path), was;

	switch ((enum disk_kind)o->r.kind) {
	case DISK_CREATE:
		add(n, o->path, false, o->file);
		break;
	case DISK_MKDIR:
		add(n, o->path, true, 0);
		break;
	case DISK_UNLINK:
		if (at)
			drop(n, at);
		break;
	case DISK_RENAME:
	case DISK_LINK:
		if (!at)
			break;
		was = *at;
		add(n, o->to, was.dir, was.file);
		at = find(n, o->path);
		if (o->r.kind == DISK_RENAME)
			drop(n, at);
		break;
	default:
		break;
	}
}

static bool is_name_op(const struct op *o)
{
	return o->r.kind == DISK_CREATE || o->r.kind == DISK_MKDIR ||
	       o->r.kind == DISK_UNLINK || o->r.kind == DISK_RENAME ||
	       o->r.kind == DISK_LINK;
}

/* Whether the operation is one on that directory ("" the root). */
static bool is_in(const struct op *o, const char *dir)
{
	const char *path = o->r.to ? o->to : o->path;
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	return strlen(dir) == n && !strncmp(path, dir, n);
}

static void settle_dir(struct power *p, const char *dir, size_t since)
{
	size_t i;

	for (i = 0; i < since; i++)
		if (!p->ops[i].done && is_name_op(&p->ops[i]) &&
		    is_in(&p->ops[i], dir)) {
			apply_name(&p->names, &p->ops[i]);
			p->ops[i].done = true;
		}
}

static uint64_t hash(const char *s, size_t n)
{
	uint64_t h = 14695981039346656037u;

	while (n--)
		h = (h ^ (uint8_t)*s++) * 1099511628211u;
	return h;
}

/* The names with what else may have reached the disk before record `at`. */
static void torn_names(struct power *p, size_t at, uint64_t seed,
		       struct names *ret)
{
	const char *path, *slash;
	size_t i, limit;
	uint64_t s, how;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < p->names.n; i++)
		add(ret, p->names.v[i].path, p->names.v[i].dir,
		    p->names.v[i].file);
	for (i = 0; i < at; i++) {
		const struct op *o = &p->ops[i];

		if (o->done || !is_name_op(o))
			continue;
		path = o->r.to ? o->to : o->path;
		slash = strrchr(path, '/');
		s = seed ^ hash(path, slash ? (size_t)(slash - path) : 0);
		how = next(&s);
		limit = (size_t)(next(&s) % (at + 1));
		s = seed ^ (i * 7919);
		if (seed == 0 || (seed > 1 && how % 4 == 0) ||
		    (seed > 1 && how % 4 == 1 && i >= limit) ||
		    (seed > 1 && how % 4 == 2 && next(&s) % 2))
			continue;
		apply_name(ret, o);
	}
}

/* --- a cut ---------------------------------------------------------------- */

static void advance(struct power *p, size_t at)
{
	const struct op *o;

	if (at < p->at)
		die("cuts have to rise", at);
	for (; p->at < at; p->at++) {
		o = &p->ops[p->at];
		if (o->r.kind == DISK_SYNC)
			settle_file(p, &p->files[o->file], o->r.since);
		else if (o->r.kind == DISK_SYNC_DIR)
			settle_dir(p, o->path, o->r.since);
	}
}

static void write_file(const char *path, const struct file *f)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t at = 0;
	ssize_t n;

	if (fd < 0)
		die(path, 0);
	for (; at < f->len; at += (size_t)n) {
		n = write(fd, f->data + at, f->len - at);
		if (n <= 0)
			die("write", 0);
	}
	if (fchmod(fd, f->mode) < 0)
		die("fchmod", 0);
	close(fd);
}

static int by_path(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return strcmp(x->path, y->path);
}

void power_cut(struct power *p, size_t at, uint64_t seed, const char *dest)
{
	struct names names;
	struct file f;
	char path[4096];
	size_t i;

	advance(p, at);
	torn_names(p, at, seed, &names);
	qsort(names.v, names.n, sizeof(*names.v), by_path);
	if (mkdir(dest, 0700) < 0)
		die(dest, at);
	for (i = 0; i < names.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dest, names.v[i].path);
		if (names.v[i].dir) {
			mkdir(path, 0700); /* above it there may be nothing */
			continue;
		}
		*strrchr(path, '/') = '\0';
		if (access(path, F_OK) < 0)
			continue; /* its directory is not there */
		path[strlen(path)] = '/';
		torn_file(p, &p->files[names.v[i].file], at, seed, &f);
		write_file(path, &f);
		free(f.data);
	}
	names_done(&names);
}
