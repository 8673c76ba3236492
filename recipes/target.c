/* Targets and watches.
 *
 * A watch key is a tag byte, the directory's or inode's number and, for a
 * name, the name. Firing a key marks every target that watches it and, as a
 * derived name is itself a name that others watch, goes on from there with a
 * work list instead of recursion: chains may be ten thousand deep. It stops at
 * targets that are known to be changed already.
 */
#include "recipes/schedule.h"

#include "cas/holds.h"

#include <errno.h>
#include <string.h>

#include "recipes/place.h"
#include "recipes/task.h"
#include "recipes/upkeep.h"

enum { KEY_NAME = 1, KEY_LISTING, KEY_INODE, KEY_PATTERNS, KEY_TOOL };

#define KEY_MAX	 (1 + sizeof(uint64_t) + NS_NAME_MAX)
#define PAST_MAX 4096 /* targets of the past that are remembered */

static size_t make_key(uint8_t *key, uint8_t tag, uint64_t ino,
		       const char *name, size_t len)
{
	len = MIN(len, (size_t)NS_NAME_MAX);
	key[0] = tag;
	memcpy(key + 1, &ino, sizeof(ino));
	memcpy(key + 1 + sizeof(ino), name, len);
	return 1 + sizeof(ino) + len;
}

/* --- targets ------------------------------------------------------------ */

struct target *target_get(struct eval *ev, uint64_t at, uint64_t dir,
			  const char *name, size_t len, bool make)
{
	uint8_t key[2 * sizeof(uint64_t) + NS_NAME_MAX];
	struct target *t;

	if (len > NS_NAME_MAX)
		return NULL;
	memcpy(key, &at, sizeof(at));
	memcpy(key + sizeof(at), &dir, sizeof(dir));
	memcpy(key + sizeof(at) + sizeof(dir), name, len);
	t = map_get(ev->targets, key, sizeof(at) + sizeof(dir) + len);
	if (t || !make)
		return t;
	t = calloc(1, sizeof(*t) + len + 1);
	if (!t)
		return NULL;
	t->at = at;
	t->dir = dir;
	t->len = len;
	memcpy(t->name, name, len);
	t->value.error = -1;
	if (map_put(ev->targets, key, sizeof(at) + sizeof(dir) + len, t, NULL) <
	    0) {
		free(t);
		return NULL;
	}
	ev->npast += at != NS_NOW;
	return t;
}

void target_phase(struct eval *ev, struct target *t, enum phase phase)
{
	ev->nbusy -= t->phase != PHASE_IDLE;
	ev->nbusy += phase != PHASE_IDLE;
	t->phase = phase;
}

void target_hold(struct eval *ev, struct target *t, const struct addr *a)
{
	static const struct addr none;
	struct holds *h = store_holds(ev->store);

	if (!addr_is_zero(a))
		holds_keep(h, a);
	if (!addr_is_zero(&t->held))
		holds_release(h, &t->held);
	t->held = addr_is_zero(a) ? none : *a;
}

static void target_free(struct eval *ev, struct target *t)
{
	static const struct addr none;

	target_hold(ev, t, &none);
	watch_drop(ev, t);
	task_free(t->ran);
	free(t->message);
	free(t);
}

void targets_free(struct eval *ev)
{
	size_t it = 0;
	void *t;

	while (ev->targets && map_next(ev->targets, &it, NULL, NULL, &t))
		target_free(ev, t);
	map_free(ev->targets);
	ev->targets = NULL;
}

/* Nothing points to an idle target of the past: nobody waits, and nothing that
 * is fresh relies on its news, as there are none. The present's stay, for what
 * depends on them hears of changes through them. */
void targets_forget_past(struct eval *ev)
{
	struct map *kept;
	struct target *t;
	const void *key;
	size_t it = 0, len;
	bool ok = true;
	void *v;

	if (ev->npast < PAST_MAX || ev->nbusy)
		return;
	kept = map_new();
	if (!kept)
		return;
	while (ok && map_next(ev->targets, &it, &key, &len, &v)) {
		t = v;
		if (t->at == NS_NOW)
			ok = map_put(kept, key, len, t, NULL) >= 0;
	}
	if (!ok) {
		map_free(kept);
		return; /* another time */
	}
	for (it = 0; map_next(ev->targets, &it, NULL, NULL, &v);) {
		t = v;
		if (t->at != NS_NOW)
			target_free(ev, t);
	}
	map_free(ev->targets);
	ev->targets = kept;
	ev->npast = 0;
}

void queue_push(struct queue *q, struct target *t)
{
	t->prev = q->last;
	t->next = NULL;
	if (q->last)
		q->last->next = t;
	else
		q->first = t;
	q->last = t;
}

void queue_remove(struct queue *q, struct target *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		q->first = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		q->last = t->prev;
	t->prev = t->next = NULL;
}

/* --- watches ------------------------------------------------------------ */

