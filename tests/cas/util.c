#include "tests/cas/util.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/lib/harness.h"

uint64_t splitmix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void fill_random(void *p, size_t n, uint64_t seed)
{
	uint8_t *b = p, last[8];
	size_t i;

	for (i = 0; i + 8 <= n; i += 8)
		put_le64(b + i, splitmix(&seed));
	if (i < n) {
		put_le64(last, splitmix(&seed));
		memcpy(b + i, last, n - i);
	}
}

uint8_t *random_bytes(size_t n, uint64_t seed)
{
	uint8_t *p = malloc(n + 1);

	ck_assert_ptr_nonnull(p);
	fill_random(p, n, seed);
	return p;
}

uint8_t *text_bytes(size_t n, uint64_t seed)
{
	static const char *const words[] = {"the ", "file ", "of ", "bytes\n",
					    "is ",  "cut ",  "by ", "hash "};
	uint8_t *p = malloc(n + 1);
	const char *word;
	size_t i = 0, len;

	ck_assert_ptr_nonnull(p);
	while (i < n) {
		word = words[splitmix(&seed) % ARRAY_LEN(words)];
		len = MIN(strlen(word), n - i);
		memcpy(p + i, word, len);
		i += len;
	}
	return p;
}

struct store *reopen_store(struct store *s, const char *dir)
{
	struct store *again;
	struct err err;
	int rc;

	ck_assert_int_eq(store_close(s), 0);
	rc = store_open(dir, 0, &again, &err);
	ck_assert_msg(!rc, "%s", err.msg);
	return again;
}

struct store *new_store(char **ret_dir)
{
	struct store *s;
	struct err err;
	int rc;

	*ret_dir = test_dir();
	rc = store_open(*ret_dir, STORE_CREATE, &s, &err);
	ck_assert_msg(!rc, "%s", err.msg);
	return s;
}

void drop_store(struct store *s, char *dir)
{
	ck_assert_int_eq(store_close(s), 0);
	remove_tree(dir);
	free(dir);
}

const char *hex_of(const struct addr *a)
{
	static char hex[ADDR_HEX];

	addr_hex(a, hex);
	return hex;
}

int open_only_pack(const char *dir, uint8_t ret_id[PACK_ID_LEN])
{
	char path[4096];
	struct dirent *e;
	int fd = -1;
	DIR *d;

	snprintf(path, sizeof(path), "%s/packs", dir);
	d = opendir(path);
	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d))) {
		if (!pack_parse_name(e->d_name, ret_id))
			continue;
		ck_assert_int_eq(fd, -1);
		snprintf(path, sizeof(path), "%s/packs/%s", dir, e->d_name);
		ck_assert_int_eq(chmod(path, 0600), 0);
		fd = open(path, O_RDWR | O_CLOEXEC);
		ck_assert_int_ge(fd, 0);
	}
	closedir(d);
	ck_assert_int_ge(fd, 0);
	return fd;
}

void flip_byte(int fd, uint64_t off, uint8_t mask)
{
	uint8_t b;

	ck_assert_int_eq(pread(fd, &b, 1, (off_t)off), 1);
	b ^= mask;
	ck_assert_int_eq(pwrite(fd, &b, 1, (off_t)off), 1);
}

void quiet(void)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}
