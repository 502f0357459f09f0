package pipeline

import (
	"iter"
	"strconv"
	"strings"
	"time"
)

// Source returns the source of c's event, see [Change.AppendCloudEvent].
func (c *Change) Source() string { return string(c.appendSource(nil)) }

// ID returns the id of c's event, see [Change.AppendCloudEvent]. It is for headers and
// keys: nothing in it is escaped as JSON.
func (c *Change) ID() string {
	gvr := c.Origin.Resource
	var b strings.Builder
	for _, part := range []string{gvr.Group, gvr.Version, gvr.Resource, escapePart(string(c.UID))} {
		b.WriteString(part)
		b.WriteByte('/')
	}
	b.WriteString(escapePart(c.ResourceVersion))
	if c.Op == Deleted {
		if c.ResourceVersion != "" {
			b.WriteByte('/')
		}
		b.WriteString("deleted")
	}
	if c.Generation > 0 {
		b.WriteString("/g")
		b.WriteString(strconv.FormatUint(uint64(c.Generation), 10))
	}
	return b.String()
}

// Attributes yields the attributes of the event that AppendCloudEvent writes, in its
// order, without datacontenttype and data: for the binary form of CloudEvents, where
// each is a header. The values are not escaped: a header's encoding is the caller's to
// apply, because names in them come from members and hold anything.
func (c *Change) Attributes() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		var observed, term, sequence string
		if !c.Observed.IsZero() {
			observed = c.Observed.UTC().Format(time.RFC3339Nano)
		}
		if c.Sequence != 0 {
			term, sequence = string(appendOrdinal(nil, c.Origin.Term)), string(appendOrdinal(nil, c.Sequence))
		}
		for _, a := range [...]struct{ name, value string }{
			{"specversion", "1.0"},
			{"type", "dev.fairlead.resource." + c.Op.String() + ".v1"},
			{"source", c.Source()},
			{"subject", string(c.appendPath(nil))},
			{"id", c.ID()},
			{"time", observed},
			{"cluster", c.Key.Cluster},
			{"clusteruid", c.Origin.ClusterUID},
			{"apiversion", c.Origin.Resource.GroupVersion().String()},
			{"kind", c.Origin.Kind},
			{"namespace", c.Key.Namespace},
			{"name", c.Key.Name},
			{"resourceversion", c.ResourceVersion},
			{"term", term},
			{"sequence", sequence},
			{"snapshot", flag(c.Snapshot)},
			{"tombstone", flag(c.Tombstone)},
			{"traceparent", c.Trace.parent()},
		} {
			if a.value != "" && !yield(a.name, a.value) {
				return
			}
		}
	}
}

// flag is the value of an attribute that is true or left out.
func flag(is bool) string {
	if is {
		return "true"
	}
	return ""
}
