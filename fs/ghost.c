/* Ghosts: derived names that went with their recipe a moment ago.
 *
 * `rm -r` and rmtree list a directory first and remove what they saw. The
 * thread that removed a recipe may find what it defined once more, as
 * something that can be unlinked and nothing else.
 */
#include "fs/fs.h"

#include <string.h>

#include "core/clock.h"

#define GHOST_NS (60 * NSEC_PER_SEC)

struct ghost {
	int pid;
	int64_t until_ns;
	bool shown;
};

static size_t ghost_key(uint8_t *key, uint64_t dir, const char *name,
			size_t len)
{
	memcpy(key, &dir, sizeof(dir));
	memcpy(key + sizeof(dir), name, len);
	return sizeof(dir) + len;
}

static void ghosts_purge(struct fs *fs, int64_t now)
{
	struct map *kept = map_new();
	const void *key;
	size_t it = 0, len;
	struct ghost *g;
	void *v;

	while (map_next(fs->ghosts, &it, &key, &len, &v)) {
		g = v;
		if (!kept || g->until_ns < now ||
		    map_put(kept, key, len, g, NULL) < 0)
			free(g);
	}
	if (!kept)
		return;
	map_free(fs->ghosts);
	fs->ghosts = kept;
}

void ghost_add(struct fs *fs, uint64_t dir, const char *name, size_t len,
	       int pid)
{
	uint8_t key[sizeof(uint64_t) + NS_NAME_MAX];
	size_t n = ghost_key(key, dir, name, len);
	int64_t now = clock_mono_ns();
	struct ghost *g = map_get(fs->ghosts, key, n);
	bool made = !g;

	if (map_count(fs->ghosts) % 4096 == 4095)
		ghosts_purge(fs, now);
	if (made)
		g = calloc(1, sizeof(*g));
	if (!g)
		return;
	*g = (struct ghost){.pid = pid, .until_ns = now + GHOST_NS};
	if (made && map_put(fs->ghosts, key, n, g, NULL) < 0)
		free(g);
}

bool ghost_take(struct fs *fs, uint64_t dir, const char *name, size_t len,
		int pid)
{
	uint8_t key[sizeof(uint64_t) + NS_NAME_MAX];
	size_t n = ghost_key(key, dir, name, len);
	struct ghost *g = map_get(fs->ghosts, key, n);
	bool yes = g && g->pid == pid && g->until_ns >= clock_mono_ns();

	if (g) {
		map_del(fs->ghosts, key, n);
		free(g);
	}
	return yes;
}

bool ghost_show(struct fs *fs, uint64_t dir, const char *name, size_t len,
		int pid)
{
	uint8_t key[sizeof(uint64_t) + NS_NAME_MAX];
	size_t n = ghost_key(key, dir, name, len);
	struct ghost *g = map_get(fs->ghosts, key, n);

	if (!g)
		return false;
	if (!g->shown && g->pid == pid && g->until_ns >= clock_mono_ns()) {
		g->shown = true;
		return true;
	}
	map_del(fs->ghosts, key, n);
	free(g);
	return false;
}

void ghosts_free(struct fs *fs)
{
	size_t it = 0;
	void *v;

	while (fs->ghosts && map_next(fs->ghosts, &it, NULL, NULL, &v))
		free(v);
	map_free(fs->ghosts);
}