static int watch(struct eval *ev, struct target *t, uint8_t tag, uint64_t ino,
		 const char *name, size_t len)
{
	uint8_t key[KEY_MAX];
	size_t n = make_key(key, tag, ino, name, len);
	struct watch_key *k;
	struct watch *w;

	if (!t || t->at != NS_NOW)
		return 0; /* the past does not change */
	k = map_get(ev->watches, key, n);
	if (k && k->first && k->first->target == t)
		return 0; /* registered a moment ago */
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	if (!k) {
		k = calloc(1, sizeof(*k) + n);
		if (!k || map_put(ev->watches, key, n, k, NULL) < 0) {
			free(k);
			free(w);
			return -ENOMEM;
		}
		k->len = n;
		memcpy(k->bytes, key, n);
	}
	w->target = t;
	w->key = k;
	w->next = k->first;
	if (k->first)
		k->first->prev = w;
	k->first = w;
	w->sibling = t->watches;
	t->watches = w;
	return 0;
}

int watch_name(struct eval *ev, struct target *t, uint64_t dir,
	       const char *name, size_t len)
{
	return watch(ev, t, KEY_NAME, dir, name, len);
}

int watch_listing(struct eval *ev, struct target *t, uint64_t dir)
{
	return watch(ev, t, KEY_LISTING, dir, "", 0);
}

int watch_inode(struct eval *ev, struct target *t, uint64_t ino)
{
	return watch(ev, t, KEY_INODE, ino, "", 0);
}

int watch_patterns(struct eval *ev, struct target *t, uint64_t dir)
{
	return watch(ev, t, KEY_PATTERNS, dir, "", 0);
}

int watch_tool(struct eval *ev, struct target *t, const char *name)
{
	return watch(ev, t, KEY_TOOL, 0, name, strlen(name));
}

void watch_drop(struct eval *ev, struct target *t)
{
	struct watch *w;

	while ((w = t->watches)) {
		t->watches = w->sibling;
		if (w->prev)
			w->prev->next = w->next;
		else
			w->key->first = w->next;
		if (w->next)
			w->next->prev = w->prev;
		if (!w->key->first) {
			map_del(ev->watches, w->key->bytes, w->key->len);
			free(w->key);
		}
		free(w);
	}
}

/* Marks one target; whether what watches it has to be marked, too. */
static bool mark(struct eval *ev, struct target *t)
{
	bool was = t->fresh;

	ev->news++;
	t->fresh = false;
	if (!t->changed) {
		t->changed = true;
		stop_outdated(ev, t);
	}
	if (t->at == NS_NOW && (t->eager || t->look))
		upkeep_target(ev, t);
	place_news(t);
	if (was)
		ev->host.stale(ev->host.ctx, t->dir, t->name, t->len);
	return was;
}

/* Marks all who watch the key, and gathers those whose own watchers come
 * next. A fresh target is idle and in no queue, and is fresh just once, so
 * that the queue's links serve and no target comes twice. */
static void fire(struct eval *ev, const uint8_t *key, size_t n,
		 struct queue *list)
{
	struct watch_key *k = map_get(ev->watches, key, n);
	struct watch *w;

	for (w = k ? k->first : NULL; w; w = w->next)
		if (mark(ev, w->target))
			queue_push(list, w->target);
}

static void fire_key(struct eval *ev, uint8_t tag, uint64_t ino,
		     const char *name, size_t len)
{
	struct queue list = {NULL, NULL};
	uint8_t key[KEY_MAX];
	struct target *t;

	fire(ev, key, make_key(key, tag, ino, name, len), &list);
	while ((t = list.first)) {
		queue_remove(&list, t);
		fire(ev, key, make_key(key, KEY_NAME, t->dir, t->name, t->len),
		     &list);
	}
	ev->host.told(ev->host.ctx);
}

void watch_fire_name(struct eval *ev, uint64_t dir, const char *name,
		     size_t len)
{
	fire_key(ev, KEY_NAME, dir, name, len);
}

void watch_fire_listing(struct eval *ev, uint64_t dir)
{
	fire_key(ev, KEY_LISTING, dir, "", 0);
}

void watch_fire_inode(struct eval *ev, uint64_t ino)
{
	fire_key(ev, KEY_INODE, ino, "", 0);
}

void watch_fire_tool(struct eval *ev, const char *name)
{
	fire_key(ev, KEY_TOOL, 0, name, strlen(name));
}

void watch_fire_all(struct eval *ev)
{
	struct target *t;
	size_t it = 0;
	void *v;

	while (map_next(ev->targets, &it, NULL, NULL, &v)) {
		t = v;
		if (t->at == NS_NOW)
			mark(ev, t);
	}
	ev->host.told(ev->host.ctx);
}

void watch_fire_patterns(struct eval *ev, uint64_t dir)
{
	fire_key(ev, KEY_PATTERNS, dir, "", 0);
}

void target_touch(struct eval *ev, struct target *t)
{
	mark(ev, t);
	watch_fire_name(ev, t->dir, t->name, t->len);
}
