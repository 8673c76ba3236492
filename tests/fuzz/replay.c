/* Hands files, or all files of directories, to a fuzz target. Each is copied
 * to memory of just its size, so that reading past its end is seen. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

static unsigned files;

static int replay(const char *path, const struct stat *st, int type,
		  struct FTW *ftw)
{
	size_t size = (size_t)st->st_size, n;
	uint8_t *data;
	FILE *f;

	(void)ftw;
	if (type != FTW_F)
		return 0;
	f = fopen(path, "r");
	data = malloc(size ? size : 1);
	if (!f || !data) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(EXIT_FAILURE);
	}
	n = fread(data, 1, size, f);
	fclose(f);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	files++;
	return 0;
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (nftw(argv[i], replay, 16, FTW_PHYS) != 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			return EXIT_FAILURE;
		}
	printf("%u inputs replayed\n", files);
	return files ? EXIT_SUCCESS : EXIT_FAILURE;
}
