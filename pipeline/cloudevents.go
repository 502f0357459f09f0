package pipeline

import (
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
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
//	id               <group>/<version>/<resource>/<uid>/<resourceVersion>, of a
//	                 deletion with /deleted behind it, and from generation 1 on
//	                 with /g<generation> at the end. The core group is the empty
//	                 string, so its ids start with a slash: /v1/configmaps/...
//	                 Slashes and percent signs in UID and resourceVersion, which
//	                 Kubernetes gives none, are percent-encoded
//	time             when the change was observed, RFC 3339 in UTC
//	datacontenttype  application/json, beside data only
//	cluster, clusteruid, apiversion, kind, namespace, name, resourceversion
//	                 extensions; left out where empty
//	term, sequence   extensions, of 20 digits, so that they are ordered as
//	                 strings: of two changes of one key the later one has the
//	                 higher term or, of the same term, the higher sequence. Left
//	                 out where there is no sequence
//	snapshot, tombstone
//	                 extensions, true or left out
//	traceparent      extension, of a change that is traced; else left out
//	data             the object; left out when c has none (a tombstone)
//
// Equal source and id mean the same state of the same object, or its deletion,
// so a consumer can drop repeats by them; of objects without a UID, which some
// aggregated APIs have, only with the subject. Op, Origin, Key.Cluster and Key.Name must be set.
//
// Whatever the strings hold, the event is one JSON object in UTF-8, on one line,
// with each attribute once. Object, which must be one JSON value, is copied as it
// is, except that line ends between its tokens become spaces.
func (c *Change) AppendCloudEvent(dst []byte) []byte {
	dst = c.AppendCloudEventHead(dst)
	if c.Object != nil {
		dst = jsontext.AppendOneLine(dst, c.Object)
	}
	return append(dst, '}')
}

// AppendCloudEventHead appends what AppendCloudEvent writes in front of the object, or in
// front of the closing brace if there is none: for who writes large objects without a copy
// of them. Object, with line ends turned into spaces, and a brace make the event complete.
func (c *Change) AppendCloudEventHead(dst []byte) []byte {
	dst = append(dst, `{"specversion":"1.0","type":"dev.fairlead.resource.`...)
	dst = append(dst, c.Op.String()...)
	dst = append(dst, `.v1","source":"`...)
	dst = c.appendSource(dst)
	dst = append(dst, `","subject":"`...)
	dst = c.appendPath(dst)

	dst = append(dst, `","id":"`...)
	dst = c.appendID(dst)
	dst = append(dst, '"')

	if !c.Observed.IsZero() {
		dst = append(dst, `,"time":"`...)
		dst = c.Observed.UTC().AppendFormat(dst, time.RFC3339Nano)
		dst = append(dst, '"')
	}
	if c.Object != nil {
		dst = append(dst, `,"datacontenttype":"application/json"`...)
	}
	dst = appendAttribute(dst, `,"cluster":"`, c.Key.Cluster)
	dst = appendAttribute(dst, `,"clusteruid":"`, c.Origin.ClusterUID)
	dst = append(dst, `,"apiversion":"`...)
	dst = c.appendAPIVersion(dst)
	dst = append(dst, '"')
	dst = appendAttribute(dst, `,"kind":"`, c.Origin.Kind)
	dst = appendAttribute(dst, `,"namespace":"`, c.Key.Namespace)
	dst = appendAttribute(dst, `,"name":"`, c.Key.Name)
	dst = appendAttribute(dst, `,"resourceversion":"`, c.ResourceVersion)
	if c.Sequence != 0 {
		dst = appendOrdinal(append(dst, `,"term":"`...), c.Origin.Term)
		dst = appendOrdinal(append(dst, `","sequence":"`...), c.Sequence)
		dst = append(dst, '"')
	}
	if c.Snapshot {
		dst = append(dst, `,"snapshot":true`...)
	}
	if c.Tombstone {
		dst = append(dst, `,"tombstone":true`...)
	}
	if c.Trace != nil {
		dst = c.Trace.AppendParent(append(dst, `,"traceparent":"`...))
		dst = append(dst, '"')
	}
	if c.Object != nil {
		dst = append(dst, `,"data":`...)
	}
	return dst
}

func (c *Change) appendSource(dst []byte) []byte {
	return appendSegment(append(dst, "/clusters/"...), c.Key.Cluster)
}

// appendID appends the event's id, as it stands in a JSON string.
func (c *Change) appendID(dst []byte) []byte {
	gvr := c.Origin.Resource
	dst = jsontext.AppendEscaped(dst, gvr.Group)
	dst = append(dst, '/')
	dst = jsontext.AppendEscaped(dst, gvr.Version)
	dst = append(dst, '/')
	dst = jsontext.AppendEscaped(dst, gvr.Resource)
	dst = append(dst, '/')
	dst = jsontext.AppendEscaped(dst, escapePart(string(c.UID)))
	dst = append(dst, '/')
	return c.appendState(dst)
}

// appendState appends what tells states of an object apart: its version, that it
// is gone, and the generation.
func (c *Change) appendState(dst []byte) []byte {
	dst = jsontext.AppendEscaped(dst, escapePart(c.ResourceVersion))
	if c.Op == Deleted {
		if c.ResourceVersion != "" {
			dst = append(dst, '/')
		}
		dst = append(dst, "deleted"...)
	}
	if c.Generation > 0 {
		dst = strconv.AppendUint(append(dst, "/g"...), uint64(c.Generation), 10)
	}
	return dst
}

// appendOrdinal appends a number with so many leading zeros that all numbers are
// ordered as strings.
func appendOrdinal(dst []byte, n uint64) []byte {
	const zeros = "00000000000000000000"
	var digits [len(zeros)]byte
	text := strconv.AppendUint(digits[:0], n, 10)
	dst = append(dst, zeros[len(text):]...)
	return append(dst, text...)
}

// escapePart keeps a part of an id in one piece, or ids of different objects
// could be the same.
func escapePart(part string) string {
	if strings.IndexByte(part, '/') < 0 && strings.IndexByte(part, '%') < 0 {
		return part
	}
	return strings.NewReplacer("/", "%2F", "%", "%25").Replace(part)
}

func unescapePart(segment string) string {
	return strings.NewReplacer("%2F", "/", "%25", "%").Replace(segment)
}

func (c *Change) appendAPIVersion(dst []byte) []byte {
	if gvr := c.Origin.Resource; gvr.Group != "" {
		dst = append(jsontext.AppendEscaped(dst, gvr.Group), '/')
	}
	return jsontext.AppendEscaped(dst, c.Origin.Resource.Version)
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
// knows no empty attributes, only absent ones. Before is what stands before the value.
func appendAttribute(dst []byte, before, value string) []byte {
	if value == "" {
		return dst
	}
	return append(jsontext.AppendEscaped(append(dst, before...), value), '"')
}

const hexUpper = "0123456789ABCDEF"

// appendSegment appends s percent-encoded as one segment of a URI path, as
// url.PathEscape does. Nothing in the result needs escaping in JSON.
func appendSegment(dst []byte, s string) []byte {
	start := 0
	for i := range len(s) {
		if b := s[i]; !plain[b] {
			dst = append(dst, s[start:i]...)
			dst = append(dst, '%', hexUpper[b>>4], hexUpper[b&15])
			start = i + 1
		}
	}
	return append(dst, s[start:]...)
}

// plain are the bytes that stand for themselves in a segment.
var plain = func() (set [256]bool) {
	for _, b := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~$&+=:@") {
		set[b] = true
	}
	return set
}()
