/* Open addressing with linear probing. Addresses are hashes already: the last
 * eight of the bytes kept say where to look first. */
#include "cas/addrset.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#define SLOT	  16
#define IN_MEMORY MIB(32)
#define LEAST	  1024

struct addrset {
	int dir_fd;
	uint64_t slots; /* a power of two */
	uint64_t count;
	bool zero; /* the address whose kept bytes are those of a free slot */
	uint8_t *table;
};

/* Space is reserved, so that writing through the map cannot fail. */
static void *map_file(int dir_fd, size_t size)
{
	CLEANUP_CLOSE int fd = -1;

	fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || posix_fallocate(fd, 0, (off_t)size))
		return MAP_FAILED;
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static int make_table(int dir_fd, uint64_t slots, uint8_t **ret)
{
	size_t size = slots * SLOT;
	void *p = MAP_FAILED;

	if (size > IN_MEMORY)
		p = map_file(dir_fd, size);
	if (p == MAP_FAILED)
		p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	*ret = p;
	return 0;
}

int addrset_new(int dir_fd, uint64_t expect, struct addrset **ret)
{
	CLEANUP(addrset_freep) struct addrset *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	s->dir_fd = dir_fd;
	for (s->slots = LEAST; s->slots / 4 * 3 < expect; s->slots *= 2)
		;
	rc = make_table(dir_fd, s->slots, &s->table);
	if (!rc)
		*ret = steal(&s);
	return rc;
}

void addrset_free(struct addrset *s)
{
	if (!s)
		return;
	if (s->table)
		munmap(s->table, s->slots * SLOT);
	free(s);
}

static bool is_free(const uint8_t *slot)
{
	static const uint8_t none[SLOT];

	return !memcmp(slot, none, SLOT);
}

/* Where it is, or where it would go. */
static uint8_t *find(uint8_t *table, uint64_t slots, const uint8_t *key)
{
	uint64_t i;
	uint8_t *p;

	memcpy(&i, key + SLOT / 2, sizeof(i));
	for (;; i++) {
		p = table + (i & (slots - 1)) * SLOT;
		if (is_free(p) || !memcmp(p, key, SLOT))
			return p;
	}
}

static int grow(struct addrset *s)
{
	uint64_t slots = s->slots * 2, i;
	const uint8_t *p;
	uint8_t *table;
	int rc = make_table(s->dir_fd, slots, &table);

	if (rc)
		return rc;
	for (i = 0; i < s->slots; i++) {
		p = s->table + i * SLOT;
		if (!is_free(p))
			memcpy(find(table, slots, p), p, SLOT);
	}
	munmap(s->table, s->slots * SLOT);
	s->table = table;
	s->slots = slots;
	return 0;
}

int addrset_add(struct addrset *s, const struct addr *a)
{
	uint8_t *p;
	bool was;
	int rc;

	if (is_free(a->b)) {
		was = s->zero;
		s->zero = true;
		s->count += !was;
		return !was;
	}
	if (s->count >= s->slots / 4 * 3) {
		rc = grow(s);
		if (rc)
			return rc;
	}
	p = find(s->table, s->slots, a->b);
	if (!is_free(p))
		return 0;
	memcpy(p, a->b, SLOT);
	s->count++;
	return 1;
}

bool addrset_has(const struct addrset *s, const struct addr *a)
{
	if (is_free(a->b))
		return s->zero;
	return !is_free(find(s->table, s->slots, a->b));
}

uint64_t addrset_count(const struct addrset *s)
{
	return s->count;
}
