#include "cli/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"

/* Blanks, tabs, newlines and backslashes stand as \ooo. In place. */
static char *unescape(char *s)
{
	char *from = s, *to = s;

	while (*from) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' &&
		    from[2] >= '0' && from[2] <= '7' && from[3] >= '0' &&
		    from[3] <= '7') {
			*to++ = (char)((from[1] - '0') << 6 |
				       (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return s;
}

/* 36 35 98:0 /root /dir opts [tags...] - type source superopts */
static bool parse_line(char *line, struct mount_entry *e)
{
	char *field[5], *save = NULL, *word, *type, *source;
	int i;

	for (i = 0; i < 5; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return false;
	}
	do {
		word = strtok_r(NULL, " ", &save);
	} while (word && strcmp(word, "-"));
	type = word ? strtok_r(NULL, " ", &save) : NULL;
	source = type ? strtok_r(NULL, " ", &save) : NULL;
	if (!source || sscanf(field[2], "%u:%u", &e->major, &e->minor) != 2)
		return false;
	e->id = atoi(field[0]);
	e->parent = atoi(field[1]);
	e->root = unescape(field[3]);
	e->dir = unescape(field[4]);
	e->type = unescape(type);
	e->source = unescape(source);
	return true;
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

int mount_table_parse(char *text, struct mount_table *ret)
{
	struct mount_table t = {.text = text};
	char *line, *save = NULL;

	t.entries = calloc(count_lines(text), sizeof(*t.entries));
	if (!t.entries) {
		free(text);
		return -ENOMEM;
	}
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (parse_line(line, &t.entries[t.count]))
			t.count++;
	*ret = t;
	return 0;
}

int mount_table_read(struct mount_table *ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP_CLOSE int fd = -1;
	ssize_t n;
	char *room;

	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		room = buf_room(&b, 16384);
		if (!room)
			return -ENOMEM;
		n = read(fd, room, 16384);
		if (n < 0)
			return -errno;
		b.len += (size_t)n;
	} while (n > 0);
	buf_u8(&b, 0);
	if (buf_err(&b))
		return -ENOMEM;
	return mount_table_parse((char *)steal(&b.data), ret);
}

void mount_table_done(struct mount_table *t)
{
	free(t->entries);
	free(t->text);
	*t = (struct mount_table){0};
}

const struct mount_entry *mount_table_id(const struct mount_table *t, int id)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		if (t->entries[i].id == id)
			return &t->entries[i];
	return NULL;
}

const struct mount_entry *mount_table_at(const struct mount_table *t,
					 const char *dir)
{
	size_t i;

	for (i = t->count; i > 0; i--)
		if (!strcmp(t->entries[i - 1].dir, dir))
			return &t->entries[i - 1];
	return NULL;
}

const struct mount_entry *mount_table_root_of(const struct mount_table *t,
					      const struct mount_entry *e)
{
	size_t i;

	if (!strcmp(e->root, "/"))
		return e;
	for (i = 0; i < t->count; i++)
		if (t->entries[i].major == e->major &&
		    t->entries[i].minor == e->minor &&
		    !strcmp(t->entries[i].root, "/"))
			return &t->entries[i];
	return NULL;
}

bool mount_is_deriva(const struct mount_entry *e)
{
	return !strcmp(e->type, DERIVA_FSTYPE);
}

const char *path_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (!strcmp(dir, "/"))
		return path[0] == '/' ? path + 1 : NULL;
	if (strncmp(path, dir, n) || (path[n] && path[n] != '/'))
		return NULL;
	return path[n] ? path + n + 1 : path + n;
}
