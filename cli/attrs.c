#include "cli/attrs.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static const char *const names[STATES] = {
	[STATE_SOURCE] = "source",   [STATE_FRESH] = "fresh",
	[STATE_STALE] = "stale",     [STATE_NEW] = "new",
	[STATE_RUNNING] = "running", [STATE_FAILED] = "failed",
	[STATE_DROPPED] = "dropped", [STATE_BLOCKED] = "blocked",
};

const char *state_name(enum file_state s)
{
	return names[s];
}

int attr_get(const char *path, const char *name, struct buf *ret)
{
	char attr[64];
	ssize_t n;
	void *room;

	snprintf(attr, sizeof(attr), "user.deriva.%s", name);
	buf_reset(ret);
	room = buf_room(ret, 65536); /* the most that the kernel passes on */
	if (!room)
		return -ENOMEM;
	n = lgetxattr(path, attr, room, 65536);
	if (n < 0)
		return -errno;
	ret->len = (size_t)n;
	ret->data[n] = '\0';
	return 0;
}

int attr_state(const char *path, enum file_state *ret)
{
	char word[16];
	ssize_t n;
	int i;

	n = lgetxattr(path, "user.deriva.state", word, sizeof(word) - 1);
	if (n < 0)
		return errno == ERANGE ? -EPROTO : -errno;
	word[n] = '\0';
	for (i = 0; i < STATES; i++)
		if (!strcmp(word, names[i])) {
			*ret = (enum file_state)i;
			return 0;
		}
	return -EPROTO;
}

int attr_cost(const char *path, double *ret)
{
	char text[64], *end;
	double v;
	ssize_t n;

	n = lgetxattr(path, "user.deriva.cost", text, sizeof(text) - 1);
	if (n < 0)
		return errno == ERANGE ? -EPROTO : -errno;
	if (n == 0)
		return -ENODATA;
	text[n] = '\0';
	v = strtod(text, &end);
	if (end == text)
		return -EPROTO;
	*ret = v;
	return 0;
}

int known_size(const char *path, enum file_state s, uint64_t *ret)
{
	struct stat st;

	if (s != STATE_SOURCE && s != STATE_FRESH && s != STATE_DROPPED &&
	    s != STATE_BLOCKED)
		return -ENODATA;
	if (lstat(path, &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_size;
	return 0;
}
