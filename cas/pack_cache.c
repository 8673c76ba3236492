#include "cas/pack_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "core/map.h"

#define OPEN_MAX_FILES 64

struct file {
	struct pack_file pub; /* first */
	uint32_t pack;
	unsigned uses;
	uint64_t last; /* tick of its last use */
};

struct pack_cache {
	pthread_mutex_t lock;
	int packs_fd;
	pack_id_fn id_fn;
	void *ctx;
	struct map *map; /* pack number -> struct file */
	uint64_t tick;
};

struct pack_cache *pack_cache_new(int packs_fd, pack_id_fn fn, void *ctx)
{
	struct pack_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->map = map_new();
	if (!c->map) {
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	c->packs_fd = packs_fd;
	c->id_fn = fn;
	c->ctx = ctx;
	return c;
}

static void file_free(struct file *f)
{
	if (!f)
		return;
	if (f->pub.fd >= 0)
		close(f->pub.fd);
	free(f);
}
CLEANUP_FN(struct file, file_free)

void pack_cache_free(struct pack_cache *c)
{
	size_t it = 0;
	void *f;

	if (!c)
		return;
	while (map_next(c->map, &it, NULL, NULL, &f))
		file_free(f);
	map_free(c->map);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static int file_open(struct pack_cache *c, uint32_t pack, struct file **ret)
{
	CLEANUP(file_freep) struct file *f = calloc(1, sizeof(*f));
	char name[PACK_NAME_LEN];
	int rc;

	if (!f)
		return -ENOMEM;
	f->pub.fd = -1;
	f->pack = pack;
	rc = c->id_fn(c->ctx, pack, f->pub.id);
	if (rc < 0)
		return rc;
	pack_name(f->pub.id, name);
	f->pub.fd = openat(c->packs_fd, name, O_RDONLY | O_CLOEXEC);
	if (f->pub.fd < 0)
		return -errno;
	*ret = steal(&f);
	return 0;
}

/* Under the lock: takes the one out that was not used for longest. */
static struct file *evict(struct pack_cache *c)
{
	struct file *oldest = NULL, *f;
	size_t it = 0;
	void *v;

	if (map_count(c->map) < OPEN_MAX_FILES)
		return NULL;
	while (map_next(c->map, &it, NULL, NULL, &v)) {
		f = v;
		if (!f->uses && (!oldest || f->last < oldest->last))
			oldest = f;
	}
	if (oldest)
		map_del(c->map, &oldest->pack, sizeof(oldest->pack));
	return oldest;
}

static struct file *use(struct pack_cache *c, struct file *f)
{
	if (f) {
		f->uses++;
		f->last = ++c->tick;
	}
	return f;
}

int pack_cache_get(struct pack_cache *c, uint32_t pack,
		   const struct pack_file **ret)
{
	CLEANUP(file_freep) struct file *mine = NULL;
	CLEANUP(file_freep) struct file *out = NULL;
	struct file *f;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	f = use(c, map_get(c->map, &pack, sizeof(pack)));
	pthread_mutex_unlock(&c->lock);
	if (!f) {
		rc = file_open(c, pack, &mine);
		if (rc)
			return rc;
		pthread_mutex_lock(&c->lock);
		f = use(c, map_get(c->map, &pack, sizeof(pack)));
		if (!f) { /* else another thread was faster */
			out = evict(c);
			rc = map_put(c->map, &pack, sizeof(pack), mine, NULL);
			if (!rc)
				f = use(c, steal(&mine));
		}
		pthread_mutex_unlock(&c->lock);
	}
	if (rc)
		return rc;
	*ret = &f->pub;
	return 0;
}

void pack_cache_put(struct pack_cache *c, const struct pack_file *pub)
{
	struct file *f = CONTAINER_OF((struct pack_file *)(uintptr_t)pub,
				      struct file, pub);

	pthread_mutex_lock(&c->lock);
	f->uses--;
	pthread_mutex_unlock(&c->lock);
}

static bool gone(const struct file *f)
{
	struct stat st;

	return !f->uses && !fstat(f->pub.fd, &st) && !st.st_nlink;
}

void pack_cache_trim(struct pack_cache *c)
{
	struct file *f;
	size_t it;
	bool more;
	void *v;

	pthread_mutex_lock(&c->lock);
	do {
		more = false;
		for (it = 0; map_next(c->map, &it, NULL, NULL, &v);) {
			f = v;
			if (!gone(f))
				continue;
			map_del(c->map, &f->pack, sizeof(f->pack));
			file_free(f);
			more = true; /* the table has changed */
			break;
		}
	} while (more);
	pthread_mutex_unlock(&c->lock);
}
