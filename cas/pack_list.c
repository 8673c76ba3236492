#include "cas/pack_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int compare(const void *a, const void *b)
{
	const struct pack_item *x = a, *y = b;

	return memcmp(x->id, y->id, PACK_ID_LEN);
}

static int add(struct pack_list *l, const uint8_t *id, const struct stat *st)
{
	struct pack_item *items;
	size_t cap;

	if (l->count == l->cap) {
		cap = l->cap ? 2 * l->cap : 64;
		items = reallocarray(l->items, cap, sizeof(*items));
		if (!items)
			return -ENOMEM;
		l->items = items;
		l->cap = cap;
	}
	items = &l->items[l->count++];
	memcpy(items->id, id, PACK_ID_LEN);
	items->size = (uint64_t)st->st_size;
	items->mtime_ns =
		st->st_mtim.tv_sec * NSEC_PER_SEC + st->st_mtim.tv_nsec;
	l->size += items->size;
	return 0;
}

/* What a writer that lives is about to name is not stray. */
static bool is_temporary(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && !strcmp(name + n - 4, ".tmp");
}

static int add_name(int packs_fd, const char *name, struct pack_list *l)
{
	uint8_t id[PACK_ID_LEN];
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, "..") || is_temporary(name))
		return 0;
	if (fstatat(packs_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISREG(st.st_mode) && pack_parse_name(name, id))
		return add(l, id, &st);
	buf_add(&l->stray, name, strlen(name) + 1);
	return buf_err(&l->stray);
}

int pack_list_read(int packs_fd, struct pack_list *ret)
{
	CLEANUP(pack_list_done) struct pack_list l = {0};
	CLEANUP(closedirp) DIR *d = NULL;
	struct dirent *e;
	int fd, rc = 0;

	fd = openat(packs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while (!rc) {
		errno = 0;
		e = readdir(d);
		if (!e)
			break;
		rc = add_name(packs_fd, e->d_name, &l);
	}
	if (!rc && errno)
		rc = -errno;
	if (rc < 0)
		return rc;
	if (l.count)
		qsort(l.items, l.count, sizeof(*l.items), compare);
	*ret = l;
	l = (struct pack_list){0};
	return 0;
}

void pack_list_done(struct pack_list *l)
{
	free(l->items);
	buf_done(&l->stray);
	*l = (struct pack_list){0};
}

const struct pack_item *pack_list_find(const struct pack_list *l,
				       const uint8_t id[PACK_ID_LEN])
{
	struct pack_item key;

	memcpy(key.id, id, PACK_ID_LEN);
	return l->count
		       ? bsearch(&key, l->items, l->count, sizeof(key), compare)
		       : NULL;
}

int pack_open(int packs_fd, const uint8_t id[PACK_ID_LEN], int *ret_fd)
{
	char name[PACK_NAME_LEN];
	int fd;

	pack_name(id, name);
	fd = openat(packs_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}
