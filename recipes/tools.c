#include "recipes/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/map.h"

/* What tells one file from another, without reading it. */
struct identity {
	char path[PATH_MAX]; /* "": there is no such program */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct known {
	struct identity id;
	bool wanted; /* to be read */
	int error;   /* of reading it */
	struct addr addr;
	char name[];
};

struct tools {
	pthread_mutex_t lock; /* of all below; not held while reading */
	struct map *names;    /* -> struct known */
	bool anywhere;
};

int tools_new(bool anywhere, struct tools **ret)
{
	struct tools *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->names = map_new();
	if (!t->names) {
		free(t);
		return -ENOMEM;
	}
	pthread_mutex_init(&t->lock, NULL);
	t->anywhere = anywhere;
	*ret = t;
	return 0;
}

void tools_free(struct tools *t)
{
	size_t it = 0;
	void *k;

	if (!t)
		return;
	while (map_next(t->names, &it, NULL, NULL, &k))
		free(k);
	map_free(t->names);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* --- finding ------------------------------------------------------------- */

static bool is_shown(const struct tools *t, const char *path)
{
	static const char *const shown[] = {"/usr/", "/bin/", "/sbin/", "/lib",
					    "/etc/alternatives/"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(shown); i++)
		if (!strncmp(path, shown[i], strlen(shown[i])))
			return true;
	return t->anywhere;
}

/* A link out of what is shown dangles in the sandbox; a shell goes on to the
 * next directory, and so do we. */
static bool look_at(const struct tools *t, const char *path,
		    struct identity *ret)
{
	struct stat st;

	if (!realpath(path, ret->path) || !is_shown(t, ret->path) ||
	    stat(ret->path, &st) < 0 || !S_ISREG(st.st_mode) ||
	    access(ret->path, X_OK) < 0) {
		ret->path[0] = '\0';
		return false;
	}
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	ret->size = st.st_size;
	ret->mtime = st.st_mtim;
	ret->ctime = st.st_ctim;
	return true;
}

static bool find(const struct tools *t, const char *name, struct identity *ret)
{
	const char *dirs, *end;
	char path[PATH_MAX];

	memset(ret, 0, sizeof(*ret));
	for (dirs = TOOLS_PATH; *dirs; dirs = *end ? end + 1 : end) {
		end = strchrnul(dirs, ':');
		if (snprintf(path, sizeof(path), "%.*s/%s", (int)(end - dirs),
			     dirs, name) < (int)sizeof(path) &&
		    look_at(t, path, ret))
			return true;
	}
	return false;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct identity *a, const struct identity *b)
{
	return !strcmp(a->path, b->path) && a->dev == b->dev &&
	       a->ino == b->ino && a->size == b->size &&
	       same_time(&a->mtime, &b->mtime) &&
	       same_time(&a->ctime, &b->ctime);
}

static void tell(const struct identity *id, const struct addr *addr,
		 struct tool *ret)
{
	strcpy(ret->path, id->path);
	ret->size = (uint64_t)id->size;
	ret->mtime_ns = id->mtime.tv_sec * NSEC_PER_SEC + id->mtime.tv_nsec;
	if (addr)
		ret->addr = *addr;
}

int tools_find(const struct tools *t, const char *name, struct tool *ret)
{
	struct identity id;

	if (!find(t, name, &id))
		return -ENOENT;
	memset(&ret->addr, 0, sizeof(ret->addr));
	tell(&id, NULL, ret);
	return 0;
}

/* --- asking -------------------------------------------------------------- */

static struct known *entry(struct tools *t, const char *name)
{
	size_t len = strlen(name);
	struct known *k = map_get(t->names, name, len);

	if (k)
		return k;
	k = calloc(1, sizeof(*k) + len + 1);
	if (!k)
		return NULL;
	memcpy(k->name, name, len);
	if (map_put(t->names, name, len, k, NULL) < 0) {
		free(k);
		return NULL;
	}
	return k;
}

int tools_get(struct tools *t, const char *name, struct tool *ret)
{
	struct identity now;
	struct known *k;
	int r = 0;

	find(t, name, &now);
	pthread_mutex_lock(&t->lock);
	k = entry(t, name);
	if (!k) {
		r = -ENOMEM;
	} else {
		if (!same_file(&k->id, &now)) {
			k->id = now;
			k->wanted = now.path[0];
			k->error = 0;
		}
		if (!now.path[0])
			r = -ENOENT;
		else if (k->wanted)
			r = -EAGAIN;
		else if (k->error)
			r = k->error;
		else
			tell(&k->id, &k->addr, ret);
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

/* --- reading ---------------------------------------------------------------
 */

static int sum(const char *path, struct addr *ret)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE uint8_t *block = malloc(KIB(256));
	struct hasher *h;
	ssize_t n;

	if (fd < 0 || !block)
		return fd < 0 ? -errno : -ENOMEM;
	h = hasher_new();
	if (!h)
		return -ENOMEM;
	while ((n = read(fd, block, KIB(256))) > 0)
		hasher_add(h, block, (size_t)n);
	if (n < 0)
		n = -errno;
	else
		hasher_sum(h, ret);
	hasher_free(h);
	return (int)n;
}

/* One that is to be read: its name and file as they are known. */
static bool next_wanted(struct tools *t, struct identity *ret_id,
			struct known **ret)
{
	struct known *k;
	size_t it = 0;
	void *v;

	pthread_mutex_lock(&t->lock);
	for (*ret = NULL; !*ret && map_next(t->names, &it, NULL, NULL, &v);) {
		k = v;
		if (!k->wanted)
			continue;
		*ret_id = k->id;
		*ret = k;
	}
	pthread_mutex_unlock(&t->lock);
	return *ret;
}

void tools_read(struct tools *t)
{
	struct identity id, now;
	struct addr addr = {{0}};
	struct known *k; /* stays where it is until tools_free() */
	int r;

	while (next_wanted(t, &id, &k)) {
		r = sum(id.path, &addr);
		pthread_mutex_lock(&t->lock);
		if (same_file(&k->id, &id)) {
			/* what was replaced while it was read has another
			 * identity, and is asked for again */
			find(t, k->name, &now);
			if (same_file(&now, &id)) {
				k->addr = addr;
				k->error = r;
			} else {
				k->id = (struct identity){.path = ""};
			}
			k->wanted = false;
		}
		pthread_mutex_unlock(&t->lock);
	}
}

bool tools_any(struct tools *t)
{
	bool any;

	pthread_mutex_lock(&t->lock);
	any = map_count(t->names);
	pthread_mutex_unlock(&t->lock);
	return any;
}

void tools_changed(struct tools *t, void (*fn)(void *ctx, const char *name),
		   void *ctx)
{
	struct identity now;
	struct known *k;
	size_t it = 0;
	void *v;

	pthread_mutex_lock(&t->lock);
	while (map_next(t->names, &it, NULL, NULL, &v)) {
		k = v;
		find(t, k->name, &now);
		if (!same_file(&k->id, &now))
			fn(ctx, k->name);
	}
	pthread_mutex_unlock(&t->lock);
}
