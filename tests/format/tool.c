/* Puts standard input into a store, and prints the address: as a file, or as a
 * directory whose entries are lines "NAME TYPE SIZE DEVICE ADDRESS TARGET",
 * name and target in hex ("-": none). For tests/format/compare.py, which then
 * makes the same from the manual page alone. */
#include <inttypes.h>
#include <stdio.h>

#include "cas/blob.h"
#include "cas/dir.h"

static size_t from_hex(const char *hex, char *to)
{
	unsigned byte;
	size_t n = 0;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		to[n++] = (char)byte;
	return n;
}

static int put_dir(struct store *s, struct addr *ret)
{
	CLEANUP(dir_writer_freep) struct dir_writer *w = dir_writer_new(s);
	static char name_hex[520], target_hex[9000], name[260], target[4500];
	char addr[ADDR_HEX];
	struct dir_entry e;
	int type, rc;

	if (!w)
		return -ENOMEM;
	memset(&e, 0, sizeof(e));
	while (scanf("%519s %d %" SCNu64 " %" SCNu64 " %64s %8999s", name_hex,
		     &type, &e.size, &e.rdev, addr, target_hex) == 6) {
		e.type = (enum dir_type)type;
		e.name = name;
		e.name_len = from_hex(name_hex, name);
		e.target = target;
		e.target_len = from_hex(target_hex, target);
		if (!addr_parse(addr, &e.addr))
			return -EINVAL;
		rc = dir_add(w, &e);
		if (rc)
			return rc;
	}
	return dir_finish(w, ret, NULL);
}

static int put_file(struct store *s, struct addr *ret)
{
	CLEANUP(blob_writer_freep) struct blob_writer *w = blob_writer_new(s);
	char block[12345];
	size_t n;
	int rc = w ? 0 : -ENOMEM;

	while (!rc && (n = fread(block, 1, sizeof(block), stdin)))
		rc = blob_write(w, block, n);
	return rc ? rc : blob_finish(w, ret, NULL);
}

int main(int argc, char **argv)
{
	char hex[ADDR_HEX];
	struct store *s;
	struct addr a;
	struct err err;
	int rc;

	if (argc != 3)
		return EXIT_FAILURE;
	if (store_open(argv[2], STORE_CREATE, &s, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return EXIT_FAILURE;
	}
	rc = strcmp(argv[1], "dir") ? put_file(s, &a) : put_dir(s, &a);
	if (!rc)
		rc = store_close(s);
	if (rc) {
		fprintf(stderr, "%s\n", err_name(rc));
		return EXIT_FAILURE;
	}
	addr_hex(&a, hex);
	puts(hex);
	return EXIT_SUCCESS;
}
