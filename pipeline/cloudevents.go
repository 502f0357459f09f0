package pipeline

import (
	"bytes"
	"time"
	"unicode/utf8"
)

// AppendCloudEvent appends c to dst as one CloudEvents 1.0 event in structured
// JSON, without a line end, and returns the extended slice. It allocates
// nothing but what dst has to grow.
//
// The attributes, in this order:
//
//	specversion      "1.0"
//	type             dev.fairlead.resource.{added,updated,deleted}.v1
//	source           /clusters/<name>, the name escaped as one URI path segment
//	subject          the object's REST path, each segment escaped:
//	                 /api/v1/namespaces/<ns>/configmaps/<name>, /apis/<group>/<version>/...
//	id               <group>/<version>/<resource>/<uid>/<resourceVersion>, or
//	                 <group>/<version>/<resource>/<uid>/deleted whatever the
//	                 deletion's resourceVersion. The core group is the empty
//	                 string, so its ids start with a slash: /v1/configmaps/...
//	time             when the change was observed, RFC 3339 in UTC
//	datacontenttype  application/json, beside data only
//	cluster, clusteruid, apiversion, kind, namespace, name, resourceversion
//	                 extensions; left out where empty
//	snapshot, tombstone
//	                 extensions, true or left out
//	data             the object; left out when c has none (a tombstone)
//
// Equal source and id mean the same state of the same object, so a consumer
// can drop repeats by them. Op, Origin, Key.Name and UID must be set. Object
// is copied as it is, except that line ends between its tokens become spaces:
// whatever it holds, the event stays on one line.
func (c *Change) AppendCloudEvent(dst []byte) []byte {
	gvr := c.Origin.Resource

	dst = append(dst, `{"specversion":"1.0","type":"dev.fairlead.resource.`...)
	dst = append(dst, c.Op.String()...)
	dst = append(dst, `.v1","source":"/clusters/`...)
	dst = appendSegment(dst, c.Key.Cluster)
	dst = append(dst, `","subject":"`...)
	dst = c.appendPath(dst)

	dst = append(dst, `","id":"`...)
	dst = appendEscaped(dst, gvr.Group)
	dst = append(dst, '/')
	dst = appendEscaped(dst, gvr.Version)
	dst = append(dst, '/')
	dst = appendEscaped(dst, gvr.Resource)
	dst = append(dst, '/')
	dst = appendEscaped(dst, string(c.UID))
	if c.Op == Deleted {
		dst = append(dst, `/deleted"`...)
	} else {
		dst = append(dst, '/')
		dst = appendEscaped(dst, c.ResourceVersion)
		dst = append(dst, '"')
	}

	if !c.Observed.IsZero() {
		dst = append(dst, `,"time":"`...)
		dst = c.Observed.UTC().AppendFormat(dst, time.RFC3339Nano)
		dst = append(dst, '"')
	}
	if c.Object != nil {
		dst = append(dst, `,"datacontenttype":"application/json"`...)
	}
	dst = appendAttribute(dst, "cluster", c.Key.Cluster)
	dst = appendAttribute(dst, "clusteruid", c.Origin.ClusterUID)
	dst = append(dst, `,"apiversion":"`...)
	if gvr.Group != "" {
		dst = appendEscaped(dst, gvr.Group)
		dst = append(dst, '/')
	}
	dst = appendEscaped(dst, gvr.Version)
	dst = append(dst, '"')
	dst = appendAttribute(dst, "kind", c.Origin.Kind)
	dst = appendAttribute(dst, "namespace", c.Key.Namespace)
	dst = appendAttribute(dst, "name", c.Key.Name)
	dst = appendAttribute(dst, "resourceversion", c.ResourceVersion)
	if c.Snapshot {
		dst = append(dst, `,"snapshot":true`...)
	}
	if c.Tombstone {
		dst = append(dst, `,"tombstone":true`...)
	}
	if c.Object != nil {
		dst = append(dst, `,"data":`...)
		dst = appendOneLine(dst, c.Object)
	}
	return append(dst, '}')
}

// appendPath appends the path under which the object is served.
func (c *Change) appendPath(dst []byte) []byte {
	gvr := c.Origin.Resource
	if gvr.Group == "" {
		dst = append(dst, "/api/"...)
	} else {
		dst = append(dst, "/apis/"...)
		dst = appendSegment(dst, gvr.Group)
		dst = append(dst, '/')
	}
	dst = appendSegment(dst, gvr.Version)
	if c.Key.Namespace != "" {
		dst = append(dst, "/namespaces/"...)
		dst = appendSegment(dst, c.Key.Namespace)
	}
	dst = append(dst, '/')
	dst = appendSegment(dst, gvr.Resource)
	dst = append(dst, '/')
	return appendSegment(dst, c.Key.Name)
}

// appendAttribute appends a string attribute, unless it is empty: CloudEvents
// knows no empty attributes, only absent ones.
func appendAttribute(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':', '"')
	dst = appendEscaped(dst, value)
	return append(dst, '"')
}

const hexLower, hexUpper = "0123456789abcdef", "0123456789ABCDEF"

// appendEscaped appends the inside of a JSON string. Bytes that are not UTF-8
// become U+FFFD, as encoding/json has it.
func appendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b < utf8.RuneSelf {
			if b >= ' ' && b != '"' && b != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			if b < ' ' {
				dst = append(dst, '\\', 'u', '0', '0', hexLower[b>>4], hexLower[b&15])
			} else {
				dst = append(dst, '\\', b)
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\ufffd`...)
			start = i + 1
		}
		i += size
	}
	return append(dst, s[start:]...)
}

// appendSegment appends s percent-encoded as one segment of a URI path, as
// url.PathEscape does. Nothing in the result needs escaping in JSON.
func appendSegment(dst []byte, s string) []byte {
	for i := range len(s) {
		switch b := s[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
			dst = append(dst, b)
		case b == '-', b == '_', b == '.', b == '~', b == '$', b == '&', b == '+', b == '=', b == ':', b == '@':
			dst = append(dst, b)
		default:
			dst = append(dst, '%', hexUpper[b>>4], hexUpper[b&15])
		}
	}
	return dst
}

// appendOneLine appends JSON with its line ends turned into spaces. In JSON
// they can only stand between tokens, so that changes nothing; in what is not
// JSON it keeps the harm to this one line.
func appendOneLine(dst, object []byte) []byte {
	start := len(dst)
	dst = append(dst, object...)
	for _, end := range []byte{'\n', '\r'} {
		at := dst[start:]
		for {
			i := bytes.IndexByte(at, end)
			if i < 0 {
				break
			}
			at[i] = ' '
			at = at[i+1:]
		}
	}
	return dst
}
