#include "cli/json.h"

#include <ctype.h>

static const char *skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return p;
}

static void add_utf8(struct buf *b, unsigned c)
{
	if (c < 0x80) {
		buf_u8(b, (uint8_t)c);
	} else if (c < 0x800) {
		buf_u8(b, (uint8_t)(0xc0 | c >> 6));
		buf_u8(b, (uint8_t)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_u8(b, (uint8_t)(0xe0 | c >> 12));
		buf_u8(b, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_u8(b, (uint8_t)(0x80 | (c & 0x3f)));
	} else {
		buf_u8(b, (uint8_t)(0xf0 | c >> 18));
		buf_u8(b, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
		buf_u8(b, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_u8(b, (uint8_t)(0x80 | (c & 0x3f)));
	}
}

static const char *hex4(const char *p, unsigned *ret)
{
	unsigned v = 0;
	int i;

	for (i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)p[i]))
			return NULL;
		v = v << 4 | (unsigned)(p[i] <= '9' ? p[i] - '0'
						    : (p[i] | 32) - 'a' + 10);
	}
	*ret = v;
	return p + 4;
}

/* Behind "\u". */
static const char *unicode(const char *p, struct buf *b)
{
	unsigned c, low;

	p = hex4(p, &c);
	if (!p)
		return NULL;
	if (c >= 0xd800 && c < 0xdc00) {
		if (p[0] != '\\' || p[1] != 'u')
			return NULL;
		p = hex4(p + 2, &low);
		if (!p || low < 0xdc00 || low > 0xdfff)
			return NULL;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	add_utf8(b, c);
	return p;
}

/* From the opening quote to behind the closing one, or NULL. */
static const char *string(const char *p, struct buf *b)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *e;

	if (*p++ != '"')
		return NULL;
	while (*p != '"') {
		if (!*p)
			return NULL;
		if (*p != '\\') {
			buf_add(b, p++, 1);
			continue;
		}
		p++;
		if (*p == 'u') {
			p = unicode(p + 1, b);
			if (!p)
				return NULL;
			continue;
		}
		e = *p ? strchr(from, *p) : NULL;
		if (!e)
			return NULL;
		buf_add(b, &to[e - from], 1);
		p++;
	}
	return p + 1;
}

/* Behind a value of any type. */
static const char *skip_value(const char *p)
{
	CLEANUP_BUF struct buf ignored = BUF_INIT;
	unsigned depth = 0;

	do {
		p = skip_space(p);
		if (*p == '"') {
			p = string(p, &ignored);
			if (!p)
				return NULL;
		} else if (*p == '{' || *p == '[') {
			depth++;
			p++;
		} else if (*p == '}' || *p == ']') {
			if (!depth)
				return NULL;
			depth--;
			p++;
		} else if (depth && (*p == ',' || *p == ':')) {
			p++;
		} else {
			size_t n = strcspn(p, " \t\r\n,:]}[{\"");

			if (!n)
				return NULL;
			p += n;
		}
	} while (depth);
	return p;
}

static int find(const char *text, const char *key, const char **ret)
{
	CLEANUP_BUF struct buf name = BUF_INIT;
	const char *p = skip_space(text);

	if (*p != '{')
		return -EINVAL;
	for (p = skip_space(p + 1); *p != '}'; p = skip_space(p)) {
		buf_reset(&name);
		p = string(p, &name);
		p = p ? skip_space(p) : NULL;
		if (!p || *p != ':')
			return -EINVAL;
		p = skip_space(p + 1);
		if (buf_err(&name))
			return -ENOMEM;
		if (!strcmp(buf_cstr(&name), key)) {
			if (!strncmp(p, "null", 4))
				return -ENOENT;
			*ret = p;
			return 0;
		}
		p = skip_value(p);
		p = p ? skip_space(p) : NULL;
		if (!p || (*p != ',' && *p != '}'))
			return -EINVAL;
		if (*p == ',')
			p++;
	}
	return -ENOENT;
}

int json_string(const char *text, const char *key, struct buf *ret)
{
	CLEANUP_BUF struct buf value = BUF_INIT;
	const char *p;
	int rc = find(text, key, &p);

	if (rc < 0)
		return rc;
	if (!string(p, &value))
		return -EINVAL;
	if (buf_err(&value))
		return -ENOMEM;
	buf_reset(ret);
	buf_add(ret, value.data, value.len);
	return buf_err(ret);
}

int json_number(const char *text, const char *key, double *ret)
{
	const char *p;
	char *end;
	double v;
	int rc = find(text, key, &p);

	if (rc < 0)
		return rc;
	v = strtod(p, &end);
	if (end == p)
		return -EINVAL;
	*ret = v;
	return 0;
}

int json_u64(const char *text, const char *key, uint64_t *ret)
{
	const char *p;
	char *end;
	uint64_t v;
	int rc = find(text, key, &p);

	if (rc < 0)
		return rc;
	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	errno = 0;
	v = strtoull(p, &end, 10);
	if (errno || *end == '.' || *end == 'e' || *end == 'E')
		return -EINVAL;
	*ret = v;
	return 0;
}
