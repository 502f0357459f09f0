package nats

import (
	"strings"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// maxSubject bounds a subject, in bytes: a server ends the connection of who sends a
// line of more than 4,096, of which the subject is a part. Names that Kubernetes allows
// make at most half of it.
const maxSubject = 3000

// appendSubject appends <cluster>.<group|core>.<resource>.<namespace|_>.<name>, which is
// also a key. Different keys have different subjects.
func appendSubject(dst []byte, k pipeline.Key) []byte {
	dst = appendResource(dst, k.Cluster, k.Resource)
	dst = append(dst, '.')
	if k.Namespace == "" {
		dst = append(dst, '_')
	} else {
		dst = appendToken(dst, k.Namespace)
	}
	return appendToken(append(dst, '.'), k.Name)
}

// appendResource appends <cluster>.<group|core>.<resource>.
func appendResource(dst []byte, cluster, groupResource string) []byte {
	dst = append(appendToken(dst, cluster), '.')
	resource, group, _ := strings.Cut(groupResource, ".")
	switch group {
	case "":
		dst = append(dst, "core"...)
	case "core":
		dst = append(dst, "=63ore"...) // not that of the group without a name
	default:
		dst = appendToken(dst, group)
	}
	return appendToken(append(dst, '.'), resource)
}

// appendToken appends a name as one token, in which nothing has a meaning of its own. An
// empty name is =.
func appendToken(dst []byte, name string) []byte {
	const digits = "0123456789ABCDEF"
	if name == "" {
		return append(dst, '=')
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
			dst = append(dst, c)
		default:
			dst = append(dst, '=', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// appendMessageID appends what tells repeats of a message from others: source and id of
// the event. Where these do not tell objects or states apart, because the object has no
// UID or no version, subject and sequence do.
func appendMessageID(dst []byte, c *pipeline.Change, subject string) []byte {
	dst = append(appendPrintable(dst, c.Source()), '#')
	dst = appendPrintable(dst, c.ID())
	if c.UID == "" || c.ResourceVersion == "" {
		dst = append(append(append(dst, '#'), subject...), '#')
		dst = append(dst, ordinal(c.Sequence)...)
	}
	return dst
}

// appendPrintable appends a text fit for a header's value.
func appendPrintable(dst []byte, text string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		if c := text[i]; c > ' ' && c < 0x7f && c != '#' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '=', digits[c>>4], digits[c&15])
		}
	}
	return dst
}
