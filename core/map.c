#include "core/map.h"

#include <errno.h>
#include <string.h>

/* Short keys, which nearly all are, lie in the slot itself. */
#define INLINE_KEY 32

struct slot {
	void *value; /* NULL: free */
	uint32_t hash;
	uint32_t len;
	union {
		uint8_t here[INLINE_KEY];
		uint8_t *heap;
	} key;
};

struct map {
	struct slot *slots;
	size_t cap, count; /* cap is a power of two or 0 */
};

/* FNV-1a over 8 bytes at a time, finished as in MurmurHash3's fmix64. */
uint32_t map_hash(const void *key, size_t len)
{
	const uint8_t *p = key;
	uint64_t h = 0xcbf29ce484222325u ^ len, w;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&w, p, 8);
		h = (h ^ w) * 0x100000001b3u;
		h ^= h >> 29;
	}
	for (; len; p++, len--)
		h = (h ^ *p) * 0x100000001b3u;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	return (uint32_t)h;
}

static const uint8_t *slot_key(const struct slot *s)
{
	return s->len <= INLINE_KEY ? s->key.here : s->key.heap;
}

static void slot_drop_key(struct slot *s)
{
	if (s->len > INLINE_KEY)
		free(s->key.heap);
}

struct map *map_new(void)
{
	return calloc(1, sizeof(struct map));
}

void map_free(struct map *m)
{
	size_t i;

	if (!m)
		return;
	for (i = 0; i < m->cap; i++)
		if (m->slots[i].value)
			slot_drop_key(&m->slots[i]);
	free(m->slots);
	free(m);
}

static struct slot *find(const struct map *m, const void *key, size_t len,
			 uint32_t hash)
{
	struct slot *s;
	size_t i;

	if (!m->cap)
		return NULL;
	for (i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		s = &m->slots[i];
		if (!s->value)
			return s;
		if (s->hash == hash && s->len == len &&
		    !memcmp(slot_key(s), key, len))
			return s;
	}
}

static int grow(struct map *m)
{
	size_t cap = m->cap ? m->cap * 2 : 16, i, j;
	struct slot *slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (i = 0; i < m->cap; i++) {
		if (!m->slots[i].value)
			continue;
		j = m->slots[i].hash & (cap - 1);
		while (slots[j].value)
			j = (j + 1) & (cap - 1);
		slots[j] = m->slots[i];
	}
	free(m->slots);
	m->slots = slots;
	m->cap = cap;
	return 0;
}

void *map_get(const struct map *m, const void *key, size_t len)
{
	struct slot *s = find(m, key, len, map_hash(key, len));

	return s ? s->value : NULL;
}

int map_put(struct map *m, const void *key, size_t len, void *value,
	    void **ret_old)
{
	uint32_t hash = map_hash(key, len);
	struct slot *s = find(m, key, len, hash);
	uint8_t *heap = NULL;

	if (ret_old)
		*ret_old = s ? s->value : NULL;
	if (s && s->value) {
		s->value = value;
		return 0;
	}
	if ((m->count + 1) * 4 > m->cap * 3) {
		if (grow(m) < 0)
			return -ENOMEM;
		s = find(m, key, len, hash);
	}
	if (len > INLINE_KEY) {
		heap = malloc(len);
		if (!heap)
			return -ENOMEM;
		memcpy(heap, key, len);
		s->key.heap = heap;
	} else {
		memcpy(s->key.here, key, len);
	}
	s->hash = hash;
	s->len = (uint32_t)len;
	s->value = value;
	m->count++;
	return 0;
}

void *map_del(struct map *m, const void *key, size_t len)
{
	struct slot *s = find(m, key, len, map_hash(key, len));
	size_t hole, i, home, mask;
	void *value;

	if (!s || !s->value)
		return NULL;
	value = s->value;
	slot_drop_key(s);
	mask = m->cap - 1;
	hole = (size_t)(s - m->slots);
	for (i = (hole + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
		home = m->slots[i].hash & mask;
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole].value = NULL;
	m->count--;
	return value;
}

void map_clear(struct map *m)
{
	size_t i;

	for (i = 0; i < m->cap; i++) {
		if (!m->slots[i].value)
			continue;
		slot_drop_key(&m->slots[i]);
		m->slots[i].value = NULL;
	}
	m->count = 0;
}

size_t map_count(const struct map *m)
{
	return m->count;
}

bool map_next(const struct map *m, size_t *it, const void **ret_key,
	      size_t *ret_len, void **ret_value)
{
	const struct slot *s;

	for (; *it < m->cap; (*it)++) {
		s = &m->slots[*it];
		if (!s->value)
			continue;
		(*it)++;
		if (ret_key)
			*ret_key = slot_key(s);
		if (ret_len)
			*ret_len = s->len;
		if (ret_value)
			*ret_value = s->value;
		return true;
	}
	return false;
}
